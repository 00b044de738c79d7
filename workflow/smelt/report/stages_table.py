"""Tables of a compression, phase by phase (XtremeDistil, Table 4)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from smelt.report.comparison_tables import NONE
from smelt.report.grid import Cell, Grid, Group, PaperTable, Row
from smelt.report.score_notes import in_words, one_teacher_note, seqeval_note
from smelt.report.score_table import percent
from smelt.report.stage_scores import SPLITS, SplitScore, StageScore

HEADS = ["Learns", "Unfrozen", "Validation", "Test", "Epochs"]


def stages_table(
    name: str, settings: Mapping[str, Any], scores: Sequence[StageScore]
) -> tuple[PaperTable, pd.DataFrame]:
    """Return the table as a paper prints it, and the numbers behind it: a row a phase."""
    grid = Grid("Stage", HEADS, [Group([_row(score) for score in scores])])
    caption = settings.get("caption") or f"{settings['model']} on {settings['task']}, stage by stage"
    notes = _notes(scores) + one_teacher_note(settings.get("one_teacher", []))
    return PaperTable(name, caption, [grid], notes), pd.DataFrame([_numbers(score) for score in scores])


def _row(score: StageScore) -> Row:
    words = [Cell(score.learns), Cell(score.unfrozen)]
    return Row(str(score.stage), [*words, _cell(score.validation), _cell(score.test), Cell(f"{score.epochs:g}")])


def _cell(score: SplitScore) -> Cell:
    if math.isnan(score.mean):
        return Cell(NONE)
    spread = score.deviation_over_languages if score.languages > 1 else score.deviation_over_seeds
    return Cell(percent(score.mean), detail="" if math.isnan(spread) else f"({percent(spread)})")


def _numbers(score: StageScore) -> dict[str, Any]:
    splits = {f"{split}_{part}": value for split in SPLITS for part, value in asdict(getattr(score, split)).items()}
    return {key: value for key, value in asdict(score).items() if key not in SPLITS} | splits


def _notes(scores: Sequence[StageScore]) -> list[str]:
    last, n = scores[-1].test, scores[0].n
    seeds = "1 seed" if n == 1 else f"{n} seeds"
    spread = "; a single seed, so no deviation"
    if last.languages > 1:
        spread = f" (standard deviation over {last.languages} languages, mean over the seeds)"
    elif n > 1:
        spread = " (standard deviation over them)"
    metric = {"": last.metric}
    notes = [
        f"{in_words(metric)}, in percent, at the end of each phase: mean over {seeds}{spread}. A phase ends with the"
        " weights of its lowest loss on validation; the test set chooses nothing.",
        *seqeval_note(metric.values()),
        "Unfrozen: the lowest part that learns, together with all parts above it; all: every part learns from the"
        " start. Epochs: mean over the seeds.",
    ]
    return notes + ([f"{NONE}: no classifier has learned yet."] if any(math.isnan(s.test.mean) for s in scores) else [])
