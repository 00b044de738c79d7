"""What is worth its cost: what nothing else beats in both value and cost."""

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each (value, cost) whether no other point has at least its value for at most its cost.

    Of points that are equal in both, all are worth it. A point with nan for either is not.
    """
    return [
        value == value and cost == cost and not any(_beats(other, (value, cost)) for other in points)
        for value, cost in points
    ]


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] <= other[1] and one != other
