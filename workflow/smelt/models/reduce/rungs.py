"""The rules around one, in steps of 1, 2 and 5, and the pieces that each would keep.

A dry run shows ten of these rungs, so that a rule is chosen by what it keeps. Thresholds step by themselves, coverages
by the share that they leave out, and sizes up to the whole vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice, zip_longest

import numpy as np

from smelt.errors import SmeltError
from smelt.models.reduce.choice import Choice
from smelt.study.makers.reduce import SelectionRule

RUNGS = 10
_STEPS = tuple(Decimal(digit).scaleb(exponent) for exponent in range(-9, 10) for digit in (1, 2, 5))
_LEAST_LEFT_OUT, _MOST_LEFT_OUT = Decimal("0.00001"), Decimal("0.1")


@dataclass(frozen=True)
class Rung:
    """A rule and the pieces that it keeps."""

    rule: SelectionRule
    choice: Choice
    given: bool = False
    """Whether it is the user's own."""

    @property
    def value(self) -> float:
        """The rule's threshold, coverage or size."""
        return value_of(self.rule)

    @property
    def label(self) -> str:
        """The same as text."""
        return f"{self.rule.size:,}" if self.rule.size else f"{self.value:.10f}".rstrip("0").rstrip(".")


def rungs_around(rule: SelectionRule, choose: Callable[[SelectionRule], Choice], pieces: int, most: int) -> list[Rung]:
    """Return ten rungs, the user's own among them, in the order of their values; fewer where there are no others.

    A rule that keeps what one before it keeps is no rung, nor is one that keeps nothing or that other keys refuse.

    Args:
        rule: the user's.
        choose: the pieces of a rule.
        pieces: of the whole vocabulary.
        most: what the rule's shares are of, of the language that has most of it: smaller shares are all alike.

    Raises:
        SmeltError: what `choose` refuses of the user's rule itself.
    """
    own = Rung(rule, choose(rule), given=True)
    values = sorted(values_of(rule, pieces, most) - {value_of(rule)})
    below = [value for value in reversed(values) if value < own.value]
    above = [value for value in values if value > own.value]
    sides = (_outward(own, side, choose) for side in (below, above))
    others = filter(None, chain.from_iterable(zip_longest(*sides)))
    return sorted([own, *islice(others, RUNGS - 1)], key=lambda rung: rung.value)


def value_of(rule: SelectionRule) -> float:
    """Return the number that decides how many pieces a rule keeps."""
    return float({"threshold": rule.share, "coverage": rule.coverage, "size": rule.size}[rule.named_by] or 0)


def values_of(rule: SelectionRule, pieces: int, most: int) -> set[float]:
    """Return the thresholds, coverages or sizes that rules of the same kind may have; `most` as `rungs_around`."""
    match rule.named_by:
        case "threshold":
            return {float(step) for step in _STEPS if step <= 1 <= step * most}
        case "coverage":
            return {
                float(1 - step) for step in _STEPS if _LEAST_LEFT_OUT <= step <= _MOST_LEFT_OUT and step * most >= 1
            }
        case "size":
            multiple = rule.multiple_of or 1
            sizes = {-(-int(step) // multiple) * multiple for step in _STEPS if 1 <= step < pieces}
            return {size for size in {*sizes, pieces // multiple * multiple} if 0 < size <= pieces}


def _outward(own: Rung, values: Sequence[float], choose: Callable[[SelectionRule], Choice]) -> Iterator[Rung]:
    """Yield the rungs of values that lead away from the user's, up to the first that is refused."""
    last = own.choice
    for value in values:
        rule = own.rule.model_copy(update={own.rule.named_by: int(value) if own.rule.named_by == "size" else value})
        try:
            choice = choose(rule)
        except SmeltError:
            return
        if not np.array_equal(choice.ids, last.ids):
            yield Rung(rule, choice)
            last = choice
