"""What tasks of embeddings have in common: a model embeds texts, and nothing is predicted but how near they are.

The model may be used as it is, because it has no classifier: sentence-transformers reads its modules and prompts, or
pools the states of a plain encoder. Near means the cosine of two embeddings, whatever similarity a folder names.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from smelt.tasks.examples import Example
from smelt.tasks.formats.base import FileFormat
from smelt.tasks.kinds.base import BatchLayout, Examples, Task, TaskKind, WindowPredictions
from smelt.tasks.windows import Encoded, NearTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from smelt.tasks.tokenizer import TaskTokenizer


class EmbeddingKind(TaskKind):
    """Texts that are embedded."""

    head = "AutoModel"
    pipeline = "sentence-similarity"
    text_column = "text"
    embeds = True
    roles: ClassVar[tuple[str, ...]]
    """Roles of texts: a model may put another prompt before each."""

    def idle(self, of_task: FileFormat) -> dict[str, str]:
        """Return the keys of a task file that would have no effect, each with the reason."""
        return super().idle(of_task) | {"unseen_labels": "where no labels are learnt"}

    def classes(self, example: Example) -> list[str]:  # noqa: ARG002 - scores are no classes
        """Return nothing: a model learns what is near, not to distinguish labels."""
        return []

    def encode(self, examples: Examples, task: Task, pieces: "TaskTokenizer | None", length: int) -> Encoded:  # noqa: ARG002
        """Return the texts to embed; sentence-transformers cuts them into pieces."""
        encoded = Encoded()
        self.add_texts(encoded, examples, task)
        encoded.words = sum(len(text.split()) for text in encoded.embedded.texts)
        return encoded

    @abstractmethod
    def add_texts(self, encoded: Encoded, examples: Examples, task: Task) -> None:
        """Add the texts of examples, and what a model learns from them."""

    def add_targets(self, encoded: Encoded, examples: Examples, task: Task) -> None:
        """Add nothing: what a model learns from stands with the texts."""

    def configuration(self, task: Task) -> dict[str, Any]:  # noqa: ARG002 - the same for all
        """Return nothing: a model's configuration stays."""
        return {}

    def logits(self, output: Any, batch: BatchLayout) -> "Tensor":
        """Return nothing.

        Raises:
            NotImplementedError: always; an embedding model has no classifier.
        """
        raise NotImplementedError

    @abstractmethod
    def embedding_loss(
        self, first: "Tensor", second: "Tensor", learnt: "Sequence[NearTexts]", similarity_loss: str
    ) -> "Tensor":
        """Return the loss of a batch.

        Args:
            first: embeddings of the first text of each of the batch's pairs, shape (pairs, width).
            second: of the second texts.
            learnt: the pairs.
            similarity_loss: the study's choice for pairs with scores.
        """

    @abstractmethod
    def answers(self, found: WindowPredictions, examples: Examples, encoded: Encoded, task: Task) -> list[list[Any]]:
        """Return the cosine of each pair, or the passages that are nearest to each query."""

    def not_for_students(self, pairs: bool) -> str | None:  # noqa: ARG002 - never for students
        """Return why students cannot learn a task: they learn labels."""
        return "is about embeddings, and a compact student learns labels"
