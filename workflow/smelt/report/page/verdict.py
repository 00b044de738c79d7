"""Whether a smaller model is worth it, in one paragraph made from the numbers.

The best model has the highest mean over the tasks that models share. A smaller one stands beside it where no test,
over seeds or over examples, finds it worse on any of these tasks. That is no proof of equality: the paragraph says what
being wrong could cost.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from smelt.report.notes import test_of
from smelt.report.overview import BEST, ModelCosts, PairedModels, SharedTasks, StudyScores, overview_table
from smelt.report.render import PaperTable, number, quantity
from smelt.report.significance import Significance

MOST_NAMED = 6
LOWER, LOWER_IN_RUNS, NO_LOSS = "lower", "lower in these runs", "no loss shown"
QUESTION = "Is the compact model still worth it?"


@dataclass(frozen=True)
class StudyVerdict:
    """The answer, the sentences that carry it, and what could not be tested."""

    answer: str
    sentences: list[str]
    untested: list[str]


def answer(
    statistics: Mapping[str, Path],
    examples: Sequence[Path],
    costs: Mapping[str, ModelCosts],
    significance: Significance,
) -> tuple[StudyVerdict, PaperTable]:
    """Return the verdict on the models of a study, and the table that it rests on.

    Args:
        statistics: the paths of summary.csv and pairs.csv, as `summary` and `pairs`.
        examples: the comparisons over test examples.
        costs: of all models.
        significance: how differences were tested.
    """
    scores = StudyScores(statistics["summary"], statistics["pairs"], examples)
    models, shared = [model for model in costs if model in scores.scores], scores.shared
    if shared is None:
        standing = {model: "failed" for model in models if scores.failed(model)}
        reasons = ["No two models ran on the same task in the same languages."]
        return StudyVerdict("Cannot be said.", reasons, []), overview_table(models, None, standing, costs)
    compared = BestAgainstSmaller(scores, shared, costs, significance)
    standing = {model: compared.standing(model) for model in models}
    return compared.verdict(), overview_table(models, shared, standing, costs)


@dataclass(frozen=True)
class BestAgainstSmaller:
    """The best of the models that share tasks, and all that are smaller."""

    scores: StudyScores
    shared: SharedTasks
    costs: Mapping[str, ModelCosts]
    significance: Significance

    @cached_property
    def found_something(self) -> list[str]:
        """The models that scored above 0 on all shared tasks."""
        return [model for model in self.shared.models if not set(self.scores.failed(model)) & set(self.shared.tasks)]

    @cached_property
    def best(self) -> str:
        """The model with the highest mean."""
        return max(self.found_something, key=self.shared.mean)

    @cached_property
    def smaller(self) -> list[str]:
        """The models with fewer parameters than the best, the smallest first."""
        found = [model for model in self.found_something if self._size(model) < self._size(self.best)]
        return sorted(found, key=self._size)

    def _size(self, model: str) -> float:
        return self.costs[model].parameters if model in self.costs else math.nan

    def against_best(self, model: str) -> dict[str, PairedModels]:
        """Return a model minus the best on each task where this was tested."""
        pairs = {task: self.scores.pair(task, model, self.best) for task in self.shared.tasks}
        return {task: pair for task, pair in pairs.items() if pair.tests}

    def standing(self, model: str) -> str:
        """Return how a model stands against the best, in a word or two."""
        if model in self.scores.scores and self.scores.failed(model):
            return "failed"
        if model not in self.found_something:
            return "not compared"
        if model == self.best:
            return BEST
        tested = self.against_best(model)
        if any(pair.over_seeds and pair.over_seeds.is_lower for pair in tested.values()):
            return LOWER
        if any(pair.is_lower for pair in tested.values()):
            return LOWER_IN_RUNS
        return NO_LOSS if len(tested) == len(self.shared.tasks) else "not tested"

    # ---- The paragraph

    def verdict(self) -> StudyVerdict:
        """Return the answer."""
        if not self.found_something:
            return StudyVerdict(
                "No model works.", ["Every model found nothing on at least one task."], self.untested(None)
            )
        if not self.smaller:
            return self._no_smaller()
        standings = {model: self.standing(model) for model in self.smaller}
        if beside := [model for model in self.smaller if standings[model] == NO_LOSS]:
            return self._yes(beside[0])
        tested = [model for model in self.smaller if standings[model] in (LOWER, LOWER_IN_RUNS)]
        if not tested:
            said = f"{self.best} has the highest mean, {self._points(self.best)} points over {self._tasks}, of "
            said += f"{quantity([len(self.found_something)], 'model')}. "
            said += "No smaller model could be tested against it on all of these tasks."
            return StudyVerdict("Cannot be said.", [said], self.untested(self.smaller[-1]))
        return self._no(max(tested, key=self.shared.mean), len(tested) < len(self.smaller))

    def _no_smaller(self) -> StudyVerdict:
        larger = any(self._size(model) > self._size(self.best) for model in self.found_something)
        said = f"{self.best} has the highest mean, {self._points(self.best)} points over {self._tasks}, of "
        said += f"{quantity([len(self.found_something)], 'model')}"
        if larger:
            return StudyVerdict("Yes.", [f"{said}, and no other one is smaller."], self.untested(None))
        why = "none is known to be smaller" if math.isnan(self._size(self.best)) else "all have as many parameters"
        return StudyVerdict("There is no smaller model.", [f"{said}; {why}."], self.untested(None))

    def _yes(self, model: str) -> StudyVerdict:
        pairs = self.against_best(model)
        loss = 100 * (self.shared.mean(self.best) - self.shared.mean(model))
        said = [
            f"{model} is the smallest of {len(self.found_something)} models that no test finds worse than {self.best}, "
            f"the best one: {self._points(model)} against {self._points(self.best)} points, {number(loss, '.1f')} "
            f"lower in the mean over {self._tasks}.",
            self._ratios(model),
        ]
        lows = {task: pair.shown[1].low for task, pair in pairs.items()}
        task = min(lows, key=lambda task: lows[task])
        if not lows[task] < 0:
            return StudyVerdict("Yes.", said, self.untested(model))
        price = number(-100 * lows[task], ".1f")
        said.append(f"The price of being wrong is largest on {task}: there it is {_interval(pairs[task])}.")
        answer = f"No loss is shown, but one of up to {price} points is possible."
        return StudyVerdict(answer, said, self.untested(model))

    def _no(self, model: str, some_untested: bool) -> StudyVerdict:
        pairs = self.against_best(model)
        task = min(pairs, key=lambda task: (not pairs[task].is_lower, pairs[task].shown[1].difference))
        smaller = "smaller model that could be tested" if some_untested else "smaller model"
        loss = self.shared.mean(self.best) - self.shared.mean(model)
        in_runs = self.standing(model) == LOWER_IN_RUNS
        only_in_runs = any(self.standing(other) == LOWER_IN_RUNS for other in self.smaller)
        by = "by a test over seeds or over examples" if only_in_runs else "by a test over seeds"
        said = [
            f"Every {smaller} scores significantly lower than {self.best}, the best of {len(self.found_something)}, on "
            f"at least one of {self._tasks}, {by}.",
            f"The closest is {model}: {number(100 * loss, '.1f')} points lower in the mean ({self._points(model)} "
            f"against {self._points(self.best)}), and on {task} {_interval(pairs[task])}.",
            self._ratios(model),
        ]
        answer = "No, as far as these runs show; other seeds may not." if in_runs else "No, not without a loss."
        return StudyVerdict(answer, said, self.untested(model))

    @property
    def _tasks(self) -> str:
        return quantity([len(self.shared.units)], "task")

    def _points(self, model: str) -> str:
        return number(100 * self.shared.mean(model), ".1f")

    def _ratios(self, model: str) -> str:
        """Return what a model takes of what the best takes, as far as both are known."""
        own, best = self.costs[model], self.costs[self.best]
        parts = [(own.parameters, best.parameters, "the parameters")]
        for figure, words in (("size", "the size on disk"), ("memory", "the memory")):
            parts.append((own.value(figure), best.value(figure), words))
        if "latency" in own.measures:
            at = own.measures["latency"]
            words = f"the latency ({at.batch} × {at.length} tokens on the {at.device.replace('cpu', 'CPU')})"
            parts.append((own.value("latency"), best.value("latency"), words))
        tasks = [task for task in self.shared.tasks if task in own.kwh_a_run and task in best.kwh_a_run]
        energies = [sum(each.kwh_a_run[task] for task in tasks) for each in (own, best)]
        parts.append((energies[0], energies[1], "the energy of fine-tuning"))
        known = [f"{first / second:.0%} of {words}" for first, second, words in parts if second and first / second > 0]
        *others, last = known
        return f"Against {self.best}, it has {', '.join(others)} and {last}." if others else f"It has {last}."

    # ---- What the answer does not rest on

    def untested(self, model: str | None) -> list[str]:
        """Return what could not be tested, and why; `model` is the one that is compared with the best."""
        about_tests = [*self._tests(), *self._left_out(), *self._without_seeds(), *self._untested_tasks(model)]
        return [*about_tests, *self._across(), *self._power(model), *self._unmeasured()]

    def _tests(self) -> list[str]:
        runs = [self.scores.scores[model][task].runs for model in self.shared.models for task in self.shared.tasks]
        seeds = test_of(self.significance)
        return [
            f"{seeds[0].upper()}{seeds[1:]}; {quantity(runs, 'run')} of a model on a task. Over examples: paired "
            "bootstrap, corrected likewise."
        ]

    def _left_out(self) -> list[str]:
        others = [model for model in self.scores.scores if model not in self.shared.models]
        failed = [
            f"{model} found nothing on {', '.join(tasks)} (score 0): it failed"
            for model in self.scores.scores
            if (tasks := self.scores.failed(model))
        ]
        said = [f"{'; '.join(failed)}."] if failed else []
        if others:
            more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
            named, units = ", ".join(others[:MOST_NAMED]), ", ".join(self.shared.units)
            said.append(f"Compared on {units}. {named}{more} did not run on all of these, in the same languages.")
        return said

    def _without_seeds(self) -> list[str]:
        once = self.shared.once()
        return [f"One run of a model gives no test over seeds: {', '.join(once)}."] if once else []

    def _untested_tasks(self, model: str | None) -> list[str]:
        missing = [task for task in self.shared.tasks if task not in self.against_best(model)] if model else []
        return [f"{model} could not be tested on {', '.join(missing)}: Comparisons has the reasons."] if missing else []

    def _across(self) -> list[str]:
        from smelt.statistics.tests import smallest_p

        tasks = len(self.shared.units)
        if tasks == 1:
            return ["One task says nothing of others."]
        if (least := smallest_p(tasks)) < self.significance.alpha:
            return []
        return [
            f"With {tasks} tasks, p across tasks cannot fall below {least:.2g}, so only tests within a task count here."
        ]

    def _power(self, model: str | None) -> list[str]:
        pairs = self.against_best(model) if model else {}
        sizes = [100 * pair.detectable for pair in pairs.values() if not math.isnan(pair.detectable)]
        if not sizes:
            return []
        least, most = (number(size, ".1f") for size in (min(sizes), max(sizes)))
        points = least if least == most else f"{least} to {most}"
        return [f"Differences below about {points} points, by the task, may go unseen over seeds (power 80%)."]

    def _unmeasured(self) -> list[str]:
        if any(each.measures for each in self.costs.values()):
            return []
        return ["Memory and latency were not measured: efficiency is no part of the study."]


def _interval(pair: PairedModels) -> str:
    """Return a difference with its interval, in points."""
    over, test = pair.shown
    shown = [number(100 * value, ".1f") for value in (test.difference, test.low, test.high)]
    return f"{shown[0]} points (interval over {over}: {shown[1]} to {shown[2]})"
