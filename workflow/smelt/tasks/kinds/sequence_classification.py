"""Sequence classification: each text has a label, or each pair of texts.

The two texts of a pair are one window, joined and distinguished as the model's tokenizer does it. Where they are too
long together, the longer one loses pieces at its end until they fit (`longest_first` of the tokenizers library, and
what BERT's own code did with pairs).
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError, quote
from smelt.tasks.examples import Example, Sentence, Text
from smelt.tasks.formats.base import FileFormat, FileOrSplit, SourceFile
from smelt.tasks.formats.columns import Columns
from smelt.tasks.formats.conll import Conll
from smelt.tasks.formats.label_text import LabelText
from smelt.tasks.formats.slotgated import SlotGated
from smelt.tasks.formats.table import Delimited
from smelt.tasks.kinds.base import BatchLayout, Examples, Task, TaskKind, WindowPredictions
from smelt.tasks.metrics import Accuracy, MacroF1
from smelt.tasks.windows import Encoded, Window

if TYPE_CHECKING:
    from torch import Tensor

    from smelt.tasks.tokenizer import TaskTokenizer

AT_ONCE = 2_000  # pairs that are cut into pieces together: training sets of millions would not fit into memory


class SequenceClassification(TaskKind):
    """Texts, or pairs of texts, with a label each."""

    name = "sequence-classification"
    example = Text
    formats = (Conll, SlotGated, Delimited, LabelText, Columns)
    metrics = (Accuracy(), MacroF1())
    head = "AutoModelForSequenceClassification"
    pipeline = "text-classification"
    student = "CompactForSequenceClassification"
    labels_examples = True
    text_column = "text"

    def check_format(self, written: FileFormat, of_task: FileFormat, split: str) -> None:
        """Check that all splits are of pairs, or none.

        Raises:
            ValueError: they are not.
        """
        if written.pairs != of_task.pairs:
            raise ValueError(f"source.{split}.format.pair: expected in the formats of all splits, or of none")

    def idle(self, of_task: FileFormat) -> dict[str, str]:
        """Return the keys of a task file that would have no effect, each with the reason."""
        idle = super().idle(of_task)
        return {key: why for key, why in idle.items() if key != "empty_sides" or not of_task.pairs}

    def read(self, written: FileFormat, file: SourceFile) -> Iterator[Example]:
        """Yield the texts of a file; sentences become texts where each of their words has the same label."""
        return texts_of(written.read(file), file.path)

    def schema(self, pairs: bool) -> Any:
        """Return the Arrow schema of a prepared split."""
        import pyarrow as arrow

        names = ["language", "text", *(["pair"] if pairs else []), "label"]
        return arrow.schema([("example", arrow.int64()), *((name, arrow.string()) for name in names)])

    def columns(self, task: Task) -> list[str]:
        """Return the columns of a prepared split."""
        return ["example", "language", "text", "label", *(["pair"] if task.pairs else [])]

    def examples(self, columns: dict[str, list[Any]]) -> Examples:
        """Return the examples of a prepared split from its columns."""
        inputs: dict[str, list[Any]] = {name: columns[name] for name in ("text", "pair") if name in columns}
        return Examples(columns["example"], columns["language"], inputs, [[label] for label in columns["label"]])

    def check_tokenizer(self, task: Task, pieces: "TaskTokenizer", folder: Path) -> None:
        """Refuse a tokenizer that puts nothing between the two texts of a pair, which a model could not distinguish.

        Raises:
            SmeltError: it does so.
        """
        if task.pairs:
            pieces.check_pairs(folder)

    def encode(self, examples: Examples, task: Task, pieces: "TaskTokenizer", length: int) -> Encoded:
        """Return texts, or pairs, as windows of at most `length` tokens, labelled at their first token."""
        return (_encode_pairs if task.pairs else _encode_texts)(examples, pieces, length)

    def logits(self, output: Any, batch: BatchLayout) -> "Tensor":
        """Return the logits of the texts of a batch, shape (labelled, labels)."""
        logits: Tensor = output.logits[batch.rows]
        return logits

    def predictions(
        self,
        examples: Examples,
        predicted: list[list[str]],
        found: WindowPredictions,
        encoded: Encoded,  # noqa: ARG002 - a text is one window
    ) -> Any:
        """Return the Arrow table of predictions.parquet: texts, their labels, and the predicted one's probability."""
        import pyarrow as arrow

        columns = {"example": examples.ids, "language": examples.languages} | examples.inputs
        columns |= {
            "gold": [gold for (gold,) in examples.gold],
            "predicted": [label for (label,) in predicted],
            "probability": [probability for (probability,) in found.probabilities],
        }
        types = {"example": arrow.int64(), "probability": arrow.float64()}
        schema = arrow.schema([(name, types.get(name, arrow.string())) for name in columns])
        return arrow.table(columns, schema=schema)

    def not_for_students(self, pairs: bool) -> str | None:
        """Return why students cannot learn a task, if they cannot: they read one text at a time."""
        return "labels pairs of texts, and a compact student reads one text at a time" if pairs else None


def texts_of(examples: Iterable[Example], path: FileOrSplit) -> Iterator[Example]:
    """Yield texts; of a sentence the text with the label of every word, in which blanks separate the words.

    Raises:
        SmeltError: the words of a sentence differ in their label.
    """
    for example in examples:
        if not isinstance(example, Sentence):
            yield example
            continue
        label = example.labels[0]
        for other, line in zip(example.labels, example.lines, strict=True):
            if other != label:
                raise SmeltError(
                    f"{path}:{line}",
                    f"expected one label for the sentence, {quote(label)} as its first word has, found {quote(other)}:"
                    " a task of texts needs a column that repeats the sentence's label, or the name of a comment",
                )
        yield Text(" ".join(example.words), label, example.lines[0])


def _encode_texts(examples: Examples, pieces: "TaskTokenizer", length: int) -> Encoded:

    encoded = Encoded()
    texts: list[str] = examples.inputs["text"]
    capacity = length - pieces.special
    batch = pieces.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    for number, text in enumerate(texts):
        ids = pieces.as_text(batch["input_ids"][number])
        encoded.words += len(text.split())
        encoded.words_without_pieces += 0 if ids else len(text.split())
        if len(ids) > capacity:
            end = batch["offset_mapping"][number][capacity - 1][1]
            encoded.truncated_words += len(text[end:].split())
        kept = [*pieces.prefix, *(ids[:capacity] or [pieces.unknown]), *pieces.suffix]
        encoded.windows.append(Window(number, kept, [0], [0]))
    return encoded


def _encode_pairs(examples: Examples, pieces: "TaskTokenizer", length: int) -> Encoded:

    encoded = Encoded()
    places, words = [0], [0]
    for start in range(0, len(examples), AT_ONCE):
        texts, others = (examples.inputs[side][start : start + AT_ONCE] for side in ("text", "pair"))
        batch = pieces.tokenizer(
            texts,
            others,
            truncation="longest_first",
            max_length=length,
            return_offsets_mapping=True,
            return_token_type_ids=True,
            verbose=False,
        )
        for row, sides in enumerate(zip(texts, others, strict=True)):
            encoding = batch.encodings[row]
            _count_words(encoded, sides, encoding.sequence_ids, encoding.offsets, bool(encoding.overflowing))
            ids = array("i", pieces.as_text(encoding.ids, encoding.special_tokens_mask))
            window = Window(start + row, ids, places, words, bytes(encoding.type_ids))
            encoded.windows.append(window)
    return encoded


def _count_words(
    encoded: Encoded, sides: tuple[str, str], owners: Sequence[int | None], offsets: Sequence[Any], cut: bool
) -> None:
    """Count the words of a pair: all, those of a side without any piece, and those beyond its last piece."""
    for side, text in enumerate(sides):
        encoded.words += len(text.split())
        if side not in owners:
            encoded.words_without_pieces += len(text.split())
        elif cut:
            last = max(place for place, owner in enumerate(owners) if owner == side)
            encoded.truncated_words += len(text[offsets[last][1] :].split())
