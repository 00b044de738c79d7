"""The pieces of a reduced vocabulary, and why each is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smelt.errors import SmeltError
from smelt.models.reduction.counts import Counts
from smelt.models.reduction.selection import Selection, select
from smelt.models.reduction.tensors import Ids
from smelt.models.reduction.vocabulary import Closure, Vocabulary
from smelt.study.selection import SelectionRule


@dataclass(frozen=True)
class Choice:
    """What is kept."""

    always: Mapping[str, Ids]
    """Kept whatever the counts say, by reason; an id may have several."""
    selection: Selection
    closure: Closure

    @property
    def ids(self) -> Ids:
        """All that is kept, ascending."""
        return self.closure.ids

    def record(self) -> dict[str, Any]:
        """Return numbers of pieces by reason."""
        return {
            "always_kept": len(self.selection.always),
            "always_kept_by_reason": {reason: len(ids) for reason, ids in self.always.items()},
            "selected_by_language": {language: len(ids) for language, ids in self.selection.by_language.items()},
            "selected_and_always_kept": len(self.selection.ids),
            "added_by_closure": {reason: len(ids) for reason, ids in self.closure.added.items()},
        }


def choose(vocabulary: Vocabulary, counts: Sequence[Counts], rule: SelectionRule, always: Mapping[str, Ids]) -> Choice:
    """Return the pieces that the languages use, with all that these and the model need.

    A size is that of all of it: so many pieces are selected that no more are kept in the end.

    Args:
        vocabulary: of the whole model.
        counts: of each language.
        rule: which pieces a language uses.
        always: ids to keep besides the vocabulary's own, by reason.

    Raises:
        SmeltError: what `select` refuses, or a size that even one selected piece would exceed.
    """
    reasons = {"special and unused": vocabulary.always, **always}
    kept = np.unique(np.concatenate(list(reasons.values())))

    def of(wanted: SelectionRule) -> Choice:
        selection = select(counts, wanted, kept)
        return Choice(reasons, selection, vocabulary.closure(selection.ids))

    choice = of(rule)
    if rule.size is None or len(choice.ids) <= rule.size:
        return choice
    low, high = len(kept), rule.size  # the former fits, if anything does; the latter does not
    found = None
    while high - low > 1:
        middle = (low + high) // 2
        choice = of(rule.model_copy(update={"size": middle}))
        if len(choice.ids) <= rule.size:
            low, found = middle, choice
        else:
            high = middle
    if found is None:
        raise SmeltError(
            "size",
            f"expected more than the {len(choice.ids):,} pieces that one selected piece comes to with all that"
            f" is always kept and that its tokenizer needs, found {rule.size:,}",
        )
    return found


def named_pieces(vocabulary: Vocabulary, pieces: Sequence[str]) -> Ids:
    """Return the ids of pieces that are named by their spelling.

    Raises:
        SmeltError: the vocabulary does not have one of them.
    """
    ids = {piece: number for number, piece in enumerate(vocabulary.pieces)}
    for piece in pieces:
        if piece not in ids:
            raise SmeltError(vocabulary.where, f"keep: {piece!r} is no piece of its tokenizer")
    return np.array([ids[piece] for piece in pieces], np.int64)
