"""Refuse scores of earlier versions on words that had lost the blank before them.

Byte-level BPE and Gemma's BPE write the blank before a word into its first piece. Earlier versions gave such tokenizers
the words of a task one by one, without blanks (see smelt.tasks.running_text), so the model saw pieces that it knew
only from inside words. Snakemake cannot find these fine-tunings: the kind of a tokenizer is known only when its
model is there, and a param that changes then would run correct ones again.

A correct run has the key below in metrics.json; runs without it are wrong only if their model has such a tokenizer.
Tokenizers are read as JSON here, because the report's environment has no tokenizer library.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.tasks.kinds import KINDS

RECORDED = "words_in_running_text"


def refuse_lost_blanks(finetuned: Path, runs: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Refuse scores of words that had lost their blanks, with the command that deletes these runs.

    Args:
        finetuned: folder of the fine-tuned models; `models` is in the same folder.
        runs: model, task and metrics of each.

    Raises:
        SmeltError: there are any.
    """
    tasks: dict[str, list[str]] = {}
    for model, task, metrics in runs:
        if (kind := KINDS.get(str(metrics.get("kind")))) and kind.labels_words and RECORDED not in metrics:
            tasks.setdefault(model, []).append(task)
    wrong = {model: tasks[model] for model in tasks if loses_blanks(finetuned.parent / "models" / model)}
    if wrong:
        number = sum(map(len, wrong.values()))
        folders = [f"{finetuned}/{model}/{_any_of(list(dict.fromkeys(names)))}" for model, names in wrong.items()]
        raise SmeltError(
            finetuned,
            f"{number:,} fine-tunings of an earlier version of smelt learnt words without the blank before them, which"
            f" their tokenizers need: their scores are wrong. Delete them and run again: rm -r {' '.join(folders)}",
        )


def loses_blanks(folder: Path) -> bool:
    """Return whether the tokenizer of a model's folder cuts words given alone as if they stood inside another word."""
    if not (folder / "tokenizer.json").is_file():
        return _settings(folder).get("add_prefix_space") is not True and (
            (folder / "merges.txt").is_file() or str(_settings(folder).get("tokenizer_class")).startswith("Gemma")
        )
    tree = read_json(folder / "tokenizer.json")
    kinds = {part.get("type"): part for part in _parts(tree.get("pre_tokenizer"))}
    if "ByteLevel" in kinds:
        return not kinds["ByteLevel"].get("add_prefix_space")
    before = {part.get("type"): part for part in _parts(tree.get("normalizer"))}
    replaced = before.get("Replace", {}).get("pattern", {}).get("String") == " "
    return replaced and "Prepend" not in before and "Metaspace" not in kinds


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    return read_json(path) if path.is_file() else {}


def _parts(whole: Any) -> list[dict[str, Any]]:
    """Return the parts of a normalizer or pre-tokenizer, which may be a sequence of some, or none."""
    if not isinstance(whole, dict):
        return []
    inner = [part for key in ("normalizers", "pretokenizers") for part in whole.get(key) or []]
    return [found for part in inner for found in _parts(part)] if inner else [whole]


def _any_of(names: list[str]) -> str:
    """Return names as bash takes any of them in a path."""
    return names[0] if len(names) == 1 else "{" + ",".join(names) + "}"
