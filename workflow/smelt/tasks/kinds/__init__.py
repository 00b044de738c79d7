"""Kinds of tasks, one file each: all that smelt does otherwise for a kind than for the others.

A new kind is a file here and a place in KINDS.
"""

from typing import Protocol

from smelt.tasks.kinds.base import TaskKind
from smelt.tasks.kinds.question_answering import QuestionAnswering
from smelt.tasks.kinds.retrieval import Retrieval
from smelt.tasks.kinds.sequence_classification import SequenceClassification
from smelt.tasks.kinds.similarity import Similarity
from smelt.tasks.kinds.token_classification import TokenClassification
from smelt.tasks.metrics import Metric

KINDS: dict[str, TaskKind] = {
    kind.name: kind
    for kind in (TokenClassification(), SequenceClassification(), QuestionAnswering(), Similarity(), Retrieval())
}
"""The kinds by their names in task files."""

METRICS: dict[str, Metric] = {metric.name: metric for kind in KINDS.values() for metric in kind.metrics}
"""The metrics by their names in task files."""

METRICS_BY_KEY: dict[str, Metric] = {metric.key: metric for metric in METRICS.values()}
"""The metrics by their names among scores."""


class _OfKind(Protocol):
    """A task file or a prepared task."""

    @property
    def kind(self) -> str: ...


class _Scored(Protocol):
    """A task file or a prepared task."""

    @property
    def metric(self) -> str: ...


def kind_of(task: _OfKind) -> TaskKind:
    """Return the kind of a task."""
    return KINDS[task.kind]


def metric_of(task: _Scored) -> Metric:
    """Return the metric of a task."""
    return METRICS[task.metric]
