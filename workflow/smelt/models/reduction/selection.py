"""Which pieces a reduced vocabulary keeps, chosen from counts (Smaller multilingual BERT, section 3.1 and its code).

A piece is kept when at least `floor(threshold * lines)` lines of any language hold it, as the paper's code compares:
with 0.00005 that gives Table 1 to the piece. Documents and occurrences are compared alike. What is always kept comes on
top, and what the tokenizer's kind needs besides (merges, bytes) is its own matter, not chosen here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from smelt.errors import SmeltError
from smelt.models.reduction.counts import Counts, Numbers
from smelt.study.selection import SelectionRule

MEASURES = {"lines": "in_lines", "documents": "in_documents", "occurrences": "occurrences"}
TOTALS = {"lines": "lines", "documents": "documents", "occurrences": "tokens"}


@dataclass(frozen=True)
class Selection:
    """Ids of the pieces kept, ascending, and why."""

    by_language: dict[str, Numbers]
    """What each language uses."""
    always: Numbers
    """What is kept whatever the counts say: special and unused pieces."""
    ids: Numbers
    """All of them."""


def select(counts: Sequence[Counts], rule: SelectionRule, always: Numbers) -> Selection:
    """Return the pieces that these languages use, and the always-kept ones.

    Args:
        counts: of one vocabulary, one of each language.
        rule: a threshold or a size, and what shares are of.
        always: ids to keep in any case.

    Raises:
        SmeltError: no counts, counts of several vocabularies, a language twice or without text, a threshold that keeps
            nothing of a language, or a size that the always-kept pieces leave no room in.
    """
    _refuse_unfit(counts, always)
    always = np.unique(always).astype(np.int64)
    chosen = _largest(counts, rule, always) if rule.size is not None else _over_threshold(counts, rule)
    ids = np.unique(np.concatenate([always, *chosen.values()]))
    return Selection(chosen, always, ids)


def _over_threshold(counts: Sequence[Counts], rule: SelectionRule) -> dict[str, Numbers]:
    chosen = {}
    for language in counts:
        total, numbers = _measured(language, rule)
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


def _largest(counts: Sequence[Counts], rule: SelectionRule, always: Numbers) -> dict[str, Numbers]:
    """Return the pieces of the highest share in any language, as many as fit; where shares are equal, lower ids."""
    assert rule.size is not None
    room = rule.size - len(always)
    if room < 1:
        raise SmeltError("size", f"expected more than the {len(always):,} pieces always kept, found {rule.size:,}")
    shares = np.stack([numbers / total for total, numbers in (_measured(language, rule) for language in counts)])
    highest = shares.max(axis=0)
    highest[always] = 0
    order = np.lexsort((np.arange(len(highest)), -highest))[:room]
    kept = order[highest[order] > 0]
    lowest = highest[kept].min() if len(kept) else np.inf
    of_each = {language.language: kept[row[kept] >= lowest] for language, row in zip(counts, shares, strict=True)}
    return {language: np.sort(ids) for language, ids in of_each.items()}


def _measured(counts: Counts, rule: SelectionRule) -> tuple[int, Numbers]:
    return getattr(counts, TOTALS[rule.of]), getattr(counts, MEASURES[rule.of])


def _refuse_unfit(counts: Sequence[Counts], always: Numbers) -> None:
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
