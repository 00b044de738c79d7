"""The words of a test split, a row each: their pieces, and the runs that missed their label; and tables of how finely
they are cut (mALBERT, Table 4)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from smelt.errors import SmeltError
from smelt.parquet import read_columns

_COLUMNS = ["example", "language", "words", "gold", "predicted", "pieces"]
# Equal in every run of one model.
_SHARED = ["example", "language", "words", "gold", "pieces"]

ENTITY, OTHER, ALL = "entity words", "other words", "all words"


def read_words(paths: list[Path]) -> pd.DataFrame:
    """Return the words of the runs of one model on one test split.

    Args:
        paths: predictions.parquet of each run.

    Returns:
        A row a word: sentence (a number from 0), language, word, gold, pieces (their number), a column missed-<i> for
        each run (whether its label differs from gold), and missed, their mean: the share of runs that missed it.

    Raises:
        SmeltError: a file is missing, has no words, or holds other sentences, labels or pieces than the first.
    """
    tables = [_read(path) for path in paths]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        _check_alignment(path, table, paths[0], tables[0])
    missed = pd.DataFrame({f"missed-{run}": _find_missed(table) for run, table in enumerate(tables)})
    return _words_of(tables[0]).join(missed).assign(missed=missed.mean(axis="columns"))


def runs_of(words: pd.DataFrame) -> list[str]:
    """Return the columns that hold the outcome of one run each."""
    return [column for column in words.columns if str(column).startswith("missed-")]


def populations(words: pd.DataFrame, spans: bool) -> dict[str, pd.DataFrame]:
    """Return the words by kind: entity, other and all words where labels are spans, all words otherwise."""
    if not spans:
        return {ALL: words}
    inside = words["gold"] != "O"
    return {ENTITY: words[inside], OTHER: words[~inside], ALL: words}


def add_training_frequency(words: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the words with a column frequency: how often each stands in the training split of its own language."""
    table = read_columns(path, ["language", "words"]).combine_chunks()
    training = pd.DataFrame({"language": _repeat_by_words(table, "language"), "word": _flatten(table, "words")})
    counts = training.value_counts(["language", "word"]).rename("frequency").reset_index()
    found = words.merge(counts, on=["language", "word"], how="left", validate="many_to_one")
    return found.assign(frequency=found["frequency"].fillna(0).astype("int64"))


def _read(path: Path) -> Any:
    table = read_columns(path, _COLUMNS).combine_chunks()
    lengths = pc.list_value_length(table["words"])
    for column in ("gold", "predicted", "pieces"):
        if not pc.list_value_length(table[column]).equals(lengths):
            raise SmeltError(
                path, f"the lists of {column} are not as long as those of words: expected one entry a word"
            )
    return table


def _check_alignment(path: Path, table: Any, first_path: Path, first: Any) -> None:
    for column in _SHARED:
        if not table[column].equals(first[column]):
            raise SmeltError(
                path,
                f"its {column} are not those of {first_path}: "
                "expected runs of one model on one test split; delete the older one and run again",
            )


def _words_of(table: Any) -> pd.DataFrame:
    lengths = pc.list_value_length(table["words"]).to_numpy()
    return pd.DataFrame(
        {
            "sentence": np.repeat(np.arange(len(lengths)), lengths),
            "language": _repeat_by_words(table, "language"),
            "word": _flatten(table, "words"),
            "gold": _flatten(table, "gold"),
            "pieces": pc.fill_null(pc.list_value_length(pc.list_flatten(table["pieces"])), 0).to_numpy(),
        }
    )


def _find_missed(table: Any) -> Any:
    same = pc.equal(pc.list_flatten(table["gold"]), pc.list_flatten(table["predicted"]))
    return pc.invert(pc.fill_null(same, False)).to_numpy()


def _repeat_by_words(table: Any, column: str) -> Any:
    return np.repeat(table[column].to_numpy(), pc.list_value_length(table["words"]).to_numpy())


def _flatten(table: Any, column: str) -> Any:
    return pc.list_flatten(table[column]).to_numpy()


def measure_segmentation(words: pd.DataFrame, spans: bool) -> list[dict[str, Any]]:
    """Return how words are cut: a row a language and population, all languages together first.

    Args:
        words: a row a word, with language, gold and pieces (1 or more).
        spans: whether labels are spans, so entity words differ from others.
    """
    languages = sorted(set(words["language"]))
    groups = {"all": words} | ({code: words[words["language"] == code] for code in languages} if languages[1:] else {})
    return [
        {"language": language, "population": population} | _count_pieces(part)
        for language, group in groups.items()
        for population, part in populations(group, spans).items()
    ]


def _count_pieces(words: pd.DataFrame) -> dict[str, Any]:
    count, pieces, whole = len(words), int(words["pieces"].sum()), int((words["pieces"] == 1).sum())
    return {
        "words": count,
        "pieces": pieces,
        "fertility": pieces / count if count else None,
        "added_segmentation": 100 * (pieces / count - 1) if count else None,
        "words_kept_whole": whole,
        "share_kept_whole": whole / count if count else None,
    }
