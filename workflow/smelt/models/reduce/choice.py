"""Which pieces a reduced vocabulary keeps: those selected by their counts, with all that these and the model need.

A size is reached by search, because a selected piece may need others. A number of pieces that has to be a multiple of
another is filled up with the pieces that are used next most.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from smelt.errors import SmeltError
from smelt.models.reduce.selection import PieceCounts, Selection, select, weighted_shares
from smelt.models.vocabulary.tensors import Ids
from smelt.models.vocabulary.vocabulary import Closure, Vocabulary
from smelt.study.makers.reduce import SelectionRule


@dataclass(frozen=True)
class Choice:
    """The kept pieces."""

    always: Mapping[str, Ids]
    """Pieces that are always kept, by reason; an id may have several."""
    selection: Selection
    closure: Closure
    fill: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    """Pieces that make their number a multiple, ascending; the closure has them too."""

    @property
    def ids(self) -> Ids:
        """All kept pieces, ascending."""
        return self.closure.ids

    def record(self) -> dict[str, Any]:
        """Return numbers of pieces by reason."""
        filled = {"filled_up": len(self.fill)} if len(self.fill) else {}
        return {
            "always_kept": len(self.selection.always),
            "always_kept_by_reason": {reason: len(ids) for reason, ids in self.always.items()},
            "selected_by_language": {language: len(ids) for language, ids in self.selection.by_language.items()},
            "selected_and_always_kept": len(self.selection.ids),
            **filled,
            "added_by_closure": {reason: len(ids) for reason, ids in self.closure.added.items()},
        }


def choose(
    vocabulary: Vocabulary, counts: Sequence[PieceCounts], rule: SelectionRule, always: Mapping[str, Ids]
) -> Choice:
    """Return the pieces that the languages use, with all that these and the model need.

    A size is the number of all kept pieces: as many are selected as that allows.

    Args:
        vocabulary: of the whole model.
        counts: of each language.
        rule: which pieces a language uses.
        always: ids to keep in addition to those of the vocabulary, by reason.

    Raises:
        SmeltError: what `select` refuses, a size that even one selected piece would exceed, or a multiple that the
            vocabulary is too small for.
    """
    reasons = {"special and unused": vocabulary.always, **always}
    kept = np.unique(np.concatenate(list(reasons.values())))

    def of(wanted: SelectionRule) -> Choice:
        selection = select(counts, wanted, kept)
        return Choice(reasons, selection, vocabulary.closure(selection.ids))

    choice = of(rule)
    if rule.size is not None and len(choice.ids) > rule.size:
        choice = _largest_within(rule.size, of, rule, choice)
    return choice if rule.multiple_of is None else _fill(vocabulary, counts, rule, choice)


def _largest_within(size: int, of: Callable[[SelectionRule], Choice], rule: SelectionRule, choice: Choice) -> Choice:
    """Return the choice of most pieces that, with all that they need, are no more than a size.

    Args:
        size: the limit.
        of: the choice of a rule.
        rule: its size is the limit.
        choice: that of the rule, which is too large.
    """
    low, high = len(choice.selection.always), size  # the former fits, if anything does; the latter does not
    found, guess, tries = None, 2 * size - len(choice.ids), 0  # what a choice needs beyond itself changes little
    while high - low > 1:
        tries += 1
        middle = min(max(guess, low + 1), high - 1) if tries % 4 else (low + high) // 2
        choice = of(rule.model_copy(update={"size": middle}))
        if len(choice.ids) <= size:
            low, found = middle, choice
        else:
            high = middle
        guess = middle + size - len(choice.ids)
    if found is None:
        raise SmeltError(
            "size",
            f"expected more than the {len(choice.ids):,} pieces that one selected piece makes with all that"
            f" is always kept and that its tokenizer needs, found {size:,}",
        )
    return found


def _fill(vocabulary: Vocabulary, counts: Sequence[PieceCounts], rule: SelectionRule, choice: Choice) -> Choice:
    """Return a choice with the next most used pieces, up to the next multiple; those never seen come last, by id.

    Where the next piece needs more others than there is room for, some of these are taken in its place.
    """
    assert rule.multiple_of is not None
    size = -(-len(choice.ids) // rule.multiple_of) * rule.multiple_of
    order = np.argsort(-weighted_shares(counts, rule).max(axis=0), kind="stable")
    order = order[~np.isin(order, choice.ids) & np.array(list(map(bool, vocabulary.pieces)))[order]]
    if size > len(choice.ids) + len(order):
        most = len(choice.ids) + len(order)
        raise SmeltError(
            "multiple_of",
            f"found {rule.multiple_of:,}: the tokenizer has {most:,} pieces, and the rule keeps {len(choice.ids):,};"
            f" no multiple lies between",
        )

    def grown(*ids: Ids | int) -> Ids:
        return vocabulary.closure(np.unique(np.concatenate([np.atleast_1d(part) for part in ids]))).ids

    fitting = bisect_right(
        range(size - len(choice.ids)), size, key=lambda more: len(grown(choice.ids, order[: more + 1]))
    )
    ids = grown(choice.ids, order[:fitting])
    for piece in order[fitting:]:
        for part in (piece, *np.setdiff1d(grown(ids, piece), ids)):
            if len(ids) < size and len(wider := grown(ids, part)) <= size:
                ids = wider
        if len(ids) == size:
            break
    closure = replace(vocabulary.closure(ids), added=choice.closure.added)
    return replace(choice, closure=closure, fill=np.setdiff1d(ids, choice.ids))
