"""Tables of results that only the page shows: comparisons of two models, and splitting against missed labels."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smelt.report.csv_files import read_rows
from smelt.report.no_worse import MARGIN_SEEDS, NO_WORSE_COLUMNS, SIDES, shown_in_row
from smelt.report.notes import metric_notes, metric_title, test_of
from smelt.report.records import read_tokenisation
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, number, p_value, quantity
from smelt.report.significance import Significance

Entries = Sequence[Mapping[str, Any]]
"""Rows of a CSV file."""

# ---- Every comparison of two models, within each task and across tasks

_INTERVAL = ["difference", "interval_low", "interval_high", "confidence", "interval_method"]
PAIRS = ["task", "metric", "model_a", "model_b", *_INTERVAL, "hedges_g", "p", "p_corrected", "significant", "note"]
PAIRS += ["n_a", "n_b", "n_pairs", "level_low", "level_high", "power", "detectable", "seeds_needed"]
ACROSS = ["model_a", "model_b", "tasks", "wins_a", "wins_b", *_INTERVAL, "significant", "note"]
ACROSS += ["wilcoxon_statistic", "wilcoxon_n", "wilcoxon_p", "wilcoxon_p_corrected"]
EXAMPLES = ["task", "model_a", "model_b", "examples", "low", "high", "p_corrected", "significant", "correction"]
EXAMPLES += ["resamples", "contexts", "note"]
SHOWN_WITHOUT_TEST = 20
"""Pairs that could not be tested are listed on the page up to this number."""


def pair_tables(path: Path, examples: Sequence[Path], significance: Significance) -> list[PaperTable]:
    """Return a table for each task of pairs.csv: a row a pair of models.

    Args:
        path: pairs.csv.
        examples: the comparisons over test examples, a file a task.
        significance: how differences were tested.
    """
    by_task: dict[str, list[dict[str, Any]]] = {}
    for entry in read_rows(path, [*PAIRS, *_margin_columns(significance, MARGIN_SEEDS)]):
        by_task.setdefault(entry["task"], []).append(entry | {"note": _note(entry)})
    over_examples = ExamplePairs(examples, significance)
    return [_pairs_of(task, pairs, over_examples, significance) for task, pairs in by_task.items()]


def across_table(path: Path, significance: Significance) -> PaperTable | None:
    """Return the table of across.csv: a row a pair of models; None where there is no pair."""
    across, left_out = _without_untested(
        read_rows(path, [*ACROSS, *_margin_columns(significance)]), lambda entry: not entry["tasks"]
    )
    if not across:
        return None
    some_left_out = any(part.startswith(_LEFT_OUT) for entry in across for part in _parts(entry))
    across = [{**entry, "note": _note(entry, one_sided=bool(significance.margin))} for entry in across]
    columns = ["Tasks", "Won – lost", _difference_head(across), "W", "n", "p", "p corrected", "Significant"]
    marks = _number_notes(across)
    margin = _Margin("tasks", significance)
    rows = [Row(_pair(entry), [*_across_cells(entry, marks), *margin.cells(entry)]) for entry in across]
    level = f"p < {significance.alpha:g}"
    correction = significance.correction_in_words("over all pairs")
    notes = [
        "One value a task, the mean over seeds; differences in points, first model minus second. "
        f"Wilcoxon's signed-rank test, two-sided, {level}, {correction}; n counts the tasks whose means differ."
    ]
    notes += [*_interval_note(across), *margin.notes(across)]
    notes += ["Tasks: those that both models ran on; across.csv names the others."] if some_left_out else []
    notes += [f"{left_out} pairs that share no task stand in across.csv, each with the reason."] if left_out else []
    explained = {"n": "Tasks whose means differ: those that the test ranks."}
    return PaperTable(
        "across",
        "Pairs of models across tasks",
        [_grid([*columns, *margin.heads], rows, explained)],
        [*notes, *_mark_notes(marks)],
    )


class ExamplePairs:
    """The comparisons over test examples, by task and pair."""

    def __init__(self, paths: Sequence[Path], significance: Significance) -> None:
        """Read the files, one a task."""
        self._margin = _Margin("examples", significance)
        self._rows: dict[tuple[str, frozenset[str]], Mapping[Any, Any]] = {}
        self._facts: dict[str, Mapping[Any, Any]] = {}
        for path in paths:
            for row in read_rows(path, [*EXAMPLES, *_margin_columns(significance)]):
                self._rows[row["task"], frozenset((row["model_a"], row["model_b"]))] = row
                if str(row["significant"]) in _VERDICTS:
                    self._facts[row["task"]] = row

    def cells(self, task: str, entry: Mapping[Any, Any]) -> list[Cell]:
        """Return interval and verdict, with its corrected p, of a pair; nothing of a task that was not tested."""
        if task not in self._facts:
            return []
        row = self._rows.get((task, frozenset((entry["model_a"], entry["model_b"]))))
        if row is None or str(row["significant"]) not in _VERDICTS:
            return [Cell(NONE)] * len(self.heads(task))
        sign = 1 if row["model_a"] == entry["model_a"] else -1
        ends = sorted((sign * 100 * row["low"], sign * 100 * row["high"]))
        interval = f"{number(ends[0])} to {number(ends[1])}"
        verdict = _yes_or_no(row, detail=f"(p {_p(row['p_corrected'])})")
        return [Cell(interval), verdict, *self._margin.cells(row, swapped=sign < 0)]

    def heads(self, task: str) -> list[str]:
        """Return the heads of these cells."""
        heads = ["Interval over examples", "Differ over examples", *self._margin.heads]
        return heads if task in self._facts else []

    def notes(self, task: str) -> list[str]:
        """Return how a task was tested over examples."""
        if (facts := self._facts.get(task)) is None:
            return []
        correction = "Holm's correction over all pairs" if facts["correction"] == "holm" else "no correction"
        drawn = f"{facts['examples']:,} test examples within each language"
        independent = "Examples are drawn as if independent: where several share a document, p may be too small."
        if not math.isnan(facts["contexts"]):
            drawn = f"{facts['contexts']:,.0f} contexts of {facts['examples']:,} test examples within each language"
            independent = (
                "The examples of a context are drawn together. Contexts are drawn as if independent: where several are"
                " of one document, p may be too small."
            )
        own = [row for (other, _), row in self._rows.items() if other == task]
        beware = "".join(f" Beware: {note}." for note in dict.fromkeys(_known(own, "note")))
        return [
            "Over examples, whether the same runs would differ on other examples like these: paired bootstrap of the "
            f"{drawn}, {facts['resamples']:,.0f} resamples, two-sided, {correction}. The test over seeds asks whether"
            f" other runs would differ on the same examples. {independent}{beware}"
        ]


def _pairs_of(task: str, pairs: Entries, examples: ExamplePairs, significance: Significance) -> PaperTable:
    pairs, left_out = _without_untested(pairs, lambda entry: not entry["n_pairs"] and math.isnan(entry["difference"]))
    columns = ["Difference (interval)", "Hedges' g", "p", "p corrected", "Significant", "Detectable", "Seeds needed"]
    marks = _number_notes(pairs)
    margin = _Margin("seeds", significance)
    rows = [
        Row(_pair(entry), [*_pair_cells(entry, marks), *margin.cells(entry), *examples.cells(task, entry)])
        for entry in pairs
    ]
    metric, test = pairs[0]["metric"], test_of(significance)
    paired = "" if significance.test == "welch" else ", paired by seed"
    runs = quantity([entry[n] for entry in pairs for n in ("n_a", "n_b") if entry[n]] or [0], "run")
    notes = [
        f"Differences of {metric_title(metric)} in points, first model minus second. {test[0].upper()}{test[1:]}; "
        f"{runs} of a model{paired}.",
        *_interval_note(pairs),
        *_power_note(pairs),
        *margin.notes(pairs),
        *examples.notes(task),
        *metric_notes([metric]),
    ]
    notes += (
        [f"{left_out} pairs that could not be tested stand in pairs.csv, each with the reason."] if left_out else []
    )
    grid = _grid([*columns, *margin.heads, *examples.heads(task)], rows)
    return PaperTable(f"pairs-{task}", f"Pairs of models on {task}", [grid], [*notes, *_mark_notes(marks)])


class _Margin:
    """The column of what is shown at the study's margin; nothing where it states none."""

    def __init__(self, over: str, significance: Significance) -> None:
        """Take what the tests are over: seeds, examples or tasks."""
        self._over = over
        self._significance = significance
        self.heads = [f"No worse over {over}"] if significance.margin else []
        if self.heads and over == "seeds":
            self.heads.append("Seeds for the margin")

    def cells(self, entry: Mapping[str, Any], swapped: bool = False) -> list[Cell]:
        """Return which model is shown to be no worse, with both bounds, and over seeds how many would show it.

        swapped: whether b is the first.
        """
        if not self.heads:
            return []
        sides = SIDES[::-1] if swapped else SIDES
        shown = tuple(shown_in_row(entry, side) for side in sides)
        if None in shown:
            return [Cell("equal" if _equal(entry) else "not tested"), *(Cell(NONE) for _ in self.heads[1:])]
        bounds = [entry[f"no_worse_{side}_bound"] for side in sides]
        detail = "" if math.isnan(sum(bounds)) else f"({' / '.join(number(100 * bound) for bound in bounds)})"
        seeds = (Cell(_seeds(entry, MARGIN_SEEDS)) for _ in self.heads[1:])
        return [Cell(_NO_WORSE[shown], detail=detail, bold=any(shown)), *seeds]

    def notes(self, entries: Entries) -> list[str]:
        """Return how it is tested, and why some of these entries are not."""
        if not self.heads:
            return []
        equal = (
            " Equal: all scores are the same, which leaves a t-test no spread to judge by; the test over examples"
            " decides." * any(_equal(entry) for entry in entries if shown_in_row(entry, SIDES[0]) is None)
        )
        settings, what = self._significance, "means" if self._over == "tasks" else "runs"
        correction = settings.correction_in_words("over both directions of all pairs")
        bounds = (
            " In brackets the lower confidence bounds, in points, of first minus second and of second minus first: the"
            " claim is shown by one above minus the margin. They are one-sided; the interval is two-sided, so an end of"
            " it below minus the margin does not contradict the claim."
        )
        seeds = (
            "Seeds for the margin: those of each model with which a given one of the two, were both equally good, would"
            " be shown to be no worse, on this task alone, in four of five studies like this one. They take the seen"
            " spread for the true one, too."
        )
        return [
            "No worse: which of the two is shown to be no worse than the other by more than"
            f" {settings.margin_in_words}, the margin that the study states; one-sided, of the same {what} and with the"
            f" same pairing as above, p < {settings.alpha:g}, {correction}.{'' if what == 'means' else bounds}{equal}",
            *(seeds for _ in self.heads[1:]),
        ]


def _seeds(entry: Mapping[Any, Any], column: str) -> str:
    """Return a number of seeds that would be needed."""
    seeds = entry[column]
    return "> 1,000" if math.isnan(seeds) and not math.isnan(entry["power"]) else number(seeds, ",.0f")


def _equal(entry: Mapping[str, Any]) -> bool:
    """Return whether a t-test over seeds found nothing but equal scores: its p is 1 by agreement."""
    return entry.get("p") == 1


_NO_WORSE: dict[tuple[bool | None, ...], str] = {
    (True, True): "both",
    (True, False): "first",
    (False, True): "second",
    (False, False): "neither",
}


def _margin_columns(significance: Significance, *further: str) -> list[str]:
    return [*NO_WORSE_COLUMNS, *further] if significance.margin else []


def _without_untested(entries: Entries, is_untested: Callable[[Mapping[str, Any]], bool]) -> tuple[Entries, int]:
    """Return the pairs to show, and the number of those left out: untested ones where these are many, but not all."""
    tested = [entry for entry in entries if not is_untested(entry)]
    left_out = len(entries) - len(tested)
    return (tested, left_out) if tested and left_out > SHOWN_WITHOUT_TEST else (entries, 0)


def _known(entries: Entries, column: str) -> list[Any]:
    """Return the values of a column that exist: nan does not equal itself."""
    return [value for entry in entries if (value := entry[column]) == value]


def _power_note(pairs: Entries) -> list[str]:
    powers = _known(pairs, "power")
    if not powers:
        return []
    return [
        f"Detectable: the smallest true difference that the test finds in {powers[0]:.0%} of studies like this"
        " one. Seeds needed: those of each model with which it finds a difference as large as the one seen that often."
        " Both take the level that the correction leaves the pair, and the spread that was seen for the true one: from"
        " few seeds, orders of magnitude."
    ]


_LEFT_OUT = "left out: "


def _parts(entry: Mapping[Any, Any]) -> list[str]:
    return entry["note"].split("; ") if isinstance(entry["note"], str) else []


def _note(entry: Mapping[Any, Any], one_sided: bool = True) -> str | float:
    """Return the parts of a pair's note that explain the columns that are shown; nan for none.

    It does not name the tasks that a pair left out: nearly every pair would have a note of its own. It says why an
    interval leaves out 0 where the verdict is no.

    Args:
        entry: the row of the pair.
        one_sided: whether one-sided tests are shown, too.
    """
    low, high = _ends(entry)
    unseen = [_LEFT_OUT]
    unseen += [] if math.isnan(entry.get("level_low", math.nan)) else ["a bootstrap of "]
    parts = [part for part in _parts(entry) if not part.startswith(tuple(unseen))]
    parts = [part for part in dict.fromkeys(parts) if one_sided or " smallest one-sided p " not in part]
    if str(entry["significant"]) == "False" and (low > 0 or high < 0):
        parts.append(
            "the interval leaves out 0, but it is not corrected and too narrow for so few values: the test decides"
        )
    return "; ".join(parts) or math.nan


def _p(p: float) -> str:
    """Return a p with its sign of relation."""
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _ends(entry: Mapping[Any, Any]) -> tuple[float, float]:
    """Return the ends of the interval to show: at the level of the test, where there is one."""
    level = [entry.get("level_low", math.nan), entry.get("level_high", math.nan)]
    low, high = level if not math.isnan(level[0]) else (entry["interval_low"], entry["interval_high"])
    return low, high


def _difference_head(entries: Entries) -> str:
    confidences = _known(entries, "confidence")
    return f"Difference ({confidences[0]:.0%} interval)" if confidences else "Difference"


def _interval_note(entries: Entries) -> list[str]:
    if "level_low" in entries[0] and _known(entries, "level_low"):
        return [
            "Interval: that of the test, at the level that the correction leaves the pair. It leaves out 0 exactly"
            " where the pair is significant. Intervals hold one by one, not all at once. The bootstrap interval,"
            " uncorrected, is in pairs.csv."
        ]
    methods = ", or ".join(dict.fromkeys(_known(entries, "interval_method")))
    return [f"Interval: {methods}, at {_known(entries, 'confidence')[0]:.0%}, uncorrected."] if methods else []


def _pair(entry: Mapping[Any, Any]) -> str:
    return f"{entry['model_a']} – {entry['model_b']}"


def _pair_cells(entry: Mapping[Any, Any], marks: Mapping[str, str]) -> list[Cell]:
    p_values = [Cell(p_value(entry["p"])), Cell(p_value(entry["p_corrected"]))]
    power = [Cell(number(100 * entry["detectable"])), Cell(_seeds(entry, "seeds_needed"))]
    return [_difference(entry), Cell(number(entry["hedges_g"])), *p_values, _verdict(entry, marks), *power]


def _across_cells(entry: Mapping[Any, Any], marks: Mapping[str, str]) -> list[Cell]:
    test = [Cell(number(entry["wilcoxon_statistic"], "g")), Cell(number(entry["wilcoxon_n"], ".0f"))]
    test += [Cell(p_value(entry["wilcoxon_p"])), Cell(p_value(entry["wilcoxon_p_corrected"]))]
    won = f"{entry['wins_a']} – {entry['wins_b']}"
    return [Cell(str(entry["tasks"])), Cell(won), _difference(entry), *test, _verdict(entry, marks)]


def _difference(entry: Mapping[Any, Any]) -> Cell:
    low, high = (100 * end for end in _ends(entry))
    detail = "" if math.isnan(low) else f"({number(low)} to {number(high)})"
    return Cell(number(100 * entry["difference"]), detail=detail)


def _verdict(entry: Mapping[Any, Any], marks: Mapping[str, str]) -> Cell:
    return _yes_or_no(entry, marks.get(entry["note"], ""))


_VERDICTS = {"True": "yes", "False": "no"}


def _yes_or_no(entry: Mapping[Any, Any], mark: str = "", detail: str = "") -> Cell:
    verdict = str(entry["significant"])
    return Cell(_VERDICTS.get(verdict, "not tested"), mark, detail, verdict == "True")


def _number_notes(entries: Entries) -> dict[str, str]:
    """Return a number for each different note: notes are long, and many rows share one."""
    return {note: str(place) for place, note in enumerate(dict.fromkeys(_known(entries, "note")), 1)}


def _mark_notes(marks: Mapping[str, str]) -> list[str]:
    return [f"{mark}: {note}." for note, mark in marks.items()]


def _grid(columns: list[str], rows: list[Row], explained: Mapping[str, str] | None = None) -> Grid:
    return Grid("Models", columns, [Group(rows)], help=explained or {})


# ---- Splitting and missed labels, a table for each token task (mALBERT, section 3.3)

_CORRELATION_COLUMNS = ["r", "Interval (sentences)", "Interval (words)", "p", "r of single runs", "Words"]


def correlation_tables(paths: Sequence[Path]) -> list[PaperTable]:
    """Return a table for each task: a group a model, a row a population of words and set of conditions."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for study in map(read_tokenisation, paths):
        by_task.setdefault(study["task"], []).append(study)
    return [_correlation_table(task, studies) for task, studies in by_task.items()]


def _correlation_table(task: str, studies: list[dict[str, Any]]) -> PaperTable:
    # Only notes on correlations that do not exist get a mark: notes on the others are covered by the table's own.
    missing = [row for study in studies for row in study["correlations"] if row["r"] is None]
    marks = _number_notes(missing)
    groups = [
        Group([_correlation_row(row, marks) for row in study["correlations"]], study["model"]) for study in studies
    ]
    notes = [
        "Pearson's r between a word's added segmentation (pieces minus one) and its non-detection (share of the runs "
        "whose label for it is wrong); below it the partial correlation given what the row names.",
        f"Intervals at {_levels(studies)}. The one over sentences resamples whole sentences, since words of a sentence "
        "are not independent; p and the interval over words (Fisher's) treat words as independent.",
    ]
    notes += _mark_notes(marks)
    caption = f"Splitting and missed labels on {task}"
    return PaperTable(f"correlations-{task}", caption, [Grid("Words, given", _CORRELATION_COLUMNS, groups)], notes)


def _levels(studies: Sequence[Mapping[str, Any]]) -> str:
    """Return the confidence of the intervals; all of one study's have the same."""
    return " or ".join(dict.fromkeys(f"{row['confidence']:.0%}" for study in studies for row in study["correlations"]))


def _correlation_row(entry: Mapping[str, Any], marks: Mapping[str, str]) -> Row:
    given = f", given {' and '.join(entry['given'])}" if entry["given"] else ""
    runs = entry.get("of_runs") or {"mean": None, "standard_deviation": None}
    spread = runs["standard_deviation"]
    single = Cell(number(runs["mean"]), detail="" if spread is None else f"({number(spread)})")
    p = Cell(p_value(math.nan if entry["p"] is None else entry["p"]))
    r = Cell(number(entry["r"]), marks[str(entry["note"])] if entry["r"] is None else "")
    cells = [r, _interval(entry["bootstrap"]), _interval(entry), p, single]
    return Row(f"{entry['population']}{given}", [*cells, Cell(f"{entry['words']:,}")])


def _interval(entry: Mapping[str, Any]) -> Cell:
    if entry["low"] is None:
        return Cell(number(None))
    return Cell(f"{number(entry['low'])} to {number(entry['high'])}")
