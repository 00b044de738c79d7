"""Which models of a study are shown to be no worse than another on each of the tasks that they share.

The claim is about all tasks at once: it holds only if every test on every task rejects a loss of the margin or more. So
its p is the largest of theirs, whatever their number (an intersection-union test, Berger 1982). It is corrected over
all ordered pairs of models, because any of them may turn out to be the best.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

from smelt.report.csv_files import read_rows
from smelt.report.no_worse import NO_WORSE_COLUMNS, PARTS, SIDES, shown_in_row
from smelt.report.overview import SharedTasks
from smelt.report.render import number
from smelt.report.significance import Significance

_COLUMNS = ["task", "model_a", "model_b", *NO_WORSE_COLUMNS]


@dataclass(frozen=True)
class OneSidedTest:
    """A test of one model against another on one task; `bound` is nan where the test gives none."""

    task: str
    over: str
    """seeds or examples."""
    p: float
    bound: float
    shown: bool


class ModelsNoWorse:
    """The claims of models that share tasks, from the files of pairs."""

    def __init__(self, pairs: Path, examples: Sequence[Path], shared: SharedTasks, significance: Significance) -> None:
        """Read the tests on the shared tasks."""
        self._shared = shared
        self._significance = significance
        self._tests: dict[tuple[str, str], list[OneSidedTest]] = {}
        for over, paths in (("seeds", [pairs]), ("examples", examples)):
            for row in (row for path in paths for row in read_rows(path, _COLUMNS)):
                for pair, test in _both(row, over):
                    if test.task in shared.tasks:
                        self._tests.setdefault(pair, []).append(test)

    @cached_property
    def _corrected(self) -> Mapping[tuple[str, str], float]:
        """The p of each ordered pair of models; nan where a task was not tested."""
        pairs = list(permutations(self._shared.models, 2))
        p_values = []
        for pair in pairs:
            tests = self._tests.get(pair, [])
            whole = {test.task for test in tests} == set(self._shared.tasks)
            p_values.append(max(test.p for test in tests) if whole else math.nan)
        return dict(zip(pairs, self._significance.correct_numbers(p_values), strict=True))

    def p(self, model: str, other: str) -> float:
        """Return the corrected p of the claim that a model is no worse than another on any task; nan where untested."""
        return self._corrected.get((model, other), math.nan)

    def shown(self, model: str, other: str) -> bool:
        """Return whether it is shown, on each task by itself and on all of them."""
        tests = self._tests.get((model, other), [])
        return self.p(model, other) < self._significance.alpha and all(test.shown for test in tests)

    def closest(self, model: str, other: str) -> str:
        """Return in words the test whose bound is the lowest; nothing where no test gives a bound."""
        bounded = [test for test in self._tests.get((model, other), []) if not math.isnan(test.bound)]
        if not bounded:
            return ""
        least = min(bounded, key=lambda test: test.bound)
        loss = number(max(0.0, -100 * least.bound), ".1f")
        return f"The largest loss that is not ruled out is {loss} points, on {least.task} over {least.over}."

    def in_words(self) -> str:
        """Return how claims are tested."""
        settings = self._significance
        pairs = len(self._shared.models) * (len(self._shared.models) - 1)
        overs = dict.fromkeys(test.over for tests in self._tests.values() for test in tests)
        correction = settings.correction_in_words(f"over the {pairs} ordered pairs of models", "not corrected")
        return (
            f"No worse: shown to lose less than the margin of {settings.margin_in_words}, which the study states, on"
            f" each task, by one-sided tests over {' and over '.join(overs) or 'seeds'}; p < {settings.alpha:g},"
            f" {correction}."
        )


def _both(row: Mapping[str, Any], over: str) -> Iterator[tuple[tuple[str, str], OneSidedTest]]:
    """Yield the tests of a row, each with its model and the other one."""
    models = row["model_a"], row["model_b"]
    for side, pair in zip(SIDES, (models, models[::-1]), strict=True):
        if (shown := shown_in_row(row, side)) is not None:
            bound, p, *_ = (row[f"no_worse_{side}_{part}"] for part in PARTS)
            yield pair, OneSidedTest(row["task"], over, p, bound, shown)
