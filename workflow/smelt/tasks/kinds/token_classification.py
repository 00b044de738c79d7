"""Token classification: each word has a label, of its own or of the span that it is in.

The first piece of a word carries its label (Devlin et al. 2019, section 5.3). A sentence longer than the model reads at
once is cut into windows that overlap by half; each word is learnt and predicted once, in the window where the nearer
cut is farthest away. A word without any piece (control characters, say) stands as the unknown piece. Words are cut as
they are in running text (see smelt.tasks.running_text).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.sentences import sentences_of
from smelt.tasks.examples import Example, Sentence
from smelt.tasks.formats.base import FileFormat, FileOrSplit
from smelt.tasks.formats.bracketed import Bracketed
from smelt.tasks.formats.columns import Columns
from smelt.tasks.formats.conll import Conll
from smelt.tasks.formats.conllu import Conllu
from smelt.tasks.formats.offsets import Offsets
from smelt.tasks.formats.slotgated import SlotGated
from smelt.tasks.formats.table import Delimited
from smelt.tasks.kinds.base import BatchLayout, Examples, Task, TaskKind, WindowPredictions
from smelt.tasks.metrics import Accuracy, Labels, MacroF1, SeqevalF1, SeqevalPieceF1, SeqevalTagF1, SeqevalTagPieceF1
from smelt.tasks.schemes import ImpossibleTagError, convert_to_iob2
from smelt.tasks.windows import Encoded, Window, windows_of_words

if TYPE_CHECKING:
    from torch import Tensor

    from smelt.tasks.tokenizer import TaskTokenizer


class TokenClassification(TaskKind):
    """Words with a label each."""

    name = "token-classification"
    example = Sentence
    formats = (Conll, Conllu, SlotGated, Delimited, Columns, Bracketed, Offsets)
    metrics = (
        SeqevalF1(),
        Accuracy(),
        MacroF1(),
        SeqevalPieceF1(),
        SeqevalTagF1(),
        SeqevalTagPieceF1(),
    )
    head = "AutoModelForTokenClassification"
    pipeline = "token-classification"
    student = "CompactForTokenClassification"
    typical_tokens = 22
    labels_words = True
    text_column = "words"

    def convert(self, example: Example, written: FileFormat, path: FileOrSplit) -> int:
        """Convert labels of spans into IOB2; return how many had to be repaired.

        Raises:
            SmeltError: a label is not one of its scheme; the line is named.
        """
        if written.span_scheme == "none":
            return 0
        try:
            example.labels, repaired = convert_to_iob2(example.labels, written.span_scheme)
        except ImpossibleTagError as error:
            raise SmeltError(f"{path}:{example.lines[error.position]}", str(error)) from None
        return repaired

    def counts(self, example: Example) -> dict[str, int]:
        """Return the spans that do not begin and end with words; nothing where there are none, as in most formats."""
        misplaced: int = example.misplaced  # type: ignore[attr-defined]
        return {"misplaced_spans": misplaced} if misplaced else {}

    def schema(self, pairs: bool) -> Any:  # noqa: ARG002 - sentences are no pairs
        """Return the Arrow schema of a prepared split."""
        import pyarrow as arrow

        numbers = [("example", arrow.int64()), ("language", arrow.string())]
        return arrow.schema([*numbers, *((name, arrow.list_(arrow.string())) for name in ("words", "labels"))])

    def columns(self, task: Task) -> list[str]:  # noqa: ARG002 - sentences are no pairs
        """Return the columns of a prepared split."""
        return ["example", "language", "words", "labels"]

    def examples(self, columns: dict[str, list[Any]]) -> Examples:
        """Return the examples of a prepared split from its columns."""
        return Examples(columns["example"], columns["language"], {"words": columns["words"]}, columns["labels"])

    def words_in_running_text(self, pieces: "TaskTokenizer", parts: Iterable[Examples], folder: Path) -> dict[str, Any]:
        """Compare a task's words with running text for metrics.json, and print the result.

        Raises:
            SmeltError: the tokenizer cuts the words differently than in running text.
        """
        from smelt.tasks.running_text import WordComparison

        found = sum((pieces.check_words(part.inputs["words"], folder) for part in parts), WordComparison(0, 0))
        blank = pieces.with_blanks is not None
        print(f"words: {found.sentence()}" + ("; each is cut with a blank before it" if blank else ""))
        return {"words_in_running_text": found.record(blank)}

    def encode(self, examples: Examples, task: Task, pieces: "TaskTokenizer", length: int) -> Encoded:
        """Return sentences as windows of at most `length` tokens, whose labelled places are the first pieces of words.

        They are all pieces where the task file says so.
        """

        encoded, all_pieces = Encoded(), task.label_pieces == "all"
        sentences: list[list[str]] = examples.inputs["words"]
        capacity = length - pieces.special
        batch = pieces.for_words(sentences, is_split_into_words=True, add_special_tokens=False, verbose=False)
        for number, words in enumerate(sentences):
            ids = _word_ids(batch, number, len(words), pieces)
            encoded.words += len(words)
            encoded.words_without_pieces += sum(not word for word in ids)
            encoded.truncated_words += sum(len(word) > capacity for word in ids)
            ids = [word or [pieces.unknown] for word in ids]
            encoded.pieces.append([pieces.texts(word) for word in ids])
            encoded.windows += windows_of_words(number, [word[:capacity] for word in ids], pieces, capacity, all_pieces)
        return encoded

    def labels_of_pieces(
        self, found: WindowPredictions, examples: Examples, encoded: Encoded, task: Task
    ) -> tuple[Labels, Labels]:
        """Return the gold and the predicted label of each piece of each sentence."""
        gold: list[list[str]] = [[] for _ in examples.ids]
        predicted: list[list[str]] = [[] for _ in examples.ids]
        for window, numbers in zip(encoded.windows, found.numbers, strict=True):
            gold[window.example] += [examples.gold[window.example][word] for word in window.words]
            predicted[window.example] += [task.labels[number] for number in numbers]
        return gold, predicted

    def logits(self, output: Any, batch: BatchLayout) -> "Tensor":
        """Return the logits of the labelled words of a batch, shape (labelled, labels)."""
        logits: Tensor = output.logits[batch.rows, batch.positions]
        return logits

    def predictions(
        self,
        examples: Examples,
        predicted: list[list[str]],
        found: WindowPredictions,  # noqa: ARG002 - words have no probability there
        encoded: Encoded,
    ) -> Any:
        """Return the Arrow table of predictions.parquet: words, their labels and pieces."""
        import pyarrow as arrow

        texts = arrow.list_(arrow.string())
        columns = {"example": examples.ids, "language": examples.languages, "words": examples.inputs["words"]}
        columns |= {"gold": examples.gold, "predicted": predicted, "pieces": encoded.pieces}
        types = [arrow.int64(), arrow.string(), texts, texts, texts, arrow.list_(texts)]
        return arrow.table(columns, schema=arrow.schema(list(zip(columns, types, strict=True))))

    def not_for_students(self, pairs: bool) -> str | None:  # noqa: ARG002 - sentences are no pairs
        """Return nothing: students learn to label words."""
        return None

    def running_texts(self, lines: Iterable[str], language: str) -> Iterable[str]:
        """Return the sentences of lines."""
        return (sentence.rstrip() for line in lines for sentence in sentences_of(line, language))

    def encode_running(self, texts: list[str], task: Task, pieces: "TaskTokenizer", length: int) -> Encoded:  # noqa: ARG002
        """Return running text as windows whose labelled places are the first pieces of words, by the tokenizer's words.

        What the text spells like a special piece becomes the unknown piece.
        """

        encoded = Encoded()
        capacity = length - pieces.special
        # Where the tokenizer does not find the words of a text, they are what stands between blanks.
        finds_words = pieces.splits_at_blanks
        given = texts if finds_words else [text.split() for text in texts]
        batch = pieces.for_words(given, is_split_into_words=not finds_words, add_special_tokens=False, verbose=False)
        for number, ids in enumerate(batch["input_ids"]):
            ids = pieces.as_text(ids)
            owners = batch.word_ids(number)
            firsts = [place for place, word in enumerate(owners) if place == 0 or word != owners[place - 1]]
            encoded.words += len(firsts)
            if len(ids) <= capacity and firsts:
                places = [len(pieces.prefix) + place for place in firsts]
                window = Window(number, [*pieces.prefix, *ids, *pieces.suffix], places, list(range(len(firsts))))
                encoded.windows.append(window)
            elif firsts:
                words = [ids[start:end] for start, end in zip(firsts, [*firsts[1:], len(ids)], strict=True)]
                encoded.truncated_words += sum(len(word) > capacity for word in words)
                encoded.windows += windows_of_words(number, [word[:capacity] for word in words], pieces, capacity)
        return encoded

    def max_labelled(self, length: int) -> int:
        """Return the number of words that a window of this length has at most."""
        return length


def _word_ids(batch: Any, number: int, words: int, pieces: "TaskTokenizer") -> list[list[int]]:
    """Return the token ids of each word of a sentence."""
    ids: list[list[int]] = [[] for _ in range(words)]
    for token, word in zip(pieces.as_text(batch["input_ids"][number]), batch.word_ids(number), strict=True):
        ids[word].append(token)
    return ids
