"""Whether a smaller model is worth it, in one paragraph made from the numbers.

The best model has the highest mean over the tasks that models share. A smaller one stands beside it where no test,
over seeds, over examples or across tasks, finds it worse. Two models have up to two tests a task: their p, corrected
over the pairs of each task, is corrected again over all of them. That is no proof of equality: the paragraph says what
being wrong could cost. Where the study states a margin, a model that is shown to lose less than it goes first.
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from smelt.report.csv_files import read_rows
from smelt.report.notes import test_of
from smelt.report.overview import (
    BEST,
    ModelCosts,
    PairedModels,
    SharedTasks,
    StudyScores,
    TestedDifference,
    overview_table,
)
from smelt.report.page.no_worse import ModelsNoWorse
from smelt.report.render import PaperTable, number, p_value, quantity
from smelt.report.significance import Significance
from smelt.statistics.p_values import smallest_p

MOST_NAMED = 6
LOWER, LOWER_OVER_TASKS, LOWER_IN_RUNS = "lower", "lower over tasks", "lower in these runs"
NO_LOSS = "no loss shown"
NO_WORSE = "no worse"
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
        statistics: the paths of summary.csv, pairs.csv and across.csv, as `summary`, `pairs` and `across`.
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
    claims = ModelsNoWorse(statistics["pairs"], examples, shared, significance) if significance.margin else None
    compared = BestAgainstSmaller(scores, shared, costs, significance, _lower_over_tasks(statistics["across"]), claims)
    standing = {model: compared.standing(model) for model in models}
    table = overview_table(models, shared, standing, costs)
    return compared.verdict(), replace(table, notes=[*table.notes, *([claims.in_words()] if claims else [])])


def _lower_over_tasks(path: Path) -> set[tuple[str, str]]:
    """Return the pairs of models that differ significantly across tasks, the lower one first."""
    rows = read_rows(path, ["model_a", "model_b", "rank_biserial", "significant"])
    found = [row for row in rows if str(row["significant"]) == "True"]
    pairs = [(str(row["model_a"]), str(row["model_b"])) for row in found]
    return {pair if row["rank_biserial"] < 0 else pair[::-1] for row, pair in zip(found, pairs, strict=True)}


@dataclass(frozen=True)
class BestAgainstSmaller:
    """The best of the models that share tasks, and all that are smaller."""

    scores: StudyScores
    shared: SharedTasks
    costs: Mapping[str, ModelCosts]
    significance: Significance
    lower_over_tasks: Set[tuple[str, str]]
    """Pairs that the test across tasks finds to differ, the lower model first."""
    claims: ModelsNoWorse | None = None
    """What is shown at the margin, where the study states one."""

    @cached_property
    def found_something(self) -> list[str]:
        """The models that share tasks and scored above 0 on every task that they ran on."""
        return [model for model in self.shared.models if not self.scores.failed(model)]

    @cached_property
    def best(self) -> str:
        """The model with the highest mean."""
        return max(self.found_something, key=self.shared.mean)

    @cached_property
    def smaller(self) -> list[str]:
        """The models with fewer parameters than the best, the smallest first."""
        found = [model for model in self.found_something if self._size(model) < self._size(self.best)]
        return sorted(found, key=self._size)

    @cached_property
    def unknown(self) -> list[str]:
        """The models whose number of parameters is not known."""
        return [model for model in self.found_something if math.isnan(self._size(model))]

    def _size(self, model: str) -> float:
        return self.costs[model].parameters if model in self.costs else math.nan

    def _tests_against_best(self, model: str) -> dict[tuple[str, str], TestedDifference]:
        """Return what each test finds of a model minus the best, by task and what the test is over."""
        return {
            (task, over): test
            for task in self.shared.tasks
            for over, test in self.scores.pair(task, model, self.best).tests.items()
        }

    def against_best(self, model: str) -> dict[str, PairedModels]:
        """Return a model minus the best on each task where this was tested, corrected over these tests and tasks.

        A test that has no interval, or could not be significant in any data, counts as none.
        """
        tests = self._tests_against_best(model)
        corrected = self.significance.correct_numbers([test.p for test in tests.values()])
        first_step = len(tests) if self.significance.correction == "holm" else 1
        found: dict[tuple[str, str], TestedDifference] = {}
        for (key, test), p in zip(tests.items(), corrected, strict=True):
            significant = test.significant and p < self.significance.alpha
            within_reach = first_step * test.smallest_p < self.significance.alpha and math.isfinite(test.low)
            if significant or within_reach:
                found[key] = replace(test, p=p, significant=significant)
        pairs = {}
        for task in dict.fromkeys(task for task, _ in found):
            detectable = self.scores.pair(task, model, self.best).detectable
            pairs[task] = PairedModels(found.get((task, "seeds")), found.get((task, "examples")), detectable)
        return pairs

    def standing(self, model: str) -> str:
        """Return how a model stands against the best, in a word or two."""
        if model in self.scores.scores and self.scores.failed(model):
            return "failed"
        if model not in self.found_something:
            return "not compared"
        if model == self.best:
            return BEST
        if self.claims and self.claims.shown(model, self.best):
            return NO_WORSE
        tested = self.against_best(model)
        if any(pair.over_seeds and pair.over_seeds.is_lower for pair in tested.values()):
            return LOWER
        if (model, self.best) in self.lower_over_tasks:
            return LOWER_OVER_TASKS
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
        if no_worse := [model for model in self.smaller if standings[model] == NO_WORSE]:
            return self._no_worse(no_worse[0])
        if beside := [model for model in self.smaller if standings[model] == NO_LOSS]:
            return self._yes(beside[0])
        tested = [model for model in self.smaller if standings[model] in (LOWER, LOWER_OVER_TASKS, LOWER_IN_RUNS)]
        if not tested:
            said = f"{self.best} has the highest mean, {self._points(self.best)} points over {self._tasks}, of "
            said += f"{quantity([len(self.found_something)], 'model')}. "
            said += "No smaller model could be tested against it on all of these tasks."
            return StudyVerdict("Cannot be said.", [said], self.untested(self.smaller[-1]))
        return self._no(max(tested, key=self.shared.mean), len(tested) < len(self.smaller))

    def _no_smaller(self) -> StudyVerdict:
        said = f"{self.best} has the highest mean, {self._points(self.best)} points over {self._tasks}, of "
        said += f"{quantity([len(self.found_something)], 'model')}"
        if self.unknown:
            return StudyVerdict("Cannot be said.", [f"{said}; none is known to be smaller."], self.untested(None))
        if any(self._size(model) > self._size(self.best) for model in self.found_something):
            return StudyVerdict("Yes.", [f"{said}, and no other one is smaller."], self.untested(None))
        why = "all have as many parameters" if len(self.found_something) > 1 else "no other one could be compared"
        return StudyVerdict("There is no smaller model.", [f"{said}; {why}."], self.untested(None))

    def _no_worse(self, model: str) -> StudyVerdict:
        """Return the answer where a smaller model is shown to lose less than the margin."""
        assert self.claims is not None
        margin = self.significance.margin_in_words
        found = f"shown to be no worse than {self.best}, the best one, by more than {margin} on any task"
        p = p_value(self.claims.p(model, self.best))
        shown = f"This is shown by tests at a margin that the study states (p {p if p[0] == '<' else f'= {p}'})."
        said = [self._smallest(model, f"is {found}"), self._ratios(model)]
        said.append(" ".join(part for part in (shown, self.claims.closest(model, self.best)) if part))
        lower = [task for task, pair in self.against_best(model).items() if pair.is_lower]
        said += [f"It is significantly lower on {', '.join(lower)}, by less than that."] if lower else []
        beside = [other for other in self.smaller if self.standing(other) == NO_LOSS]
        if beside and self._size(beside[0]) < self._size(model):
            said.append(f"{beside[0]} is smaller and no test finds it worse, but that it loses so little is not shown.")
        return StudyVerdict(f"Yes, within {margin}.", said, self.untested(model))

    def _smallest(self, model: str, found: str) -> str:
        loss = 100 * (self.shared.mean(self.best) - self.shared.mean(model))
        of_known_size = " of known size" if self.unknown else ""
        return (
            f"Of {quantity([len(self.found_something)], 'model')}, {model} is the smallest{of_known_size} that {found}:"
            f" {self._points(model)} against {self._points(self.best)} points, {_lower_by(loss)} in the mean over"
            f" {self._tasks}."
        )

    def _yes(self, model: str) -> StudyVerdict:
        pairs = self.against_best(model)
        said = [self._smallest(model, f"no test finds worse than {self.best}, the best one"), self._ratios(model)]
        lows = {
            (task, over): test.low
            for task, pair in pairs.items()
            for over, test in pair.tests.items()
            if math.isfinite(test.low)
        }
        task, over = min(lows, key=lambda key: lows[key])
        if (low := lows[task, over]) >= 0:
            answer = "No loss is shown, but not all sizes are known." if self.unknown else "Yes."
            return StudyVerdict(answer, said, self.untested(model))
        shown = _interval(over, pairs[task].tests[over])
        said.append(
            "That no test finds it worse is no proof that it is as good."
            f" The price of being wrong is largest on {task}: there it is {shown}."
        )
        answer = f"No loss is shown, but one of up to {number(-100 * low, '.1f')} points is possible."
        return StudyVerdict(answer, said, self.untested(model))

    def _no(self, model: str, some_untested: bool) -> StudyVerdict:
        pairs = self.against_best(model)
        smaller = "smaller model that could be tested" if some_untested else "smaller model"
        loss = 100 * (self.shared.mean(self.best) - self.shared.mean(model))
        where = f"on at least one of {self._tasks}" if len(self.shared.tasks) > 1 else f"on {self.shared.tasks[0]}"
        ways = {
            LOWER: f"{where} by the test over seeds",
            LOWER_OVER_TASKS: "over all tasks together by the test across tasks",
            LOWER_IN_RUNS: f"{where} by the test over examples",
        }
        standings = {self.standing(other) for other in self.smaller}
        found = ", or ".join(words for standing, words in ways.items() if standing in standings)
        closest = f"The closest is {model}: {_lower_by(loss, 'points ')} in the mean ({self._points(model)} against "
        closest += f"{self._points(self.best)})"
        if pairs:
            task = min(pairs, key=lambda task: (not pairs[task].is_lower, pairs[task].shown[1].difference))
            closest += f", and on {task} {_interval(*pairs[task].shown)}"
        said = [
            f"Every {smaller} scores significantly lower than {self.best}, the best of {len(self.found_something)}: "
            f"{found}.",
            f"{closest}.",
            self._ratios(model),
        ]
        in_runs = self.standing(model) == LOWER_IN_RUNS
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
        known = [
            f"{_share(first / second)} of {words}" for first, second, words in parts if second and first / second > 0
        ]
        *others, last = known
        return f"Against {self.best}, it has {', '.join(others)} and {last}." if others else f"It has {last}."

    # ---- What the answer does not rest on

    def untested(self, model: str | None) -> list[str]:
        """Return what could not be tested, and why; `model` is the one that is compared with the best."""
        about_tests = [*self._tests(), *self._by_itself(model), *self._left_out(), *self._without_seeds()]
        about_tests += [*self._margin(), *self._untested_tasks(model), *self._resamples(model), *self._across()]
        return [*about_tests, *self._power(model), *self._unmeasured()]

    def _tests(self) -> list[str]:
        runs = [self.scores.scores[model][task].runs for model in self.shared.models for task in self.shared.tasks]
        seeds = test_of(self.significance)
        said = f"{seeds[0].upper()}{seeds[1:]}; {quantity(runs, 'run')} of a model on a task."
        if self.scores.over_examples_on(self.shared.tasks):
            correction = self.significance.correction_in_words("over the same pairs", "not corrected")
            said += f" Over examples: paired bootstrap, {correction}."
        again = self.significance.correction == "holm"
        said += (
            " Against the best, p is corrected again over all tasks and both tests."
            if again
            else (" Nor is anything corrected over tasks and tests: of many, some find a difference by chance.")
        )
        return [said]

    def _margin(self) -> list[str]:
        """Return that a margin is stated and no smaller model keeps it; nothing where one does."""
        if not self.claims or any(self.standing(model) == NO_WORSE for model in self.smaller):
            return []
        margin = self.significance.margin_in_words
        return [f"Of no smaller model is it shown that it is no worse than {self.best} by more than {margin}."]

    def _by_itself(self, model: str | None) -> list[str]:
        """Return where a test finds the model lower only as long as it is looked at alone."""
        tests = self._tests_against_best(model) if model else {}
        held = self.against_best(model) if model else {}
        alone = [
            f"{task} (over {over})"
            for (task, over), test in tests.items()
            if test.is_lower and not (task in held and over in held[task].tests and held[task].tests[over].is_lower)
        ]
        said = f"{model} is lower on {', '.join(alone)} by itself, which does not hold among {len(tests)} tests."
        return [said] if alone else []

    def _left_out(self) -> list[str]:
        others = [model for model in self.scores.scores if model not in self.shared.models]
        failed = [
            f"{model} found nothing on {', '.join(tasks)} (score 0): it failed"
            for model in self.scores.scores
            if (tasks := self.scores.failed(model))
        ]
        said = [f"{'; '.join(failed)}."] if failed else []
        if self.unknown:
            said.append(f"Not known to be smaller or larger, for want of a size: {', '.join(self.unknown)}.")
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
        if not missing:
            return []
        beyond = {task for task, _ in self._tests_against_best(model)} if model else set()
        reach = [task for task in missing if task in beyond]
        none = [task for task in missing if task not in beyond]
        said = [f"{model} could not be tested on {', '.join(none)}: Comparisons has the reasons."] if none else []
        if reach:
            many = f"{self.significance.alpha:g} is out of reach after correction, or the scores do not vary"
            said.append(f"{model} could not be tested on {', '.join(reach)}: {many}.")
        return said

    def _resamples(self, model: str | None) -> list[str]:
        """Return where the bootstrap drew too few resamples for p to fall below alpha among all tests of the model."""
        tests, alpha = self._tests_against_best(model) if model else {}, self.significance.alpha
        holm = self.significance.correction == "holm"
        needed = {}
        for (task, over), test in tests.items():
            if over == "examples" and (len(tests) if holm else 1) * test.smallest_p >= alpha:
                pairs = self.scores.pairs_over_examples(task)
                needed[task] = 2 / alpha * (pairs * len(tests) if holm else 1)  # the smallest p is 2 / (resamples + 1)
        if not needed:
            return []
        enough = 1000 * math.ceil(max(needed.values()) / 1000)
        among = f"among {quantity([len(tests)], 'test')}, " if holm else ""
        return [
            f"Over examples, {among}no difference of {model} on {', '.join(needed)} could be found from the resamples "
            f"that were drawn: {enough:,} as significance.resamples in the study suffice."
        ]

    def _across(self) -> list[str]:
        tasks = len(self.shared.units)
        if tasks == 1:
            return ["One task says nothing of others."]
        pairs = math.comb(len(self.shared.models), 2) if self.significance.correction == "holm" else 1
        if (least := min(1.0, pairs * smallest_p(tasks))) < self.significance.alpha:
            return []
        return [
            f"With {tasks} tasks, p across tasks, corrected, cannot fall below {least:.2g}, so only tests within a "
            "task count here."
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


def _interval(over: str, test: TestedDifference) -> str:
    """Return a difference with its interval, in points."""
    shown = [number(100 * value, ".1f") for value in (test.difference, test.low, test.high)]
    return f"{shown[0]} points (interval over {over}: {shown[1]} to {shown[2]})"


def _lower_by(points: float, unit: str = "") -> str:
    """Return how much lower a mean is, without a loss that rounds to 0."""
    if points < 0.05:
        return f"less than 0.1 {unit}lower" if points > 0 else "no lower"
    return f"{number(points, '.1f')} {unit}lower"


def _share(ratio: float) -> str:
    """Return a share in percent, without one that rounds to 0."""
    if ratio < 0.001:
        return "less than 0.1%"
    return f"{ratio:.1%}" if ratio < 0.01 else f"{ratio:.0%}"
