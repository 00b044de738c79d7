"""The base class of kinds of tasks, and a prepared task as it is read. Only methods that run a model load torch.

The defaults are those of tasks that learn labels: each labelled place of a window has one of the task's labels.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from smelt.errors import SmeltError
from smelt.tasks.examples import Example
from smelt.tasks.formats.base import FileFormat, FileOrSplit, Scheme, SourceFile
from smelt.tasks.metrics import Labels, Metric
from smelt.tasks.windows import IGNORED, Encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from smelt.tasks.tokenizer import TaskTokenizer

Value = TypeVar("Value")


@dataclass(frozen=True)
class Task:
    """The description of a prepared task, as far as fine-tuning needs it."""

    name: str
    kind: str
    metric: str
    scheme: str | None
    labels: list[str]
    """Labels that a model can give: those of the whole training set."""
    pairs: bool = False
    """Whether each label is that of two texts."""
    setting: str = "standard"
    """Which languages it is trained, chosen and tested on, by the name in its task file."""
    label_pieces: str = "first"
    """Pieces of a word that carry its label: the `first`, or `all`."""
    average: str = "examples"
    """The score of several languages: over all of their `examples`, or the mean of the `languages`."""
    scores: tuple[float, float] | None = None
    """The lowest and the highest score of a pair of texts, where pairs have scores."""


@dataclass(frozen=True)
class Examples:
    """One split of a prepared task, column by column."""

    ids: list[int]
    languages: list[str]
    inputs: dict[str, list[Any]]
    """The columns that a model reads, such as words, or text."""
    gold: list[list[Any]]
    """Labels, one a word; for a text a list of one; the score of a pair of texts, or what is relevant to a query."""
    passages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The passages of each language by their ids, for queries."""

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.ids)

    def among(self, languages: Sequence[str]) -> "Examples":
        """Return the examples of these languages, in their order."""
        rows = [row for row, language in enumerate(self.languages) if language in languages]

        def choose(values: list[Value]) -> list[Value]:
            return [values[row] for row in rows]

        inputs = {name: choose(values) for name, values in self.inputs.items()}
        return Examples(choose(self.ids), choose(self.languages), inputs, choose(self.gold), self.passages)


@dataclass(frozen=True)
class WindowPredictions:
    """Predictions for windows, in their order."""

    numbers: list[list[Any]]
    """The number of a label for each labelled place of a window; of question answering the (first, last) positions of
    candidates."""
    probabilities: list[list[float]]
    """The probability of each; of candidates their scores."""
    loss: float = 0.0
    """The mean loss of the labelled places that have a target."""
    embeddings: "NDArray[Any] | None" = None
    """The embedding of each text, shape (texts, width), where texts are embedded in place of windows."""


class BatchLayout(Protocol):
    """Where the tokens of a batch of windows are, and the labelled ones among them."""

    @property
    def mask(self) -> "Tensor":
        """1 for tokens, 0 for padding; shape (windows, length)."""

    @property
    def rows(self) -> "Tensor":
        """Window of each labelled token within the batch; shape (labelled,)."""

    @property
    def positions(self) -> "Tensor":
        """Its position within the window; shape (labelled,)."""


class TaskKind(ABC):
    """A kind of task."""

    name: ClassVar[str]
    """The kind's name in task files."""
    example: ClassVar[type[Any]]
    """Its examples."""
    formats: ClassVar[tuple[type[FileFormat], ...]]
    """Formats that it may be read from."""
    metrics: ClassVar[tuple[Metric, ...]]
    """Metrics that it may be scored by."""
    head: ClassVar[str]
    """Class of transformers that makes the model with its head."""
    pipeline: ClassVar[str]
    """Name of the pipeline of transformers that uses such a model."""
    student: ClassVar[str] = ""
    """Class of smelt.architectures.compact for its students, where they can learn it."""
    megabytes_an_example: ClassVar[float] = 0.0025
    """Main memory that an example takes as texts and windows; a pair of XNLI was seen to take 1.8 kB."""
    typical_tokens: ClassVar[int] = 128
    """Tokens of an example, roughly, for estimates of time: of a text."""
    labels_words: ClassVar[bool] = False
    """Whether the tokenizer is given words one by one, each with a label. Then predictions hold the pieces of each word
    (`words`, `gold`, `predicted`, `pieces`), from which the study of tokenisation and tables of words are made."""
    labels_examples: ClassVar[bool] = False
    """Whether each example has one label, which a limit on training examples may count."""

    embeds: ClassVar[bool] = False
    """Whether a model embeds texts, and has no classifier: then it may be evaluated as it is."""
    files_beside: ClassVar[tuple[str, ...]] = ()
    """Files of a prepared task beside its splits that a model reads."""
    needs_scores: ClassVar[tuple[str, ...]] = ()
    """Metrics that compare with scores, whose lowest and highest the task file has to name."""

    left_out: ClassVar[str] = "empty_texts"
    """The count in task.json of examples with nothing to predict, which are left out."""

    # Task files

    def reads(self, written: FileFormat) -> bool:
        """Return whether a format holds examples of this kind."""
        return self.example in written.example_types

    def check_format(self, written: FileFormat, of_task: FileFormat, split: str) -> None:  # noqa: B027 - most need none
        """Check the format of a split beside that of the task.

        Raises:
            ValueError: they do not go together.
        """

    def metrics_for(self, scheme: Scheme) -> list[str]:
        """Return the metrics that fit labels of a scheme."""
        return [metric.name for metric in self.metrics if metric.spans == (scheme != "none")]

    def idle(self, of_task: FileFormat) -> dict[str, str]:  # noqa: ARG002 - for kinds with pairs
        """Return the keys of a task file that would have no effect, each with the reason."""
        idle = {} if self.labels_words else {"label_pieces": "where words have no labels"}
        idle |= {"scores": "where nothing is compared with scores"}
        return idle | {"empty_sides": "where a label is of one text, not of a pair"}

    # Preparing

    def read(self, written: FileFormat, file: SourceFile) -> Iterator[Example]:
        """Yield the examples of a file."""
        return written.read(file)

    def classes(self, example: Example) -> list[str]:
        """Return the labels of an example that a model learns to distinguish."""
        return example.labels

    def convert(self, example: Example, written: FileFormat, path: FileOrSplit) -> int:  # noqa: ARG002 - for kinds with spans
        """Convert the labels of an example in place; return how many had to be repaired."""
        return 0

    def check_label(self, example: Example, scores: tuple[float, float] | None) -> None:  # noqa: B027 - most need none
        """Check the label of an example, between the lowest and the highest score where the task file names them.

        Raises:
            ValueError: it is not what the kind expects.
        """

    def check_split(self, examples: Sequence[Example]) -> None:  # noqa: B027 - most need none
        """Check the examples of a split as they are learnt or scored.

        Raises:
            ValueError: nothing could be scored on them.
        """

    def tables_beside(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, Any]:  # noqa: ARG002 - for queries
        """Return what a prepared task holds beside its splits: Arrow tables by the name of their file."""
        return {}

    def read_beside(self, examples: Examples, folder: Path, split: str) -> Examples:  # noqa: ARG002 - for queries
        """Return the examples of a split with what stands beside it in the folder of the prepared task."""
        return examples

    def groups(self, examples: Sequence[Example]) -> list[int]:
        """Return the group of each example, counted from 0: the examples of one group are all in one split."""
        return list(range(len(examples)))

    context_column: ClassVar[str] = ""
    """Column of a prepared split that holds the context of an example, where several may be about one: those in two
    splits are counted by contexts, too."""

    def context_in(self, value: Any) -> str:
        """Return the context from this column: tests over examples draw the examples of one together."""
        return str(value)

    def context(self, example: Example) -> str:
        """Return what no two splits should share, lest a model has seen it in training: all that it reads."""
        return example.surface

    def counts(self, example: Example) -> dict[str, int]:  # noqa: ARG002 - for kinds that have some
        """Return what task.json counts of an example, by name."""
        return {}

    def counts_of_split(self, examples: Sequence[Example]) -> dict[str, int]:  # noqa: ARG002 - for kinds that have some
        """Return what task.json counts of a whole split, by name."""
        return {}

    @abstractmethod
    def schema(self, pairs: bool) -> Any:
        """Return the Arrow schema of a prepared split: example, language, inputs and, last, what is to be predicted."""

    # Fine-tuning

    @abstractmethod
    def columns(self, task: Task) -> list[str]:
        """Return the columns of a prepared split."""

    @abstractmethod
    def examples(self, columns: dict[str, list[Any]]) -> Examples:
        """Return the examples of a prepared split from its columns."""

    def check_tokenizer(self, task: Task, pieces: "TaskTokenizer", folder: Path) -> None:  # noqa: B027 - most need none
        """Check that a tokenizer suits the task.

        Raises:
            SmeltError: it does not.
        """

    def words_in_running_text(
        self,
        pieces: "TaskTokenizer",  # noqa: ARG002 - for kinds that give words one by one
        parts: Iterable[Examples],  # noqa: ARG002
        folder: Path,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Compare a task's words with running text for metrics.json, where they are given one by one.

        Args:
            pieces: the model's tokenizer.
            parts: examples of its training set.
            folder: the model's.

        Raises:
            SmeltError: the tokenizer cuts the words differently than in running text.
        """
        return {}

    @abstractmethod
    def encode(self, examples: Examples, task: Task, pieces: "TaskTokenizer", length: int) -> Encoded:
        """Return examples as windows of at most `length` tokens, without targets; labels are not read."""

    def add_targets(self, encoded: Encoded, examples: Examples, task: Task) -> None:
        """Add the target of each labelled place: its label's number, IGNORED where training lacks the label."""

        numbers = {label: number for number, label in enumerate(task.labels)}
        for window in encoded.windows:
            gold = examples.gold[window.example]
            encoded.targets.append([numbers.get(gold[word], IGNORED) for word in window.words])

    def configuration(self, task: Task) -> dict[str, Any]:
        """Return what a model's configuration holds about the task."""
        numbers = {label: number for number, label in enumerate(task.labels)}
        return {"num_labels": len(task.labels), "id2label": dict(enumerate(task.labels)), "label2id": numbers}

    @abstractmethod
    def logits(self, output: Any, batch: BatchLayout) -> "Tensor":
        """Return the logits of the labelled places of a batch from a model's output, shape (labelled, labels)."""

    def loss(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the loss of a batch: mean cross-entropy over its labelled places."""
        from torch.nn import functional

        return functional.cross_entropy(logits.float(), targets, ignore_index=IGNORED)

    def decide(self, logits: "Tensor", batch: BatchLayout) -> tuple[list[list[Any]], list[list[float]]]:
        """Return, for each window of a batch, the best number of each of its labelled places, and its probability."""
        highest = logits.float().softmax(-1).max(-1)
        numbers: list[list[Any]] = [[] for _ in batch.mask]
        probabilities: list[list[float]] = [[] for _ in batch.mask]
        found = (batch.rows.tolist(), highest.indices.tolist(), highest.values.tolist())
        for row, number, probability in zip(*found, strict=True):
            numbers[row].append(number)
            probabilities[row].append(probability)
        return numbers, probabilities

    def answers(self, found: WindowPredictions, examples: Examples, encoded: Encoded, task: Task) -> list[list[str]]:
        """Return the predicted labels of each example, one a word, or a list of one for a text.

        Raises:
            SmeltError: a word was not predicted, which never happens with windows.
        """
        predicted: list[list[str | None]] = [[None] * len(labels) for labels in examples.gold]
        for window, numbers in zip(encoded.windows, found.numbers, strict=True):
            labels = predicted[window.example]
            for word, number in zip(window.words, numbers, strict=True):
                if labels[word] is None:  # the first piece decides where all pieces of a word are labelled
                    labels[word] = task.labels[number]
        return [[_present(label) for label in labels] for labels in predicted]

    def labels_of_pieces(
        self, found: WindowPredictions, examples: Examples, encoded: Encoded, task: Task
    ) -> tuple[Labels, Labels]:
        """Return the gold and the predicted label of each piece, for metrics of pieces.

        Raises:
            NotImplementedError: the kind has no such metrics.
        """
        raise NotImplementedError

    @abstractmethod
    def predictions(
        self, examples: Examples, predicted: list[list[str]], found: WindowPredictions, encoded: Encoded
    ) -> Any:
        """Return the Arrow table of predictions.parquet: a row an example."""

    def read_predictions(self, gold: Sequence[Any], predicted: Sequence[Any]) -> tuple[Labels, Labels]:
        """Return what metrics compare, from the columns of predictions.parquet."""
        first, second = (
            [each if isinstance(each, list) else [each] for each in column] for column in (gold, predicted)
        )
        return first, second

    # Compression

    @abstractmethod
    def not_for_students(self, pairs: bool) -> str | None:
        """Return why students cannot learn a task, if they cannot; `pairs` is whether its labels are of two texts."""

    text_column: ClassVar[str]
    """Column of a prepared split that holds what transfer text is made of."""

    def unlabelled(self, texts: Sequence[Any]) -> Examples:
        """Return texts as their column holds them, as examples without labels."""
        return Examples(list(range(len(texts))), [""] * len(texts), {self.text_column: list(texts)}, [])

    def running_texts(self, lines: Iterable[str], language: str) -> Iterable[str]:  # noqa: ARG002 - for those that cut
        """Return lines of a corpus in a language as texts like those of the task."""
        return lines

    def encode_running(self, texts: list[str], task: Task, pieces: "TaskTokenizer", length: int) -> Encoded:
        """Return texts of a corpus as windows."""
        return self.encode(self.unlabelled(texts), task, pieces, length)

    def max_labelled(self, length: int) -> int:  # noqa: ARG002 - for kinds that label words
        """Return the number of labelled places that a window of this length has at most."""
        return 1


def _present(label: str | None) -> str:
    if label is None:
        raise SmeltError("predictions", "a word has no prediction: its window went missing")
    return label
