"""Metrics of rankings: how high the passages that are relevant to a query stand. Each is a mean over queries.

nDCG sums grade / log2(rank + 1) over the first ten, and divides by the sum of the best order, as trec_eval's ndcg_cut
does, and mteb by it; with grades of 1 it is sentence-transformers' NDCG@10. KEPT passages are ranked for each query.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from math import log2
from statistics import fmean

from smelt.tasks.examples import Relevant
from smelt.tasks.metrics import Labels, Metric, MetricValues

KEPT = 100  # passages of a ranking


class RankingMetric(Metric):
    """A mean over queries."""

    beside_it: "tuple[RankingMetric, ...]" = ()
    """Further metrics that stand beside it among the scores; none that would be taken for the task's own."""

    @abstractmethod
    def of_query(self, relevant: Sequence[Relevant], ranked: Sequence[str]) -> float:
        """Return the value of one query.

        Args:
            relevant: the passages that are relevant, with their grades.
            ranked: ids of the passages found, the nearest first.
        """

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:  # noqa: ARG002 - languages are alike
        """Return the metric, and those beside it."""
        queries = list(zip(gold, predicted, strict=True))
        return {
            metric.key: fmean(metric.of_query(relevant, ranked) for relevant, ranked in queries)
            for metric in (self, *self.beside_it)
        }

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:  # noqa: ARG002 - queries have no classes
        """Return nothing: queries have no classes."""
        return {}

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> list[list[float]]:  # noqa: ARG002
        """Return the value of each query, and 1."""
        return [[self.of_query(*each), 1.0] for each in zip(gold, predicted, strict=True)]


class RecallAt100(RankingMetric):
    """The share of relevant passages among the first 100."""

    name = "recall-at-100"
    key = "recall_at_100"
    label = "recall@100"
    title = "recall@100"
    note = "Recall@100: the share of a query's relevant passages that are among the 100 nearest by cosine."
    first = 100

    def of_query(self, relevant: Sequence[Relevant], ranked: Sequence[str]) -> float:
        """Return the share of what is relevant that was found."""
        found = set(ranked[: self.first])
        return sum(each.passage in found for each in relevant) / len(relevant)


class RecallAt10(RecallAt100):
    """The share of relevant passages among the first ten."""

    name = "recall-at-10"
    key = "recall_at_10"
    label = "recall@10"
    title = "recall@10"
    note = "Recall@10: the share of a query's relevant passages that are among the 10 nearest by cosine."
    first = 10
    beside_it = (RecallAt100(),)


class MrrAt10(RankingMetric):
    """One divided by the rank of the first relevant passage, 0 beyond ten."""

    name = "mrr-at-10"
    key = "mrr_at_10"
    label = "MRR@10"
    title = "MRR@10"
    note = "MRR@10: one divided by the rank of the first relevant passage by cosine, 0 where that is beyond 10."
    beside_it = (RecallAt10(), RecallAt100())

    def of_query(self, relevant: Sequence[Relevant], ranked: Sequence[str]) -> float:
        """Return the reciprocal rank."""
        right = {each.passage for each in relevant}
        return next((1 / rank for rank, passage in enumerate(ranked[:10], 1) if passage in right), 0.0)


class NdcgAt10(RankingMetric):
    """Discounted gain of the first ten, as a share of the best."""

    name = "ndcg-at-10"
    key = "ndcg_at_10"
    label = "nDCG@10"
    title = "nDCG@10"
    note = (
        "nDCG@10 of passages ranked by cosine: the sum of grade / log2(rank + 1) over the first 10, as a share of that "
        "of the best order (trec_eval's ndcg_cut, which mteb uses). Of equal cosines the passage with the first id "
        "stands first; trec_eval has the last one first."
    )
    beside_it = (MrrAt10(), RecallAt10(), RecallAt100())

    def of_query(self, relevant: Sequence[Relevant], ranked: Sequence[str]) -> float:
        """Return the gain of a ranking, divided by that of the best one."""
        grades = {each.passage: each.grade for each in relevant}
        return _gain(grades.get(passage, 0) for passage in ranked[:10]) / _gain(sorted(grades.values())[:-11:-1])


def _gain(grades: Iterable[int]) -> float:
    return sum(grade / log2(rank + 1) for rank, grade in enumerate(grades, 1))
