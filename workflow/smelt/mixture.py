"""How the languages of a corpus are mixed."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from smelt.entry import Entry
from smelt.numbers import Share, Within1


class Mixture(Entry):
    """How languages are mixed: one with n characters (tokens, in pretraining) is drawn in proportion to n ** alpha."""

    alpha: Share = 1.0
    """1 keeps the natural proportions, 0 gives every language the same share; an error in a corpus of one language."""
    max_share: Annotated[Within1 | None, Field(exclude_if=lambda value: value is None)] = None
    """The largest share that a language may have; what it would have beyond that goes to the others in their
    proportions. Of a part of the languages, such as those of a bilingual student, an equal share is allowed in any
    case. By default there is no such limit."""

    @property
    def is_natural(self) -> bool:
        """Whether languages keep their proportions."""
        return self.alpha == 1 and self.max_share is None

    def describe(self, unit: str) -> str:
        """Return it in words; unit: of a language's size."""
        limit = "" if self.max_share is None else f", none above {self.max_share:.0%}"
        return f"in proportion to the power {self.alpha:g} of {unit}{limit}"

    def shares(self, sizes: Sequence[float]) -> list[float]:
        """Return the share of each language, by its size."""
        weights = self.cap([float(size) ** self.alpha if size else 0.0 for size in sizes])
        total = sum(weights)
        return [weight / total if total else 0.0 for weight in weights]

    def cap(self, weights: Sequence[float]) -> list[float]:
        """Return weights with none above the largest share of their sum; as they are where there is no limit."""
        if self.max_share is None or not (total := sum(weights)):
            return list(weights)
        shares = [weight / total for weight in weights]
        largest = max(self.max_share, 1 / sum(share > 0 for share in shares))
        full: set[int] = set()
        while beyond := {place for place, share in enumerate(shares) if share > largest and place not in full}:
            full |= beyond
            rest = sum(weight for place, weight in enumerate(weights) if place not in full)
            left = 1 - largest * len(full)
            shares = [
                largest if place in full else left * weight / rest if rest else 0.0
                for place, weight in enumerate(weights)
            ]
        return shares
