"""How often languages use each piece of a vocabulary, and which pieces a rule selects by that.

Counts are one file for each tokenizer, corpus and language: Parquet with a row for each piece seen, in the order of
ids: `id`, `piece`, and the numbers of `lines` and `documents` that hold it and of its `occurrences`. Its metadata say
what was counted, so that any threshold and any set of languages can be chosen afterwards, and counts of another
vocabulary are recognised.

The choice follows Smaller multilingual BERT, section 3.1, and its code. A piece is kept when at least
`floor(threshold * lines)` lines of any language hold it, as the paper's code compares: with 0.00005 that gives Table 1
to the piece. Documents and occurrences are compared alike. A coverage takes the most used pieces of each language
instead, and a size those of the highest shares. What is always kept comes on top, and so does what the tokenizer's kind
needs (merges, bytes).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.parquet import read_columns
from smelt.study.makers.reduce import SelectionRule

Numbers = NDArray[np.int64]

SCHEMA = pa.schema(
    [
        ("id", pa.int32()),
        ("piece", pa.string()),
        ("lines", pa.int64()),
        ("documents", pa.int64()),
        ("occurrences", pa.int64()),
    ]
)
KEY = b"smelt.counts"


@dataclass(frozen=True)
class PieceCounts:
    """How often one language uses each piece; arrays of shape (pieces,), looked up by id."""

    language: str
    lines: int
    """Lines counted: those of more than five characters, in documents that are not held out."""
    documents: int
    """Documents with such a line."""
    tokens: int
    """Pieces of all these lines."""
    vocabulary: str
    """Digest of the tokenizer's pieces in the order of ids (`vocabulary.digest`)."""
    in_lines: Numbers
    """Lines that hold the piece."""
    in_documents: Numbers
    """Documents that hold it."""
    occurrences: Numbers
    """Times that it occurs."""

    def coverage(self, ids: Numbers) -> float:
        """Return the share of all occurrences that some pieces make."""
        return int(self.occurrences[ids].sum()) / self.tokens


def write_counts(path: Path, counts: PieceCounts, pieces: Sequence[str]) -> None:
    """Write the pieces seen, in the order of ids, and the totals; `pieces` are the vocabulary's, by id."""
    ids = np.flatnonzero(counts.occurrences)
    columns = [counts.in_lines, counts.in_documents, counts.occurrences]
    names = pa.array([pieces[number] for number in ids.tolist()], pa.string())
    table = pa.Table.from_arrays(
        [pa.array(ids, pa.int32()), names, *(pa.array(column[ids], pa.int64()) for column in columns)], schema=SCHEMA
    )
    about = {
        "language": counts.language,
        "lines": counts.lines,
        "documents": counts.documents,
        "tokens": counts.tokens,
        "vocabulary": counts.vocabulary,
        "pieces": len(pieces),
    }
    with whole_file(path) as draft:
        pq.write_table(table.replace_schema_metadata({KEY: json.dumps(about)}), draft, compression="zstd")


def read_counts(path: Path, vocabulary: str | None = None) -> PieceCounts:
    """Return the counts of a file.

    Args:
        path: what write_counts wrote.
        vocabulary: digest of the pieces that the counts have to be of; any by default.

    Raises:
        SmeltError: the file is missing, damaged or something else, or of another vocabulary.
    """
    table = read_columns(path, SCHEMA.names)
    about = _about(path, table)
    if vocabulary is not None and about["vocabulary"] != vocabulary:
        raise SmeltError(
            path,
            f"counts of another tokenizer: of {about['pieces']:,} pieces with digest {about['vocabulary'][:12]}, "
            f"expected {vocabulary[:12]}",
        )
    ids = table.column("id").to_numpy()
    dense = np.zeros((3, about.pop("pieces")), np.int64)
    for row, name in zip(dense, ("lines", "documents", "occurrences"), strict=True):
        row[ids] = table.column(name).to_numpy()
    return PieceCounts(**about, in_lines=dense[0], in_documents=dense[1], occurrences=dense[2])


def _about(path: Path, table: Any) -> dict[str, Any]:
    metadata = table.schema.metadata or {}
    if KEY not in metadata:
        raise SmeltError(path, "does not say what was counted: expected a file that `smelt job count` wrote")
    about: dict[str, Any] = json.loads(metadata[KEY])
    return about


MEASURES = {"lines": "in_lines", "documents": "in_documents", "occurrences": "occurrences"}
TOTALS = {"lines": "lines", "documents": "documents", "occurrences": "tokens"}


@dataclass(frozen=True)
class Selection:
    """Ids of the pieces kept, ascending, and why."""

    by_language: dict[str, Numbers]
    """The pieces that each language uses."""
    always: Numbers
    """Pieces that are always kept: special and unused ones."""
    ids: Numbers
    """All of them."""


def select(counts: Sequence[PieceCounts], rule: SelectionRule, always: Numbers) -> Selection:
    """Return the pieces that these languages use, and the always-kept ones.

    Args:
        counts: of one vocabulary, one of each language.
        rule: a threshold, a coverage or a size, and what shares are of.
        always: ids to keep in any case.

    Raises:
        SmeltError: no counts, counts of several vocabularies, a language twice or without text, a threshold that keeps
            nothing of a language, a size without room beside the always-kept pieces, or weights that change nothing.
    """
    _refuse_unfit(counts, always)
    try:
        rule.check_weights([part.language for part in counts])
    except ValueError as error:
        raise SmeltError("weights", str(error).removeprefix("weights: ")) from None
    always = np.unique(always).astype(np.int64)
    match rule.named_by:
        case "size":
            chosen = _largest(counts, rule, always)
        case "coverage":
            chosen = {part.language: _covering(part, str(rule.coverage)) for part in counts}
        case "threshold":
            chosen = _over_threshold(counts, rule)
    ids = np.unique(np.concatenate([always, *chosen.values()]))
    return Selection(chosen, always, ids)


def _over_threshold(counts: Sequence[PieceCounts], rule: SelectionRule) -> dict[str, Numbers]:
    chosen = {}
    for language in counts:
        total, numbers = _measure(language, rule)
        # Exact in decimals: 0.00005 of 60,000 lines is 3, which binary fractions may miss by a hair.
        least = max(1, int(Fraction(repr(rule.share)) * total))
        chosen[language.language] = np.flatnonzero(numbers >= least)
        if not len(chosen[language.language]):
            raise SmeltError(
                language.language,
                f"the threshold {rule.share:g} keeps nothing: no piece has {least:,} {rule.of} of {total:,}; "
                f"the most frequent one has {numbers.max():,}",
            )
    return chosen


def _covering(counts: PieceCounts, coverage: str) -> Numbers:
    """Return the fewest of a language's most used pieces that make this share of its occurrences; of equals, lower ids.

    coverage: in decimals, so that it is compared exactly.
    """
    order = np.argsort(-counts.occurrences, kind="stable")
    order = order[: np.count_nonzero(counts.occurrences)]
    least = math.ceil(Fraction(coverage) * counts.tokens)
    return np.sort(order[: 1 + np.searchsorted(np.cumsum(counts.occurrences[order]), least)])


def _largest(counts: Sequence[PieceCounts], rule: SelectionRule, always: Numbers) -> dict[str, Numbers]:
    """Return the pieces of the highest share in any language, as many as fit; among equals, the lower ids."""
    assert rule.size is not None
    room = rule.size - len(always)
    if room < 1:
        raise SmeltError("size", f"expected more than the {len(always):,} pieces always kept, found {rule.size:,}")
    shares = weighted_shares(counts, rule)
    highest = shares.max(axis=0)
    highest[always] = 0
    order = np.argsort(-highest, kind="stable")[:room]
    kept = order[highest[order] > 0]
    lowest = highest[kept].min() if len(kept) else np.inf
    of_each = {language.language: kept[row[kept] >= lowest] for language, row in zip(counts, shares, strict=True)}
    return {language: np.sort(ids) for language, ids in of_each.items()}


def weighted_shares(counts: Sequence[PieceCounts], rule: SelectionRule) -> NDArray[np.float64]:
    """Return the share of each piece in each language, times the language's weight: shape (languages, pieces)."""
    measured = [(part.language, *_measure(part, rule)) for part in counts]
    return np.stack([rule.weights.get(language, 1.0) * (numbers / total) for language, total, numbers in measured])


def _measure(counts: PieceCounts, rule: SelectionRule) -> tuple[int, Numbers]:
    of = "occurrences" if rule.named_by == "coverage" else rule.of
    return getattr(counts, TOTALS[of]), getattr(counts, MEASURES[of])


def _refuse_unfit(counts: Sequence[PieceCounts], always: Numbers) -> None:
    if not counts:
        raise SmeltError("languages", "expected the counts of at least one language")
    first = counts[0]
    for number, other in enumerate(counts):
        if (other.vocabulary, len(other.in_lines)) != (first.vocabulary, len(first.in_lines)):
            raise SmeltError(
                other.language,
                f"counts of another tokenizer: of {len(other.in_lines):,} pieces with digest {other.vocabulary[:12]}, "
                f"those of {first.language} have {len(first.in_lines):,} with {first.vocabulary[:12]}",
            )
        if any(other.language == earlier.language for earlier in counts[:number]):
            raise SmeltError(other.language, "its counts are given twice")
        if not other.tokens:
            raise SmeltError(other.language, "has no text: no line of more than five characters was counted")
    if len(always) and not (always.min() >= 0 and always.max() < len(first.in_lines)):
        raise SmeltError(
            "always-kept pieces", f"an id is not among the {len(first.in_lines):,} pieces that were counted"
        )
