"""Metrics of embeddings, held against sentence-transformers' evaluators and against small cases counted by hand."""

from math import log2

import numpy as np
import pytest
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sklearn.metrics import ndcg_score

from smelt.tasks.examples import Relevant
from smelt.tasks.rankings import MrrAt10, NdcgAt10, RecallAt10, RecallAt100
from smelt.tasks.similarities import AveragePrecision, Pearson, Spearman


def test_gain_counts_grades_by_their_rank_as_trec_eval_does():
    gold = [[Relevant("a", 3), Relevant("b", 1)]]
    ranked = [["x", "b", "a"]]
    best = 3 / log2(2) + 1 / log2(3)
    found = NdcgAt10().score(gold, ranked, ["en"])
    assert found["ndcg_at_10"] == pytest.approx((1 / log2(3) + 3 / log2(4)) / best)
    assert found["mrr_at_10"] == 0.5
    assert found["recall_at_10"] == 1.0
    assert list(found) == ["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100"]


def test_gain_with_grades_is_that_of_scikit_learn():
    chance = np.random.default_rng(1)
    for _ in range(20):
        grades = chance.integers(0, 4, 30)
        grades[0] = 2
        cosines = chance.permutation(30)
        names = [f"p{place}" for place in range(30)]
        relevant = [Relevant(name, int(grade)) for name, grade in zip(names, grades, strict=True) if grade]
        ranked = [names[place] for place in np.argsort(-cosines)]
        expected = ndcg_score([grades], [cosines], k=10)
        assert NdcgAt10().of_query(relevant, ranked) == pytest.approx(expected)


def test_the_best_order_of_more_than_ten_relevant_passages_has_a_gain_of_1():
    relevant = [Relevant(f"p{number:02}", 1 + number % 2) for number in range(14)]
    ranked = [each.passage for each in sorted(relevant, key=lambda each: -each.grade)]
    assert NdcgAt10().of_query(relevant, ranked) == pytest.approx(1.0)
    assert RecallAt10().of_query(relevant, ranked) == pytest.approx(10 / 14)
    assert RecallAt100().of_query(relevant, ranked) == 1.0


def test_a_passage_behind_the_tenth_counts_for_recall_at_100_alone():
    found = NdcgAt10().score([[Relevant("a", 1)]], [[*(f"x{number}" for number in range(10)), "a"]], ["en"])
    assert found == {"ndcg_at_10": 0, "mrr_at_10": 0, "recall_at_10": 0, "recall_at_100": 1}


def test_rankings_have_the_scores_of_sentence_transformers():
    chance = np.random.default_rng(2)
    passages = {f"p{number:03}": "" for number in range(150)}
    relevant = {f"q{number}": {str(each) for each in chance.choice(list(passages), 3)} for number in range(40)}
    ranked = {query: list(map(str, chance.permutation(list(passages)))) for query in relevant}
    peer = InformationRetrievalEvaluator(
        dict.fromkeys(relevant, ""), passages, relevant, precision_recall_at_k=[10, 100]
    )
    hits = [
        [{"corpus_id": name, "score": -place} for place, name in enumerate(ranked[query])] for query in peer.queries_ids
    ]
    expected = peer.compute_metrics(hits)
    gold = [[Relevant(name, 1) for name in relevant[query]] for query in peer.queries_ids]
    found = NdcgAt10().score(gold, [ranked[query] for query in peer.queries_ids], [""] * 40)
    assert found["ndcg_at_10"] == pytest.approx(expected["ndcg@k"][10])
    assert found["mrr_at_10"] == pytest.approx(expected["mrr@k"][10])
    assert found["recall_at_10"] == pytest.approx(expected["recall@k"][10])
    assert found["recall_at_100"] == pytest.approx(expected["recall@k"][100])


def test_the_own_metric_of_a_task_is_the_first_that_it_has():
    gold, ranked = [[Relevant("a", 1)]], [["a"]]
    for metric in (NdcgAt10(), MrrAt10(), RecallAt10(), RecallAt100()):
        assert next(iter(metric.score(gold, ranked, [""]))) == metric.key


def test_correlations_count_ties_by_the_mean_of_their_ranks():
    gold = [[0.0], [1.0], [1.0], [3.0]]
    cosines = [[0.1], [0.2], [0.4], [0.3]]
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 4, 3: covariance 3 over the root of 4.5 times 5.
    found = Spearman().score(gold, cosines, [""] * 4)
    assert found["spearman"] == pytest.approx(3 / (4.5 * 5) ** 0.5)
    assert found["pearson"] == pytest.approx(np.corrcoef([0, 1, 1, 3], [0.1, 0.2, 0.4, 0.3])[0, 1])
    assert list(Pearson().score(gold, cosines, [""] * 4)) == ["pearson"]


def test_a_model_that_finds_all_pairs_alike_has_no_correlation():
    found = Spearman().score([[0.0], [1.0], [2.0]], [[0.5]] * 3, [""] * 3)
    assert found == {"spearman": 0.0, "pearson": 0.0}


def test_average_precision_is_the_mean_precision_at_pairs_that_are_alike():
    gold, cosines = [[1.0], [0.0], [1.0], [0.0]], [[0.9], [0.8], [0.7], [0.1]]
    assert AveragePrecision().score(gold, cosines, [""] * 4) == {"average_precision": pytest.approx((1 + 2 / 3) / 2)}
    tied = AveragePrecision().score(gold, [[0.5]] * 4, [""] * 4)
    assert tied == {"average_precision": 0.5}
