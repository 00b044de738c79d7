"""p-values: Holm's correction for the number of tests, and the smallest that a test can give.

Without scipy, which takes longer to load than the page takes to write.
"""

from collections.abc import Sequence
from typing import Literal

Alternative = Literal["two-sided", "less", "greater"]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's (1979) step-down corrected p-values, in the order given.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below one before it, none exceeds 1.
    None stands for a hypothesis that could not be tested: it stays None and does not count among the m.

    Raises:
        ValueError: a value outside 0 to 1.
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    floor = 0.0
    for rank, (p, place) in enumerate(tested):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"expected p-values between 0 and 1, found {p}")
        floor = max(floor, min(1.0, (len(tested) - rank) * p))
        corrected[place] = floor
    return corrected


def holm_levels(p_values: Sequence[float | None], alpha: float) -> list[float | None]:
    """Return the level that each p has to fall below in Holm's procedure: alpha over the number still to test.

    Of m hypotheses, the smallest p meets alpha / m, the next alpha / (m - 1), and so on. The procedure stops at the
    first that is not rejected: with r rejected, this and all larger ones are held to alpha / (m - r), whatever their p.
    None stands for a hypothesis that could not be tested.
    """
    tested = [p for p in p_values if p is not None]
    rejected = sum(p is not None and p < alpha for p in holm(p_values))
    steps = {p: min(sum(other < p for other in tested), rejected) for p in set(tested)}
    return [None if p is None else alpha / (len(tested) - steps[p]) for p in p_values]


def family_size(p_values: Sequence[float | None]) -> int:
    """Return how many hypotheses of a family were tested."""
    return sum(p is not None for p in p_values)


def smallest_p(n: int, alternative: Alternative = "two-sided") -> float:
    """Return the smallest p of the exact test with n nonzero differences: when all have one sign."""
    return float(min(1.0, (2.0 if alternative == "two-sided" else 1.0) / 2.0**n))
