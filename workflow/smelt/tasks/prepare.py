"""`smelt task`: prepare a task's splits as Parquet, with task.json to describe them."""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet

from smelt.cli import add_examples
from smelt.errors import FEW, SmeltError, quote
from smelt.files import checksum, whole_folder, write_json
from smelt.tasks.examples import Example, is_empty
from smelt.tasks.formats.base import FileOrSplit, SourceFile
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import TaskKind
from smelt.tasks.sources import locate, rank_by_hash, read_examples
from smelt.tasks.splits import SPLITS
from smelt.tasks.task_file import TaskFile, load_task, task_file, variables_of_task

PARTS = ("all", "language", "label")
SHOWN_COUNTS = {
    "repaired_labels": "labels repaired",
    "empty_texts": "texts without a word",
    "empty_sides": "pairs with an empty side",
    "misplaced_spans": "spans that do not begin and end with words of their own",
    "misplaced_answers": "answers that do not stand at their place, or are empty",
    "several_answers": "questions with several answers",
    "unanswered": "questions left out, because all their answers are empty",
    "without_relevant": "queries left out, because no passage is relevant to them",
    "several_relevant": "queries with several relevant passages",
    "passages": "passages",
}
"""Counts of a split in task.json, shown where they are not 0."""
ROWS = 50_000  # examples that become Arrow at once: as rows in Python they take much memory


@dataclass
class PreparedSplit:
    """The examples of one split, their files, and counts of what was unusual in them."""

    examples: list[Example] = field(default_factory=list)
    sources: list[Path] = field(default_factory=list)
    repaired: int = 0
    """Labels that had to be repaired."""
    empty_sides: int = 0
    """Pairs of texts where one is empty."""
    left_out: int = 0
    """Examples with nothing to predict, which are left out: sentences without a word, questions without an answer."""
    empty_texts: int = 0
    """Texts without a word. Those with a label of their own are examples like others; the rest is left out."""
    dropped: int = 0
    """Examples left out because they stand in a later split too."""
    written: set[str] = field(default_factory=set)
    """Labels as the files write them, where the task file changes them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--name", required=True, help="what the task is called")
    parser.add_argument("--task", help="its file <task>.yaml, and its setting; by default the name's")
    parser.add_argument("--folder", type=Path, nargs="*", default=[], help="folders of own task files, before smelt's")
    parser.add_argument("--limit", type=int, default=0, help="training examples to draw; 0 for all")
    parser.add_argument("--validation-limit", type=int, default=0, help="validation examples to draw; 0 for all")
    parser.add_argument(
        "--per",
        choices=PARTS,
        default="all",
        help="whether the limit counts all examples, or those of each language or label",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--name sst2 --output sst2",
        "--name mine --folder tasks --limit 500 --output mine",
    )


def run(arguments: argparse.Namespace) -> None:
    """Prepare the task and write its splits and description."""
    name = arguments.task or arguments.name
    where = str(task_file(name, *arguments.folder)[0])
    task = load_task(name, *arguments.folder)
    _check_draw(arguments, task, where)
    splits = prepare(task, where)
    labels = training_labels(task, splits, where)
    unseen = unseen_labels(task, splits, where)
    train = splits["train"]
    train.examples, left = draw_examples(train.examples, arguments.limit, arguments.seed, arguments.per)
    validation = splits["validation"]
    drawn = draw_examples(validation.examples, arguments.validation_limit, arguments.seed, arguments.per)
    validation.examples = drawn[0]
    check_splits(splits, kind_of(task), where)
    counts = _label_counts(kind_of(task), validation)
    unseen["validation"] = {label: counts[label] for label in unseen["validation"] if counts[label]}
    description = _description(arguments, task, labels) | {
        "splits": {
            name: describe(split, kind_of(task)) | {"unseen_labels": unseen[name]} for name, split in splits.items()
        },
        **_repeats(splits, kind_of(task)),
    }
    beside = kind_of(task).tables_beside({name: split.examples for name, split in splits.items()})
    write_task(arguments.output, splits, left, description, kind_of(task).schema(task.pairs), beside)
    for line in summary(description) + list_idle_changes(task, splits):
        print(f"{arguments.name}: {line}")


def variables(arguments: argparse.Namespace) -> list[str]:
    """Return the environment variables that the command fills in: those in the paths that the task's file names."""
    return variables_of_task(arguments.task or arguments.name, *arguments.folder)


def summary(description: dict[str, Any]) -> list[str]:
    """Return a line for each split of a task.json, and what to do where test examples stand in training."""
    from_train, from_validation = description["repeated_from_train"], description["repeated_from_validation"]
    lines = []
    for name, split in description["splits"].items():
        if not split["sources"]:
            continue  # of a task with a test split alone
        line = f"{name}: {_with_number(split['examples'], 'example')}, {_with_number(split['words'], 'word')}"
        counts = {what: split.get(key, 0) for key, what in SHOWN_COUNTS.items()}
        counts["labels that training lacks"] = sum(split["unseen_labels"].values())
        line += "".join(f"; {what}: {count}" for what, count in counts.items() if count)
        dropped = split["dropped_repeats"]
        what = "they" if "contexts_from_train" not in description else "their contexts"
        line += f"; {dropped} left out, because {what} also stand in a later split" if dropped else ""
        for count, where in ((from_train.get(name), "training"), (from_validation.get(name), "validation")):
            line += f"; {count} ({count / split['examples']:.1%}) also stand in {where}, word for word" if count else ""
        for earlier, where in (("train", "training"), ("validation", "validation")):
            count = description.get(f"contexts_from_{earlier}", {}).get(name, 0)
            line += f"; {count} ({count / split['examples']:.1%}) are about contexts of {where}" if count else ""
        lines.append(line)
    if from_train["test"] or description.get("contexts_from_train", {}).get("test"):
        lines.append("set `repeats: drop` in the task file to leave these out of training")
    return lines


def _with_number(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def write_task(
    folder: Path,
    splits: dict[str, PreparedSplit],
    left: list[Example],
    description: dict[str, Any],
    schema: Any,
    beside: dict[str, Any],
) -> None:
    """Write the splits, the training texts that a limit left out (without labels), and task.json; all or none.

    beside: what a kind has beside its splits, Arrow tables by the name of their file.
    """
    with whole_folder(folder) as draft:
        for file, table in beside.items():
            parquet.write_table(table, draft / file, compression="zstd")
        for name, split in splits.items():
            parquet.write_table(as_table(split.examples, schema), draft / f"{name}.parquet", compression="zstd")
        unlabelled = as_table(left, schema).drop_columns([schema.names[-1]])
        parquet.write_table(unlabelled, draft / "unlabelled.parquet", compression="zstd")
        write_json(draft / "task.json", description)


def as_table(examples: list[Example], schema: Any) -> Any:
    """Return examples as an Arrow table, numbered from 0."""
    parts = [_rows(examples, start, schema) for start in range(0, max(len(examples), 1), ROWS)]
    return arrow.concat_tables(parts)


def _check_draw(arguments: argparse.Namespace, task: TaskFile, where: str) -> None:
    for flag, limit in (("--limit", arguments.limit), ("--validation-limit", arguments.validation_limit)):
        if limit < 0:
            raise SmeltError(flag, f"expected a number of examples, or 0 for all; found {limit}")
    if arguments.per == "label" and not kind_of(task).labels_examples:
        raise SmeltError(where, "per: label is for tasks whose texts have one label each; expected language")


def _rows(examples: list[Example], start: int, schema: Any) -> Any:
    chosen = examples[start : start + ROWS]
    columns = {key: [getattr(example, key) for example in chosen] for key in schema.names[1:]}
    return arrow.table({"example": range(start, start + len(chosen))} | columns, schema=schema)


def _description(arguments: argparse.Namespace, task: TaskFile, labels: list[str]) -> dict[str, Any]:
    return (
        {
            "name": arguments.name,
            "title": task.title,
            "kind": task.kind,
            "scheme": task.scheme,
            "metric": task.metric,
            "setting": task.setting,
            "pairs": task.pairs,
            "average": task.average,
            "label_pieces": task.label_pieces,
            "languages": task.languages,
            "labels": labels,
            "choose_on": task.choose_on,
            "licence": task.licence,
            "cite": task.cite,
            "limit": arguments.limit,
            "validation_limit": arguments.validation_limit,
            "per": arguments.per,
            "seed": arguments.seed,
        }
        | ({"note": task.note} if task.note else {})
        | ({"scores": task.scores} if task.scores else {})
    )


def prepare(task: TaskFile, where: str) -> dict[str, PreparedSplit]:
    """Return every split of a task, with labels of spans in IOB2.

    Raises:
        SmeltError: a file is missing or is not in the task's format, a tag is impossible, a split is empty.
    """
    own = task.source.splits
    splits = {split: _prepare_split(task, split, where) if split in own else PreparedSplit() for split in SPLITS}
    for name, split in splits.items():
        if name in own and not split.examples:
            files = ", ".join(map(str, split.sources))
            raise SmeltError(where, f"source.{name}: no example is in it; read: {files}")
    if task.repeats == "drop":
        _drop_repeats(splits, kind_of(task), where)
    return splits


def check_splits(splits: dict[str, PreparedSplit], kind: TaskKind, where: str) -> None:
    """Refuse a split, or a language of it, on which nothing could be scored.

    Raises:
        SmeltError: there is one.
    """
    for name, split in splits.items():
        for language in dict.fromkeys(example.language for example in split.examples):
            try:
                kind.check_split([example for example in split.examples if example.language == language])
            except ValueError as error:
                raise SmeltError(where, f"source.{name}, {language}: {error}") from None


def training_labels(task: TaskFile, splits: dict[str, PreparedSplit], where: str) -> list[str]:
    """Return the labels of the whole training set, sorted: those that a model can predict.

    Raises:
        SmeltError: there is only one: nothing is left to learn, and every model is right.
    """
    labels = sorted(_label_counts(kind_of(task), splits["train"]))
    if len(labels) == 1:
        found = f"every label of train is {quote(labels[0])}, expected two or more"
        raise SmeltError(where, f"{found}: does the task file name the column of the labels?")
    return labels


def unseen_labels(task: TaskFile, splits: dict[str, PreparedSplit], where: str) -> dict[str, dict[str, int]]:
    """Return, for each split, the labels that training lacks and how often they stand there.

    Raises:
        SmeltError: there are some, and the task file does not say to count them.
    """
    known = set(_label_counts(kind_of(task), splits["train"]))
    unseen = {
        name: {
            label: count for label, count in sorted(_label_counts(kind_of(task), split).items()) if label not in known
        }
        for name, split in splits.items()
    }
    if task.unseen_labels == "error" and any(unseen.values()):
        listed = "; ".join(f"{name}: {_list_labels(labels)}" for name, labels in unseen.items() if labels)
        raise SmeltError(
            where,
            f"labels that training lacks, in {listed}. Mend them, or say unseen_labels: count",
        )
    return unseen


def _list_labels(labels: dict[str, int]) -> str:
    more = f" and {len(labels) - FEW:,} others" if len(labels) > FEW else ""
    first = list(labels.items())[:FEW]
    return ", ".join(f"{quote(label)} ({count} time{'s' * (count != 1)})" for label, count in first) + more


def list_idle_changes(task: TaskFile, splits: dict[str, PreparedSplit]) -> list[str]:
    """Return a sentence for each change of labels in the task file's formats that no label of their splits meets."""
    formats: dict[str, list[str]] = {}  # of a format, the splits that are written in it
    for split in task.source.splits:
        formats.setdefault(task.format_of(split).model_dump_json(), []).append(split)
    lines = []
    for names in formats.values():
        chosen = task.format_of(names[0])
        met = set().union(*(splits[name].written for name in names))
        lines += [f"format: {line} in {', '.join(names)}: it has no effect" for line in chosen.idle_changes(met)]
    return lines


def draw_examples(
    examples: list[Example], limit: int, seed: int, per: str = "all"
) -> tuple[list[Example], list[Example]]:
    """Return `limit` examples drawn by the seed (0: all), and those that are left, both in the file's order.

    Smaller draws lie in larger ones. The limit counts all examples, or those of each `language` or `label`; there may
    be fewer.
    """
    if limit == 0:
        return examples, []
    drawn = {place for places in _groups(examples, per) for place in _draw(places, limit, seed)}
    parts: tuple[list[Example], list[Example]] = ([], [])
    for place, example in enumerate(examples):
        parts[place not in drawn].append(example)
    return parts


def _groups(examples: list[Example], per: str) -> list[list[int]]:
    """Return the places of the examples, those of one language or label together."""
    groups: dict[str, list[int]] = {}
    for place, example in enumerate(examples):
        key = {"all": "", "language": example.language, "label": example.labels[0]}[per]
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _draw(places: list[int], limit: int, seed: int) -> list[int]:
    return [places[number] for number in rank_by_hash(len(places), seed)[:limit]]


def describe(split: PreparedSplit, kind: TaskKind) -> dict[str, Any]:
    """Return the entry of a split in task.json."""
    languages = Counter(example.language for example in split.examples)
    counts: Counter[str] = Counter()
    for example in split.examples:
        counts.update(kind.counts(example))
    counts.update(kind.counts_of_split(split.examples))
    counts[kind.left_out] += split.left_out
    counts["empty_texts"] += split.empty_texts
    return dict(counts) | {
        "examples": len(split.examples),
        "languages": dict(languages),
        "words": sum(len(example.words) for example in split.examples),
        "repaired_labels": split.repaired,
        "empty_sides": split.empty_sides,
        "dropped_repeats": split.dropped,
        "sources": [{"file": path.name, "sha256": checksum(path)} for path in split.sources],
    }


def _repeats(splits: dict[str, PreparedSplit], kind: TaskKind) -> dict[str, dict[str, int]]:
    """Return the entries of task.json that count examples in two splits, also by context where a kind has them."""
    entries: list[tuple[str, Callable[[Example], str]]] = [("repeated", lambda example: example.surface)]
    if kind.context_column:
        entries.append(("contexts", kind.context))
    return {
        f"{entry}_from_{earlier}": count_repeats(splits, earlier, what)
        for entry, what in entries
        for earlier in ("train", "validation")
    }


def count_repeats(splits: dict[str, PreparedSplit], earlier: str, what: Callable[[Example], str]) -> dict[str, int]:
    """Return how many examples of each later split also stand in an earlier one, word for word: kept, but counted.

    Args:
        splits: all splits.
        earlier: train, which validation and test are compared with, or validation, which test is.
        what: the text of an example that is compared, within its language.
    """
    # Training sets are large and the others small: what is kept in memory are the examples of the small ones.
    later = SPLITS[SPLITS.index(earlier) + 1 :]
    sought = {name: [(example.language, what(example)) for example in splits[name].examples] for name in later}
    anywhere = {key for keys in sought.values() for key in keys}
    known = {key for example in splits[earlier].examples if (key := (example.language, what(example))) in anywhere}
    return {name: sum(key in known for key in keys) for name, keys in sought.items()}


def _drop_repeats(splits: dict[str, PreparedSplit], kind: TaskKind, where: str) -> None:
    """Leave each example that stands in several splits word for word, or its context, in the last of them only."""
    later: set[tuple[str, str]] = set()
    for name in reversed(SPLITS):
        split = splits[name]
        kept = [example for example in split.examples if (example.language, kind.context(example)) not in later]
        if split.examples and not kept:
            raise SmeltError(where, f"repeats: every example of {name} stands in a later split too")
        split.dropped, split.examples = len(split.examples) - len(kept), kept
        later |= {(example.language, kind.context(example)) for example in kept}


def _prepare_split(task: TaskFile, name: str, where: str) -> PreparedSplit:
    split = PreparedSplit()
    kind, written_in = kind_of(task), task.format_of(name)
    for language in task.languages_of(name):
        place = locate(task, name, language, where)
        examples, without_labels, written = read_examples(task, name, language, place)
        split.written |= written
        split.left_out += without_labels
        split.empty_texts += sum(not example.words for example in examples)
        split.empty_sides += _check_filled(examples, place, task.empty_sides == "count")
        split.repaired += sum(kind.convert(example, written_in, place) for example in examples)
        for example in examples:
            _check_label(kind, example, task, place)
        split.examples += examples
        files = written_in.sources(SourceFile(place, language, task.code(language)))
        split.sources += [path for path in files if path not in split.sources]
    return split


def _check_label(kind: TaskKind, example: Example, task: TaskFile, place: FileOrSplit) -> None:
    try:
        kind.check_label(example, task.scores)
    except ValueError as error:
        raise SmeltError(f"{place}:{example.lines[0]}", str(error)) from None


def _check_filled(examples: list[Example], place: FileOrSplit, count: bool) -> int:
    """Refuse empty words, and empty labels, which would be learnt as a class of their own; count empty sides of pairs.

    Raises:
        SmeltError: one of these is empty, or a side of a pair is and is not to be counted.
    """
    empty = 0
    for example in examples:
        sides = example.sides
        if any(map(is_empty, sides)):
            sides, empty = ([], empty + 1) if count else ([""], empty)
        cells = [("label", example.labels), ("side of its pair", sides), ("word", example.words)]
        _refuse_empty(cells, example.lines, place)
    return empty


def _refuse_empty(cells: list[tuple[str, list[str]]], lines: Sequence[int], place: FileOrSplit) -> None:
    for what, values in cells:
        if "" in values:
            line = lines[min(values.index(""), len(lines) - 1)]
            raise SmeltError(f"{place}:{line}", f"has an empty {what}: are the columns those of the task file?")


def _label_counts(kind: TaskKind, split: PreparedSplit) -> Counter[str]:
    return Counter(label for example in split.examples for label in kind.classes(example))
