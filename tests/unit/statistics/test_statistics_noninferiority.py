"""Non-inferiority: at the margin itself a claim is wrong as often as the level says, and bounds agree with verdicts."""

import math

import numpy as np
import pytest
from scipy import stats

from smelt.report.no_worse import add_no_worse, over_seeds
from smelt.report.significance import Significance
from smelt.statistics.noninferiority import no_worse_by_bootstrap, no_worse_by_ranks, no_worse_by_t
from smelt.statistics.tests import paired_t, welch

MARGIN = 0.01
RUNS = 1000


def within(count: int, runs: int, level: float) -> bool:
    """Return whether a number of false claims is one that this level gives, up to four standard errors."""
    return abs(count / runs - level) < 4 * math.sqrt(level * (1 - level) / runs)


@pytest.mark.parametrize("shared", [0.0, 0.01], ids=["independent", "paired"])
def test_at_the_margin_t_tests_claim_at_their_level(shared: float) -> None:
    generator = np.random.default_rng(20)
    wrong = right = 0
    for _ in range(RUNS):
        by_seed = generator.normal(0, shared, 5)
        best = 0.80 + by_seed + generator.normal(0, 0.01, 5)
        worse = 0.80 - MARGIN + by_seed + generator.normal(0, 0.01, 5)
        test = paired_t if shared else welch
        found, equal = (no_worse_by_t(test(scores, best), MARGIN) for scores in (worse, worse + 2 * MARGIN))
        assert found is not None
        assert equal is not None
        wrong += found.p < 0.05
        right += equal.p < 0.05
    assert within(wrong, RUNS, 0.05)
    assert right > 0.7 * RUNS, "a model that is better by the margin is shown to be no worse"


def test_at_the_margin_the_bootstrap_claims_at_its_level() -> None:
    generator = np.random.default_rng(20)
    wrong, runs, examples = 0, 400, 300
    for _ in range(runs):
        # Right by the best alone on 12% of the examples, by the other alone on 7%: 5 points apart.
        differences = generator.choice([-1.0, 1.0, 0.0], size=examples, p=[0.12, 0.07, 0.81])
        counts = generator.multinomial(examples, np.full(examples, 1 / examples), size=199)
        wrong += no_worse_by_bootstrap(counts @ differences / examples, 0.05).p < 0.05
    assert within(wrong, runs, 0.05)


@pytest.mark.parametrize("examples", [100, 128, 300])
def test_resamples_at_the_margin_itself_are_counted_as_by_whole_numbers(examples: int) -> None:
    generator = np.random.default_rng(20)
    first, second = generator.binomial(examples, [[0.9], [0.92]], size=(2, 4999))
    for points in (1, 2, 3):
        margin = points / examples
        found = no_worse_by_bootstrap(first / examples - second / examples, margin)
        assert found.p == (1 + np.sum(first - second <= -points)) / 5000
        bounds = [found.bound(found.p + more) for more in (0, 1 / 5000)]
        assert bounds[0] is not None
        assert bounds[1] is not None
        assert bounds[0] <= -margin < bounds[1], "a p that is the level itself shows nothing"


def test_signed_ranks_leave_out_differences_at_the_margin_itself() -> None:
    for points in (1, 3, 7):
        worse = np.arange(100 - points)
        at = no_worse_by_ranks(worse / 100, (worse + points) / 100, points / 100)
        assert at is not None
        assert at.p == 1.0
        # Beside them, eight pairs that are one to eight points better than the margin; p is that of these alone.
        better = np.concatenate([worse, np.full(8, 50)])
        beyond = np.concatenate([worse + points, 50 + points - np.arange(1, 9)])
        found = no_worse_by_ranks(better / 100, beyond / 100, points / 100)
        assert found is not None
        assert found.p == pytest.approx(0.5**8)


def test_signed_ranks_never_claim_more_often_than_their_level() -> None:
    generator = np.random.default_rng(20)
    claims = 0
    for _ in range(RUNS):
        best, worse = generator.normal(0.8, 0.01, 6), generator.normal(0.8 - MARGIN, 0.01, 6)
        found = no_worse_by_ranks(worse, best, MARGIN)
        claims += found is not None and found.p < 0.05
    assert 0.02 * RUNS < claims < 0.07 * RUNS  # the p of 6 pairs are multiples of 1 / 64


def test_of_several_models_at_the_margin_rarely_any_is_wrongly_shown() -> None:
    settings = Significance(margin=100 * MARGIN)
    generator = np.random.default_rng(20)
    wrong, runs = 0, 300
    for _ in range(runs):
        means = {"best": 0.8, "a": 0.8 - MARGIN, "b": 0.8 - MARGIN, "c": 0.8 - MARGIN}
        scores = {name: dict(enumerate(generator.normal(mean, 0.004, 5))) for name, mean in means.items()}
        pairs = [("best", "a"), ("best", "b"), ("best", "c"), ("a", "b"), ("a", "c"), ("b", "c")]
        family = [{"pair": pair} for pair in pairs]
        add_no_worse(family, [over_seeds(scores[a], scores[b], settings) for a, b in pairs], settings)
        wrong += any(row["no_worse_b_shown"] for row in family[:3])
    assert wrong / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert wrong, "a simulation without any wrong claim shows nothing"


def test_the_p_is_that_of_scipy_s_shifted_test_and_the_bound_its_interval_s_end() -> None:
    a, b = [0.80, 0.82, 0.81, 0.79, 0.83], [0.81, 0.82, 0.83, 0.80, 0.82]
    found = no_worse_by_t(welch(a, b), 0.02)
    assert found is not None
    shifted = stats.ttest_ind(np.add(a, 0.02), b, equal_var=False, alternative="greater")
    assert found.p == pytest.approx(shifted.pvalue)
    unshifted = stats.ttest_ind(a, b, equal_var=False, alternative="greater")
    assert found.bound(0.05) == pytest.approx(unshifted.confidence_interval(0.95).low)
    paired = no_worse_by_t(paired_t(a, b), 0.02)
    assert paired is not None
    assert paired.p == pytest.approx(stats.ttest_rel(np.add(a, 0.02), b, alternative="greater").pvalue)


def test_a_bound_lies_above_minus_the_margin_exactly_where_p_is_below_the_level() -> None:
    generator = np.random.default_rng(20)
    resampled = generator.normal(-0.004, 0.005, 999)
    outcomes = set()
    for margin in np.linspace(0.001, 0.03, 60):
        by_t = no_worse_by_t(welch([0.80, 0.82, 0.81], [0.81, 0.82, 0.83]), float(margin))
        for found in (by_t, no_worse_by_bootstrap(resampled, float(margin))):
            assert found is not None
            for level in (0.05, 0.05 / 6, 0.05 / 7):
                bound = found.bound(level)
                assert bound is not None
                assert (bound > -margin) == (found.p < level)
                outcomes.add(found.p < level)
    assert outcomes == {True, False}


def test_seeds_that_tie_show_nothing_because_models_at_the_margin_tie_too_often() -> None:
    generator = np.random.default_rng(20)
    # Of 100 examples the better model alone is right on two, the other on one: a point apart, which is the margin.
    alone = generator.multinomial(100, [0.02, 0.01, 0.97], size=(4000, 2))
    better, worse = (0.9 + alone[..., model] / 100 for model in (0, 1))
    tied = (alone[..., 0] == alone[..., 1]).all(axis=1)
    assert tied.mean() > 0.05 / 2, "more often than the level that Holm's correction leaves to either direction"
    assert all(no_worse_by_t(paired_t(*pair), MARGIN) is None for pair in zip(worse[tied], better[tied], strict=True))


def test_what_cannot_be_tested_has_no_outcome() -> None:
    assert no_worse_by_t(welch([0.8], [0.8, 0.81]), MARGIN) is None
    assert no_worse_by_t(welch([0.8, 0.8], [0.9, 0.9]), MARGIN) is None
    assert no_worse_by_ranks([0.8], [0.8], MARGIN) is None
    assert no_worse_by_bootstrap(np.zeros(9), MARGIN).bound(0.05) is None  # ten resamples reach no such level
