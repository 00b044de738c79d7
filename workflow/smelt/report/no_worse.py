"""Which of two models is shown to be no worse than the other by more than the study's margin: cells of a pair's row.

Each pair is tested in both directions. All directions of a family of pairs are corrected together, so that a model may
be compared with the best one, whichever this turns out to be.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smelt.report.significance import BySeed, Significance

if TYPE_CHECKING:
    from smelt.statistics.noninferiority import NoWorse
    from smelt.statistics.scores import Floats

SIDES = ("a", "b")
PARTS = ("bound", "p", "p_corrected", "shown")
NO_WORSE_COLUMNS = ("margin", *(f"no_worse_{side}_{part}" for side in SIDES for part in PARTS))
"""Columns where the study states a margin, which is a share here. Of side a: whether a is shown to be no worse than b
by more than the margin (`shown`), the lower confidence bound of a minus b at the level that the correction leaves, and
the one-sided p; of side b likewise, of b minus a. Empty where nothing was tested."""
MARGIN_SEEDS = "margin_seeds_needed"
"""Column of tests over seeds: the seeds of each model with which a given one of the two, were both equally good, would
be shown to be no worse in four of five such studies. It takes the spread that was seen for the true one."""

BothSides = tuple["NoWorse | None", "NoWorse | None"]
"""The outcomes of a pair: a against b, b against a."""
NOT_TESTED: BothSides = (None, None)


def columns_of(settings: Significance, columns: Sequence[str], *further: str) -> tuple[str, ...]:
    """Return the columns of a file of pairs: with those of the margin, and further ones, where the study states one."""
    *others, last = columns
    return (*others, *((*NO_WORSE_COLUMNS, *further) if settings.margin else ()), last)


def over_seeds(a: BySeed, b: BySeed, settings: Significance) -> BothSides:
    """Return what the study's test over seeds finds of two models, at its margin."""
    from smelt.statistics.noninferiority import no_worse_by_ranks, no_worse_by_t

    if settings.test == "wilcoxon":
        shared = sorted(set(a) & set(b))
        first, second = [a[seed] for seed in shared], [b[seed] for seed in shared]
        margin = settings.margin_as_share
        return no_worse_by_ranks(first, second, margin), no_worse_by_ranks(second, first, margin)
    margin = settings.margin_as_share
    return no_worse_by_t(settings.over_seeds(a, b), margin), no_worse_by_t(settings.over_seeds(b, a), margin)


def over_tasks(a: "Floats", b: "Floats", settings: Significance) -> BothSides:
    """Return what Wilcoxon's signed-rank test over tasks finds of two models' means, at the margin."""
    from smelt.statistics.noninferiority import no_worse_by_ranks

    margin = settings.margin_as_share
    return no_worse_by_ranks(a, b, margin), no_worse_by_ranks(b, a, margin)


def over_examples(differences: "Floats", settings: Significance) -> BothSides:
    """Return what resampled differences a minus b show, at the margin."""
    from smelt.statistics.noninferiority import no_worse_by_bootstrap

    margin = settings.margin_as_share
    return no_worse_by_bootstrap(differences, margin), no_worse_by_bootstrap(-differences, margin)


def add_no_worse(family: Sequence[dict[str, Any]], tests: Sequence[BothSides], settings: Significance) -> None:
    """Add NO_WORSE_COLUMNS to the rows of a family of pairs, from the outcomes of each, in the same order."""
    directions = [
        (row, side, test)
        for row, both in zip(family, tests, strict=True)
        for side, test in zip(SIDES, both, strict=True)
    ]
    p_values = [test.p if test else None for _, _, test in directions]
    corrected, levels = settings.correct(p_values), settings.levels(p_values)
    for (row, side, test), p, level in zip(directions, corrected, levels, strict=True):
        row["margin"] = settings.margin_as_share
        if test is None or p is None or level is None:
            continue
        row["margin_level"] = min(level, row.get("margin_level", level))
        shown = p < settings.alpha and not math.isclose(p, settings.alpha)  # of a bootstrap, p can be alpha itself
        cells = dict(zip(PARTS, (test.bound(level), test.p, p, shown), strict=True))
        row |= {f"no_worse_{side}_{part}": value for part, value in cells.items()}


def shown_in_row(row: Mapping[Any, Any], side: str) -> bool | None:
    """Return whether a side of a row is shown to be no worse; None where it was not tested."""
    return {"True": True, "False": False}.get(str(row[f"no_worse_{side}_shown"]))
