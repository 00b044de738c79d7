"""Which pieces are selected from counts: by threshold, by size, and to the piece those of the paper's Table 1."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.entry import check
from smelt.errors import SmeltError
from smelt.models.reduce.selection import PieceCounts, read_counts, select, write_counts
from smelt.models.vocabulary.vocabulary import digest
from smelt.study.makers.reduce import SelectionRule

DATA = os.environ.get("SMELT_DATA")
ALWAYS_KEPT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"[unused{number}]" for number in range(1, 10))]
NONE = np.zeros(0, np.int64)


def counts_of(
    language: str, in_lines: list[int], lines: int = 100, vocabulary: str = "v", **others: int
) -> PieceCounts:
    """Return counts; those of documents and of occurrences equal those of lines, unless given."""
    numbers = np.array(in_lines, np.int64)
    totals = {"documents": lines, "tokens": int(numbers.sum())} | others
    return PieceCounts(language, lines, vocabulary=vocabulary, **totals, **dict.fromkeys(MEASURES, numbers))


MEASURES = ("in_lines", "in_documents", "occurrences")


def ids(numbers: np.ndarray) -> list[int]:
    return numbers.tolist()


def test_a_piece_is_kept_where_any_language_has_it_often_enough() -> None:
    counts = [counts_of("xa", [10, 5, 4, 0, 0, 0]), counts_of("xb", [0, 0, 5, 3, 0, 0], lines=200)]
    selection = select(counts, SelectionRule(threshold=0.02), np.array([5]))
    assert {name: ids(kept) for name, kept in selection.by_language.items()} == {"xa": [0, 1, 2], "xb": [2]}
    assert (ids(selection.always), ids(selection.ids)) == ([5], [0, 1, 2, 5])


def test_the_least_number_of_lines_is_rounded_down_as_the_papers_code_does() -> None:
    counts = [counts_of("xa", [3, 2, 1], lines=59_999)]
    assert ids(select(counts, SelectionRule(), NONE).ids) == [0, 1]
    assert ids(select([counts_of("xa", [3, 2, 1], lines=60_000)], SelectionRule(), NONE).ids) == [0]


@pytest.mark.parametrize(("threshold", "share"), [("paper", 0.0005), ("code", 0.00005), (None, 0.00005), (0.3, 0.3)])
def test_thresholds_have_names(threshold: object, share: float) -> None:
    assert SelectionRule.model_validate({"threshold": threshold}).share == share


def test_a_piece_that_is_never_seen_is_never_kept_however_low_the_threshold() -> None:
    assert ids(select([counts_of("xa", [1, 0, 2])], SelectionRule(threshold=1e-9), NONE).ids) == [0, 2]


def test_shares_of_documents_and_of_occurrences_have_their_own_totals() -> None:
    numbers = {"in_lines": [50, 1, 1], "in_documents": [1, 5, 1], "occurrences": [10, 10, 980]}
    arrays = {name: np.array(values) for name, values in numbers.items()}
    counts = [PieceCounts("xa", lines=100, documents=10, tokens=1000, vocabulary="v", **arrays)]
    kept = {
        of: ids(select(counts, SelectionRule(threshold=0.5, of=of), NONE).ids)
        for of in ("lines", "documents", "occurrences")
    }
    assert kept == {"lines": [0], "documents": [1], "occurrences": [2]}


def test_a_size_takes_the_pieces_of_the_highest_share_in_any_language() -> None:
    counts = [counts_of("xa", [9, 50, 3, 0, 30]), counts_of("xb", [0, 10, 3, 8, 7], lines=10)]
    selection = select(counts, SelectionRule(size=4), np.array([0]))
    assert ids(selection.ids) == [0, 1, 3, 4]
    assert {name: ids(kept) for name, kept in selection.by_language.items()} == {"xa": [], "xb": [1, 3, 4]}


@given(st.lists(st.lists(st.integers(0, 5), min_size=12, max_size=12), min_size=1, max_size=3), st.integers(3, 14))
def test_a_size_is_reached_exactly_unless_fewer_pieces_are_seen(rows: list[list[int]], size: int) -> None:
    counts = [counts_of(f"x{number}", [1, *row[1:]]) for number, row in enumerate(rows)]
    selection = select(counts, SelectionRule(size=size), np.array([10, 11]))
    seen = np.flatnonzero(np.max([one.in_lines[:10] for one in counts], axis=0))
    assert len(selection.ids) == min(size, 2 + len(seen))
    kept = np.unique(np.concatenate([NONE, *selection.by_language.values()]))
    assert ids(np.union1d(kept, selection.always)) == ids(selection.ids)


@pytest.mark.parametrize(
    ("counts", "rule", "complaint"),
    [
        ([], {}, "languages: expected the counts of at least one language"),
        (
            [counts_of("xa", [3, 0])],
            {"threshold": 0.5},
            "xa: the threshold 0.5 keeps nothing: no piece has 50 lines",
        ),
        ([counts_of("xa", [3, 0]), counts_of("xb", [0, 0])], {}, "xb: has no text"),
        ([counts_of("xa", [3, 0]), counts_of("xa", [3, 0])], {}, "xa: its counts are given twice"),
        ([counts_of("xa", [3, 0]), counts_of("xb", [3, 0], vocabulary="w")], {}, "xb: counts of another tokenizer"),
        ([counts_of("xa", [3, 0])], {"size": 1}, "size: expected more than the 1 pieces always kept, found 1"),
        ([counts_of("xa", [3])], {}, "always-kept pieces: an id is not among the 1 pieces"),
    ],
)
def test_what_cannot_be_selected_from_is_refused_by_name(counts: list[PieceCounts], rule: dict, complaint: str) -> None:
    with pytest.raises(SmeltError) as error:
        select(counts, SelectionRule.model_validate(rule), np.array([1]))
    assert str(error.value).startswith(complaint)


@pytest.mark.parametrize(
    "rule", [{"threshold": 0.1, "size": 5}, {"threshold": 0}, {"threshold": 2}, {"threshold": "most"}, {"size": 0}]
)
def test_a_rule_that_means_nothing_is_refused(rule: dict) -> None:
    with pytest.raises(SmeltError):
        check(SelectionRule, rule, "study")


def test_counts_are_read_as_they_were_written(tmp_path: Path) -> None:
    pieces = ["a", "##b", "\u2028", "▁c"]
    numbers = {name: np.array([4, 0, 0, factor]) for name, factor in zip(MEASURES, (1, 2, 3), strict=True)}
    written = PieceCounts("xa", 10, 5, 7, digest(pieces), **numbers)
    write_counts(tmp_path / "xa.parquet", written, pieces)
    read = read_counts(tmp_path / "xa.parquet", digest(pieces))
    for name in MEASURES:
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert (read.language, read.lines, read.documents, read.tokens) == ("xa", 10, 5, 7)
    with pytest.raises(SmeltError, match=r"xa.parquet: counts of another tokenizer: of 4 pieces"):
        read_counts(tmp_path / "xa.parquet", digest(pieces[::-1]))


def published_counts(language: str, numbers: dict[str, int], lines: int) -> PieceCounts:
    """Return the authors' line counts of a language; they publish no others."""
    rows = (line.rsplit("\t", 1) for line in (Path(DATA or "") / f"mbert-counts/{language}.tsv").open(encoding="utf-8"))
    in_lines = np.zeros(len(numbers), np.int64)
    for piece, count in rows:
        in_lines[numbers[piece]] = int(count)
    return counts_of(language, in_lines.tolist(), lines)


@pytest.mark.skipif(not DATA, reason="SMELT_DATA names no folder of real data")
def test_table_1_of_the_paper_to_the_piece() -> None:
    folder = Path(DATA or "") / "mbert-counts"
    seen = (folder / "pieces-seen.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    numbers = {piece: number for number, piece in enumerate(dict.fromkeys([*ALWAYS_KEPT, *seen]))}
    rows = [line.split("\t") for line in (folder / "thresholds.tsv").read_text().splitlines()[1:]]
    # Thresholds in lines are published, and not numbers of lines: these are the smallest with that threshold.
    counts = [published_counts(language, numbers, int(least) * 20_000) for language, least, _ in rows]
    selection = select(counts, SelectionRule(threshold="code"), np.arange(len(ALWAYS_KEPT)))
    table = {language: len(kept) for language, kept in selection.by_language.items()}
    assert table == {language: int(published) for language, _, published in rows}
    union = np.unique(np.concatenate(list(selection.by_language.values())))
    assert (len(table), len(union), len(selection.ids)) == (15, 71_564, 71_577)
