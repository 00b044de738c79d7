"""Where a task's examples come from: files of a local folder or of the Hugging Face hub, or splits of its data sets."""

from hashlib import blake2b
from pathlib import Path

from smelt.environment import VARIABLE, fill_in
from smelt.errors import WITHOUT_IT, SmeltError
from smelt.hub import HubRequest, open_split
from smelt.hub_errors import hub_errors
from smelt.tasks.examples import Example
from smelt.tasks.formats.base import FileFormat, FileOrSplit, SourceFile
from smelt.tasks.kinds import kind_of
from smelt.tasks.splits import Source
from smelt.tasks.task_file import TaskFile


def read_examples(task: TaskFile, split: str, language: str, place: FileOrSplit) -> tuple[list[Example], int, set[str]]:
    """Return the share of a file's examples that the split takes, in the file's order, and how many had no words.

    A sentence without words has no labels either, and is left out. The third result are the labels as the file writes
    them, where the task file cuts or renames labels.
    """
    written = task.format_of(split)
    found = list(kind_of(task).read(written, SourceFile(place, language, task.code(language))))
    examples = [example for example in found if example.labels]
    low, high = task.source.split(split).take
    groups = kind_of(task).groups(examples)
    ranks = rank_by_hash(max(groups, default=-1) + 1, seed=0)
    taken = set(ranks[round(low * len(ranks)) : round(high * len(ranks))])
    chosen = [example for example, group in zip(examples, groups, strict=True) if group in taken]
    for example in chosen:
        example.language = language
    return chosen, len(found) - len(examples), _rename(chosen, written)


def _rename(examples: list[Example], written: FileFormat) -> set[str]:
    """Give labels the names that the task file has for them; return them as they were, where it has any."""
    labels = {label for example in examples for label in example.labels}
    names = written.names_of(labels)
    if not names:
        return set()
    for example in examples:
        example.labels = [names[label] for label in example.labels]
    return labels


def rank_by_hash(count: int, seed: int) -> list[int]:
    """Return the positions 0 to count - 1 in an order drawn by hashes of seed and position.

    The first n of them are a random sample that holds every smaller one: what makes limits nested.
    """
    return sorted(range(count), key=lambda position: blake2b(f"{seed}:{position}".encode(), digest_size=8).digest())


def locate(task: TaskFile, split: str, language: str, where: str) -> FileOrSplit:
    """Return the local path of a split's file (its folder where a split is one), or the split of a hub's data set.

    What lies on the hub is fetched.

    Raises:
        SmeltError: an environment variable is not set, the folder is missing, or the hub does not give the file.
    """
    source, split_of_hub = task.source, task.source.split(split).split
    if split_of_hub is not None:
        assert source.hub is not None
        assert source.revision is not None
        return open_split(HubRequest(source.hub, source.revision, task.config(language), where), split_of_hub)
    name, folder = task.file(split, language), task.folder(split)
    if folder is None:
        files = task.format_of(split).files
        paths = [_fetch(task.source, part, where) for part in ([f"{name}/{file}" for file in files] or [name])]
        return paths[0].parent if files else paths[0]
    folder = fill_in(folder)
    key = f"source.{split}.folder" if task.source.split(split).folder else "source.folder"
    unset = VARIABLE.search(folder)
    if unset:
        raise SmeltError(where, f"{key}: the environment variable {unset[1]} is not set. Set it, {WITHOUT_IT}")
    if not Path(folder).is_dir():
        raise SmeltError(where, f"{key}: no such folder: {Path(folder).absolute()}. Put it there, {WITHOUT_IT}")
    return Path(folder) / name


def _fetch(source: Source, name: str, where: str) -> Path:
    from huggingface_hub import hf_hub_download

    assert source.hub is not None
    with hub_errors(where, "data set", f"source.hub: {source.hub}/{name} at {source.revision}"):
        return Path(hf_hub_download(source.hub, name, repo_type="dataset", revision=source.revision))
