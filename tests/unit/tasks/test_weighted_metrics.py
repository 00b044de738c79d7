"""Scores of weighted examples are the scores of sets in which each example stands as often as its weight says."""

from typing import Any

import numpy as np
import pytest

from smelt.tasks.examples import Relevant
from smelt.tasks.kinds import METRICS, METRICS_BY_KEY
from smelt.tasks.metrics import Metric

COUNT = 40
GENERATOR = np.random.default_rng(1)


def _labels(names: list[str]) -> list[list[str]]:
    return [[str(GENERATOR.choice(names)) for _ in range(5)] for _ in range(COUNT)]


def _examples(metric: Metric) -> tuple[list[Any], list[Any]]:
    """Return right and predicted answers that suit a metric."""
    if metric.key.endswith(("_at_10", "_at_100")):
        gold = [[Relevant(f"p{number % 7}", 1 + number % 2)] for number in range(COUNT)]
        return gold, [[f"p{place}" for place in GENERATOR.permutation(12)] for _ in gold]
    if metric.beside == "exact_match":
        found = [[str(GENERATOR.choice(["old house", "a tree", "house"]))] for _ in range(COUNT)]
        return [["the old house", "house"]] * COUNT, found
    values = [[round(value, 1)] for value in GENERATOR.random(COUNT)]
    if metric.key in ("spearman", "pearson"):
        return [[value] for value in GENERATOR.random(COUNT)], values
    if metric.key == "average_precision":
        return [[float(number % 3 == 0)] for number in range(COUNT)], values
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"] if metric.spans else ["NOUN", "VERB", "INTJ"]
    return _labels(names), _labels(names)


@pytest.mark.parametrize("metric", [metric for metric in METRICS.values() if not metric.of_pieces], ids=lambda m: m.key)
def test_a_weight_of_two_counts_an_example_twice(metric: Metric) -> None:
    gold, predicted = _examples(metric)
    languages = ["en"] * COUNT
    scorer = metric.weighted(gold, predicted, languages)
    assert scorer(np.ones((1, COUNT)))[0] == pytest.approx(metric.score(gold, predicted, languages)[metric.key])
    if metric.key == "spearman":
        return  # its ranks are those among all pairs
    weights = GENERATOR.integers(0, 3, size=(3, COUNT)).astype(float)
    for row, value in zip(weights, scorer(weights), strict=True):
        chosen = [place for place, times in enumerate(row) for _ in range(int(times))]
        repeated = [[values[place] for place in chosen] for values in (gold, predicted, languages)]
        assert value == pytest.approx(metric.score(*repeated)[metric.key])


def test_every_metric_is_tried() -> None:
    assert len(METRICS_BY_KEY) == len(METRICS) >= 12
