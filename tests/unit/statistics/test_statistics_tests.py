"""The tests over seeds and tasks, against published figures and hand-computed ones."""

import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smelt.statistics.p_values import smallest_p
from smelt.statistics.scores import Summary, paired_differences, summarise
from smelt.statistics.tests import (
    TestResult,
    paired_t,
    rank_biserial,
    welch,
    welch_from_summaries,
    wilcoxon,
)

# Eliquare, Table 4: tasks 1 and 2 of French, Hebrew, Slovene, Dutch, Hindi and Swahili.
MBERT = [0.8923, 0.9795, 0.8512, 0.9681, 0.9326, 0.9791, 0.9033, 0.9623, 0.4744, 0.9666, 0.8689, 0.8490]
ELIQUARE = [0.8952, 0.9792, 0.8567, 0.9705, 0.9365, 0.9822, 0.8970, 0.9625, 0.5066, 0.9683, 0.8701, 0.8632]

# mALBERT, Table 1: mean and standard deviation over ten runs at 128k, 64k and 32k pieces.
MALBERT = {
    "MMNLU": [(65.81, 0.11), (65.29, 0.14), (64.83, 0.22)],
    "MultiATIS++": [(89.14, 0.15), (88.88, 0.14), (88.60, 0.27)],
    "CoNLL2003": [(88.27, 0.24), (86.44, 0.37), (84.96, 0.41)],
    "MultiCoNER": [(46.01, 0.18), (44.70, 0.27), (44.13, 0.39)],
    "SNIPS": [(91.60, 0.31), (90.84, 0.47), (89.89, 0.68)],
    "MEDIA": [(83.15, 0.38), (82.30, 0.19), (82.04, 0.28)],
}

Test = Callable[..., TestResult]

SCORES = st.lists(st.integers(0, 1000).map(lambda share: share / 1000), min_size=3, max_size=8)


def test_wilcoxon_over_eliquare_table_4_gives_the_papers_p() -> None:
    found = wilcoxon(MBERT, ELIQUARE, "less")
    assert found.statistic == 12
    assert found.p == pytest.approx(0.01709, abs=5e-6)
    assert (found.n, found.sided, found.note) == (12, "less", "exact")


@pytest.mark.parametrize("task", MALBERT)
@pytest.mark.parametrize("larger", [0, 1])
def test_welch_separates_every_neighbouring_pair_of_malbert_table_1(task: str, larger: int) -> None:
    a, b = (Summary(10, *MALBERT[task][place]) for place in (larger, larger + 1))
    found = welch_from_summaries(a, b)
    assert found.p is not None
    assert found.p < 0.05


def test_welch_agrees_with_scipy_on_the_scores_themselves() -> None:
    a, b = [0.81, 0.83, 0.80, 0.86], [0.79, 0.78, 0.80]
    expected = stats.ttest_ind(a, b, equal_var=False)
    found = welch(a, b)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.degrees_of_freedom == pytest.approx(expected.df)
    assert found.n == 7


def test_paired_tests_are_scipys_to_the_last_bit() -> None:
    generator = np.random.default_rng(5)
    for n, digits in ((3, 1), (3, 6), (6, 1), (14, 6), (25, 1)):
        for _ in range(8):  # with few digits there are ties and zeros; the same signs and ranks come again
            a, b = generator.normal(0.5, 0.2, (2, n)).round(digits)
            differences = paired_differences(a, b)
            t = stats.ttest_1samp(differences, 0.0)
            assert (paired_t(a, b).statistic, paired_t(a, b).p) == (t.statistic, t.pvalue)
            for side in ("two-sided", "less", "greater"):
                expected = stats.wilcoxon(differences[differences != 0], alternative=side, correction=True)
                found = wilcoxon(a, b, side)
                assert (found.statistic, found.p) == (expected.statistic, expected.pvalue)


def test_paired_t_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, deviation 1, so t = 2 / (1 / sqrt 3) with two degrees of freedom.
    found = paired_t([2, 4, 6], [1, 2, 3])
    assert found.statistic == pytest.approx(2 * 3**0.5)
    assert found.p == pytest.approx(2 * stats.t.sf(2 * 3**0.5, 2))
    assert (found.n, found.degrees_of_freedom) == (3, 2)


@pytest.mark.parametrize("test", [welch, paired_t])
def test_one_seed_cannot_be_tested_and_says_so(test: Test) -> None:
    found = test([0.8], [0.7])
    assert (found.p, found.statistic, found.note) == (None, None, "cannot be tested: one seed")


def test_one_seed_against_five_cannot_be_tested_by_welch() -> None:
    assert welch([0.8], [0.7, 0.71, 0.72, 0.73, 0.74]).note == "cannot be tested: one seed against 5"


def test_two_seeds_warn_of_little_power() -> None:
    assert "little power" in welch([0.8, 0.9], [0.7, 0.6]).note
    assert "little power" in paired_t([0.8, 0.9], [0.7, 0.6]).note


@pytest.mark.parametrize("test", [welch, paired_t, wilcoxon])
def test_identical_scores_are_no_difference(test: Test) -> None:
    found = test([0.8, 0.8, 0.8], [0.8, 0.8, 0.8])
    assert (found.p, found.note) == (1.0, "identical scores")


def test_scores_without_spread_cannot_be_tested_by_t() -> None:
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit: that is no spread.
    assert paired_t([0.3, 0.2], [0.2, 0.1]).note == "cannot be tested: the difference is the same in every pair"
    assert welch([0.3, 0.3], [0.2, 0.2]).note == "cannot be tested: neither model varies over its seeds"


def test_equal_scores_deviate_by_exactly_zero() -> None:
    assert summarise([0.1, 0.1, 0.1]).standard_deviation == 0.0


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_wilcoxon_over_few_seeds_says_that_significance_is_out_of_reach(n: int) -> None:
    found = wilcoxon(np.arange(1, n + 1), np.zeros(n), what="seed pairs")
    assert found.p == pytest.approx(2 / 2**n)
    assert f"with {n} seed pairs the smallest two-sided p is {2 / 2**n:.3g}: 0.05 is out of reach" in found.note


def test_wilcoxon_over_six_seeds_can_reach_significance() -> None:
    found = wilcoxon(np.arange(1, 7), np.zeros(6))
    assert found.p == pytest.approx(0.03125)
    assert found.note == "exact"


def test_wilcoxon_leaves_zeros_out_and_counts_them() -> None:
    found = wilcoxon([1, 2, 3, 4, 5, 6, 7, 9, 9], [0, 0, 0, 0, 0, 0, 0, 9, 9])
    assert found.n == 7
    assert "2 zero differences left out" in found.note


def test_wilcoxon_with_ties_counts_every_assignment_of_signs() -> None:
    differences = np.array([1.0, 1.0, 2.0, -2.0, 3.0, 4.0, 4.0])
    ranks = stats.rankdata(np.abs(differences))
    observed = ranks[differences > 0].sum()
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(ranks))]
    found = wilcoxon(differences, np.zeros(7), "greater")
    assert found.p == pytest.approx(np.mean(np.array(sums) >= observed))
    assert found.note == "exact, with ties"


def test_ties_on_paper_are_ties_in_floating_point() -> None:
    assert len(set(paired_differences([0.3, 0.2, 0.9], [0.2, 0.1, 0.8]).tolist())) == 1


def test_wilcoxon_of_many_tied_pairs_says_that_it_approximates() -> None:
    found = wilcoxon(np.resize([1.0, 2.0, -1.0], 20), np.zeros(20))
    assert found.note == "normal approximation, with ties"
    # Thirteen ones of mean rank 7, six of them negative, and seven twos of mean rank 17; half a rank of continuity.
    negative, mean = 6 * 7, 20 * 21 / 4
    variance = 20 * 21 * 41 / 24 - (13**3 - 13 + 7**3 - 7) / 48
    assert found.statistic == negative
    assert found.p == pytest.approx(2 * stats.norm.cdf((negative + 0.5 - mean) / variance**0.5))


def test_the_smallest_p_is_that_of_one_sign() -> None:
    assert (smallest_p(5), smallest_p(5, "less"), smallest_p(0)) == (0.0625, 0.03125, 1.0)


def test_rank_biserial_by_hand() -> None:
    # Ranks 1, 2, 3 with the middle one negative: (4 - 2) / 6.
    assert rank_biserial([1, 0, 3], [0, 2, 0]) == pytest.approx(1 / 3)
    assert rank_biserial([1, 2], [1, 2]) is None


def test_unequal_numbers_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="found 2 and 3 scores"):
        paired_differences([1, 2], [1, 2, 3])


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_seeds_does_not_matter(scores: list[float], generator: random.Random) -> None:
    other = [score * 0.9 + 0.01 * place for place, score in enumerate(scores)]
    pairs = list(zip(scores, other, strict=True))
    shuffled = generator.sample(pairs, len(pairs))
    for test in (welch, paired_t, wilcoxon):
        straight, mixed = test(*zip(*pairs, strict=True)), test(*zip(*shuffled, strict=True))
        assert (straight.p is None) == (mixed.p is None)
        if straight.p is not None:
            assert mixed.p == pytest.approx(straight.p, rel=1e-6)


@given(SCORES)
@settings(max_examples=40, deadline=None)
def test_exchanging_the_models_keeps_p(scores: list[float]) -> None:
    other = [0.5 + 0.01 * place for place in range(len(scores))]
    for test in (welch, paired_t, wilcoxon):
        straight, turned = test(scores, other), test(other, scores)
        assert turned.p == pytest.approx(straight.p) if straight.p is not None else turned.p is None
