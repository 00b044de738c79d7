"""Similarity: how near the embeddings of two texts are, compared with a score, or with a label 0 or 1.

A model learns by the loss CoSENT, which wants the pairs of a batch in the order of their scores, or by the square of
the difference between cosine and score, scaled from 0 to 1 (losses of sentence-transformers).
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from smelt.errors import quote
from smelt.tasks.examples import Example, Text
from smelt.tasks.formats.base import FileFormat, SourceFile
from smelt.tasks.formats.columns import Columns
from smelt.tasks.formats.table import Delimited
from smelt.tasks.kinds.base import Examples, Task, WindowPredictions
from smelt.tasks.kinds.embedding import EmbeddingKind
from smelt.tasks.similarities import AveragePrecision, Pearson, Spearman
from smelt.tasks.windows import Encoded, NearTexts

if TYPE_CHECKING:
    from torch import Tensor

LABELS = ("0", "1")
SIDE = "similarity"


class Similarity(EmbeddingKind):
    """Pairs of texts, each with a score, or a label that says whether they are alike."""

    name = "similarity"
    example = Text
    formats = (Delimited, Columns)
    metrics = (Spearman(), Pearson(), AveragePrecision())
    needs_scores = (Spearman.name, Pearson.name)
    roles = (SIDE,)

    def check_format(self, written: FileFormat, of_task: FileFormat, split: str) -> None:  # noqa: ARG002
        """Check that a split is of pairs.

        Raises:
            ValueError: it is not.
        """
        if not written.pairs:
            raise ValueError(f"format of {split}: expected `pair`, the column of the second text")

    def idle(self, of_task: FileFormat) -> dict[str, str]:
        """Return the keys of a task file that would have no effect, each with the reason."""
        return {key: why for key, why in super().idle(of_task).items() if key not in ("empty_sides", "scores")}

    def read(self, written: FileFormat, file: SourceFile) -> Iterator[Example]:
        """Yield the pairs of a file."""
        return written.read(file)

    def check_label(self, example: Example, scores: tuple[float, float] | None) -> None:
        """Check that a label is 0 or 1 or, between a lowest and a highest score, a number.

        Raises:
            ValueError: it is not.
        """
        (label,) = example.labels
        if scores is None:
            if label not in LABELS:
                raise ValueError(
                    f"expected the label 0 or 1, found {quote(label)}: `rename` in the task file gives labels other"
                    " names, and `scores` says from where to where scores go"
                )
            return
        low, high = scores
        number = _number(label)
        if not low <= number <= high:
            raise ValueError(f"expected a score from {low:g} to {high:g}, as `scores` has it; found {quote(label)}")

    def check_split(self, examples: Sequence[Example]) -> None:
        """Check that there are pairs with different scores, which alone have an order.

        Raises:
            ValueError: all scores are one.
        """
        counts = Counter(_number(example.labels[0]) for example in examples)
        if len(counts) == 1:
            found = examples[0].labels[0]
            raise ValueError(f"the label of every pair is {found}, expected two or more: nothing can be ranked by it")

    def schema(self, pairs: bool) -> Any:  # noqa: ARG002 - always pairs
        """Return the Arrow schema of a prepared split."""
        import pyarrow as arrow

        names = ("language", "text", "pair", "label")
        return arrow.schema([("example", arrow.int64()), *((name, arrow.string()) for name in names)])

    def columns(self, task: Task) -> list[str]:  # noqa: ARG002 - all tasks have the same
        """Return the columns of a prepared split."""
        return ["example", "language", "text", "pair", "label"]

    def examples(self, columns: dict[str, list[Any]]) -> Examples:
        """Return the examples of a prepared split from its columns."""
        inputs = {name: columns[name] for name in ("text", "pair")}
        return Examples(columns["example"], columns["language"], inputs, [[float(each)] for each in columns["label"]])

    def add_texts(self, encoded: Encoded, examples: Examples, task: Task) -> None:
        """Add both texts of each pair, and its score from 0 to 1."""
        texts = encoded.embedded
        low, high = task.scores or (0.0, 1.0)
        for first, second, (score,) in zip(
            examples.inputs["text"], examples.inputs["pair"], examples.gold, strict=True
        ):
            places = texts.add(SIDE, first), texts.add(SIDE, second)
            texts.examples.append(places)
            texts.learnt.append(NearTexts(*places, (score - low) / (high - low)))

    def embedding_loss(
        self, first: "Tensor", second: "Tensor", learnt: Sequence[NearTexts], similarity_loss: str
    ) -> "Tensor":
        """Return the loss of a batch: CoSENT, or the mean square of cosine minus score."""
        from sentence_transformers.sentence_transformer.losses import CoSENTLoss, CosineSimilarityLoss

        loss = {"cosent": CoSENTLoss, "cosine": CosineSimilarityLoss}[similarity_loss](None)
        scores = first.new_tensor([each.score for each in learnt])
        found: Tensor = loss.compute_loss_from_embeddings([first, second], scores)
        return found

    def answers(self, found: WindowPredictions, examples: Examples, encoded: Encoded, task: Task) -> list[list[Any]]:  # noqa: ARG002
        """Return the cosine of each pair."""
        import numpy as np

        assert found.embeddings is not None
        sides = np.asarray(encoded.embedded.examples).reshape(-1, 2).T
        first, second = (found.embeddings[side] for side in sides)
        return [[cosine] for cosine in np.einsum("ij,ij->i", first, second).tolist()]

    def predictions(
        self,
        examples: Examples,
        predicted: list[list[Any]],
        found: WindowPredictions,  # noqa: ARG002 - embeddings are not kept
        encoded: Encoded,  # noqa: ARG002
    ) -> Any:
        """Return the Arrow table of predictions.parquet: pairs, their scores, and their cosines."""
        import pyarrow as arrow

        columns = {"example": examples.ids, "language": examples.languages} | examples.inputs
        columns |= {"gold": [gold for (gold,) in examples.gold], "predicted": [cosine for (cosine,) in predicted]}
        types = {"example": arrow.int64(), "gold": arrow.float64(), "predicted": arrow.float64()}
        schema = arrow.schema([(name, types.get(name, arrow.string())) for name in columns])
        return arrow.table(columns, schema=schema)


def _number(label: str) -> float:
    """Return a score; NaN, which lies between no two numbers, where it is none."""
    try:
        return float(label)
    except ValueError:
        return math.nan
