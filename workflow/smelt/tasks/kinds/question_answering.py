"""Question answering: the answer to a question is a part of its context.

Each window is the question, as a model's tokenizer joins pairs, and a part of the context. Contexts that are too long
are cut into windows that share 128 pieces (`doc_stride` of transformers' script; in BERT's own it is the step). A head
gives each piece a value as the answer's first and as its last. It learns the answer's place in every window that holds
all of it, and the first token elsewhere (Devlin et al. 2019, section 4.2 and, for the first token, 4.3).

The answer is the best of 20 first and 20 last pieces of each window, at most 30 pieces long, by the sum of their
values; windows of one question compete with it. It is cut from the context by its characters, never made of pieces.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smelt.tasks.answers import MlqaF1, SquadF1
from smelt.tasks.examples import MISPLACED, Example, Question
from smelt.tasks.formats.base import FileFormat
from smelt.tasks.formats.squad import Squad
from smelt.tasks.kinds.base import BatchLayout, Examples, Task, TaskKind, WindowPredictions
from smelt.tasks.windows import IGNORED, Encoded, Window

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from smelt.tasks.tokenizer import TaskTokenizer

OVERLAP = 128  # pieces of the context that two windows share, as in transformers' script
CANDIDATES = 20  # first and last pieces that are combined, and answers that are kept
LONGEST_ANSWER = 30  # pieces
AT_ONCE = 2_000  # questions that are cut into pieces together: their contexts would not fit into memory all at once
FIRST_TOKEN = 0  # where a window points that does not hold the answer


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part of a context that may be the answer."""

    start: int
    """Its first character."""
    end: int
    """The character behind its last."""
    score: float
    """Sum of the head's values for its first and its last piece."""


class QuestionAnswering(TaskKind):
    """Questions about a context that holds the answer."""

    name = "question-answering"
    example = Question
    formats = (Squad,)
    metrics = (SquadF1(), MlqaF1())
    head = "AutoModelForQuestionAnswering"
    typical_tokens = 384
    pipeline = "question-answering"
    text_column = "question"
    megabytes_an_example = 0.015
    left_out = "unanswered"
    context_column = "context"

    def idle(self, of_task: FileFormat) -> dict[str, str]:
        """Return the keys of a task file that would have no effect, each with the reason."""
        return super().idle(of_task) | {"unseen_labels": "where answers are parts of a text, and no labels"}

    def classes(self, example: Example) -> list[str]:  # noqa: ARG002 - answers are no classes
        """Return nothing: a model learns to point at answers, not to distinguish labels."""
        return []

    def groups(self, examples: Sequence[Example]) -> list[int]:
        """Return the number of each question's context, so that no split has questions about a context of another."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(example.context, len(numbers)) for example in examples]  # type: ignore[attr-defined]

    def context(self, example: Example) -> str:
        """Return the question's context: a model that was asked about it in training has read it."""
        text: str = example.context  # type: ignore[attr-defined]
        return text

    def counts(self, example: Example) -> dict[str, int]:
        """Return what is to be counted of a question."""
        misplaced: int = example.misplaced  # type: ignore[attr-defined]
        return {"misplaced_answers": misplaced, "several_answers": int(len(example.labels) > 1)}

    def schema(self, pairs: bool) -> Any:  # noqa: ARG002 - a question and its context are no pair with a label
        """Return the Arrow schema of a prepared split."""
        import pyarrow as arrow

        texts = [(name, arrow.string()) for name in ("language", "id", "question", "context")]
        starts, answers = ("starts", arrow.list_(arrow.int64())), ("answers", arrow.list_(arrow.string()))
        return arrow.schema([("example", arrow.int64()), *texts, starts, answers])

    def columns(self, task: Task) -> list[str]:  # noqa: ARG002 - all tasks have the same
        """Return the columns of a prepared split."""
        return ["example", "language", "id", "question", "context", "starts", "answers"]

    def examples(self, columns: dict[str, list[Any]]) -> Examples:
        """Return the examples of a prepared split from its columns."""
        inputs = {name: columns[name] for name in ("id", "question", "context", "starts")}
        return Examples(columns["example"], columns["language"], inputs, columns["answers"])

    def check_tokenizer(self, task: Task, pieces: "TaskTokenizer", folder: "Path") -> None:  # noqa: ARG002
        """Refuse a tokenizer that puts nothing between question and context.

        Raises:
            SmeltError: it does so.
        """
        pieces.check_pairs(folder)

    def encode(self, examples: Examples, task: Task, pieces: "TaskTokenizer", length: int) -> Encoded:  # noqa: ARG002
        """Return questions as windows of at most `length` tokens; their places are the pieces of the context.

        A question takes at most half of a window, and loses what is beyond.
        """
        import numpy as np

        encoded = Encoded(answers_in_no_window=0)
        frame = pieces.pair_frame()
        room = length - frame.special
        for start in range(0, len(examples), AT_ONCE):
            questions, contexts = (examples.inputs[name][start : start + AT_ONCE] for name in ("question", "context"))
            once = {context: number for number, context in enumerate(dict.fromkeys(contexts))}
            asked, given = (
                pieces.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False).encodings
                for texts in (questions, list(once))
            )
            characters = [np.asarray(each.offsets, dtype=np.int32).reshape(-1, 2) for each in given]
            for row, (question, context) in enumerate(zip(questions, contexts, strict=True)):
                whole, offsets = given[once[context]], characters[once[context]]
                ids, of_context = pieces.as_text(asked[row].ids), pieces.as_text(whole.ids)
                encoded.words += len(question.split()) + len(context.split())
                if len(ids) > room // 2:
                    encoded.truncated_words += len(question[asked[row].offsets[room // 2 - 1][1] :].split())
                    ids = ids[: room // 2]
                if not of_context:  # no piece of the context has been seen: it is one unknown piece
                    encoded.words_without_pieces += len(context.split())
                    of_context, offsets = [pieces.unknown], np.asarray([[0, len(context)]], dtype=np.int32)
                encoded.offsets.append(offsets)
                for first, last in _parts(len(of_context), room - len(ids)):
                    tokens, types, at = frame.join(ids, of_context[first:last])
                    window = Window(
                        start + row, array("i", tokens), range(at, at + last - first), range(first, last), types
                    )
                    encoded.windows.append(window)
        return encoded

    def add_targets(self, encoded: Encoded, examples: Examples, task: Task) -> None:  # noqa: ARG002 - no labels
        """Add the positions of the answer's first and last piece in each window.

        They are those of the first token where the window does not hold all of the answer, and IGNORED where the answer
        does not stand at its place in the context. Of several answers the first one counts that does.
        """
        held = [False] * len(examples)
        pieces = [
            _pieces_of(*each) for each in zip(examples.gold, examples.inputs["starts"], encoded.offsets, strict=True)
        ]
        for window in encoded.windows:
            answer = pieces[window.example]
            if answer is None:
                encoded.targets.append([IGNORED, IGNORED])
            elif answer[0] in window.words and answer[1] in window.words:
                held[window.example] = True
                shift = window.positions[0] - window.words[0]
                encoded.targets.append([answer[0] + shift, answer[1] + shift])
            else:
                encoded.targets.append([FIRST_TOKEN, FIRST_TOKEN])
        encoded.answers_in_no_window = held.count(False)

    def configuration(self, task: Task) -> dict[str, Any]:  # noqa: ARG002 - the same for all
        """Return what a model's configuration holds: two values for each piece."""
        return {"num_labels": 2}

    def logits(self, output: Any, batch: BatchLayout) -> "Tensor":
        """Return each token's values as the answer's first and last, shape (windows, length, 2); -inf for padding."""
        import torch

        values = torch.stack([output.start_logits, output.end_logits], -1).float()
        return values.masked_fill(batch.mask[..., None] == 0, -torch.inf)

    def loss(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the mean over the windows of the two cross-entropies' mean; windows without a target do not count."""
        from torch.nn import functional

        wanted = targets.view(-1, 2)
        total = sum(
            functional.cross_entropy(logits[..., side], wanted[:, side], ignore_index=IGNORED, reduction="sum")
            for side in (0, 1)
        )
        return total / (wanted != IGNORED).sum().clamp(min=1)

    def decide(self, logits: "Tensor", batch: BatchLayout) -> tuple[list[list[Any]], list[list[float]]]:
        """Return the best candidates of each window: positions of their first and last piece, and their scores."""
        import torch

        allowed = torch.zeros(logits.shape[:2], dtype=torch.bool, device=logits.device)
        allowed[batch.rows, batch.positions] = True
        among = min(CANDIDATES, logits.shape[1])
        best = logits.masked_fill(~allowed[..., None], -torch.inf).topk(among, dim=1)
        starts, ends = best.indices.unbind(-1)
        first, last = best.values.unbind(-1)
        size = ends[:, None, :] - starts[:, :, None] + 1  # shape (windows, starts, ends)
        scores = first[:, :, None] + last[:, None, :]
        scores = scores.masked_fill((size < 1) | (size > LONGEST_ANSWER), -torch.inf).flatten(1)
        chosen = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)
        places: list[list[Any]] = []
        values: list[list[float]] = []
        parts = (starts.tolist(), ends.tolist(), chosen.indices.tolist(), chosen.values.tolist())
        for begin, end, numbers, found in zip(*parts, strict=True):
            real = [(number, score) for number, score in zip(numbers, found, strict=True) if score != float("-inf")]
            places.append([(begin[number // among], end[number % among]) for number, _ in real])
            values.append([score for _, score in real])
        return places, values

    def answers(self, found: WindowPredictions, examples: Examples, encoded: Encoded, task: Task) -> list[list[str]]:  # noqa: ARG002
        """Return the best answer of each question, as a list of one; an empty one where no window has a candidate."""
        contexts = examples.inputs["context"]
        best = [each[0] if each else Candidate(0, 0, 0.0) for each in candidates(found, examples, encoded)]
        return [[context[each.start : each.end]] for context, each in zip(contexts, best, strict=True)]

    def predictions(
        self, examples: Examples, predicted: list[list[str]], found: WindowPredictions, encoded: Encoded
    ) -> Any:
        """Return the Arrow table of predictions.parquet: questions, right and predicted answers, and all candidates."""
        import pyarrow as arrow

        rows = [
            [{"text": context[each.start : each.end], "start": each.start, "score": each.score} for each in of_question]
            for context, of_question in zip(
                examples.inputs["context"], candidates(found, examples, encoded), strict=True
            )
        ]
        candidate = arrow.struct([("text", arrow.string()), ("start", arrow.int64()), ("score", arrow.float64())])
        columns = {
            "example": (examples.ids, arrow.int64()),
            "language": (examples.languages, arrow.string()),
            "id": (examples.inputs["id"], arrow.string()),
            "question": (examples.inputs["question"], arrow.string()),
            "gold": (examples.gold, arrow.list_(arrow.string())),
            "predicted": ([answer for (answer,) in predicted], arrow.string()),
            "candidates": (rows, arrow.list_(candidate)),
        }
        return arrow.table({name: arrow.array(values, type=type) for name, (values, type) in columns.items()})

    def not_for_students(self, pairs: bool) -> str | None:  # noqa: ARG002 - never for students
        """Return why students cannot learn a task: they read one text at a time."""
        return "is answered from two texts, and a compact student reads one text at a time"


def candidates(found: WindowPredictions, examples: Examples, encoded: Encoded) -> Iterator[list[Candidate]]:
    """Yield the candidates of each question over all of its windows, the best first; each part of the context once."""
    scores: list[dict[tuple[int, int], float]] = [{} for _ in examples.ids]
    for window, places, values in zip(encoded.windows, found.numbers, found.probabilities, strict=True):
        shift = window.words[0] - window.positions[0]
        known = scores[window.example]
        for (first, last), score in zip(places, values, strict=True):
            key = (first + shift, last + shift)
            known[key] = max(score, known.get(key, score))
    for context, offsets, known in zip(examples.inputs["context"], encoded.offsets, scores, strict=True):
        best = sorted(known.items(), key=lambda item: (-item[1], item[0]))[:CANDIDATES]
        yield [
            _candidate(context, int(offsets[first, 0]), int(offsets[last, 1]), score) for (first, last), score in best
        ]


def _candidate(context: str, start: int, end: int, score: float) -> Candidate:
    """Return a candidate without the blanks around it, which some tokenizers count as parts of pieces."""
    text = context[start:end]
    return Candidate(start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip()), score)


def _parts(pieces: int, room: int) -> Iterator[tuple[int, int]]:
    """Yield the pieces (first, behind the last) of each window over a context; two neighbours share OVERLAP of them."""
    step = room - min(OVERLAP, room // 2)
    for first in range(0, max(pieces - room, 0) + step, step):
        yield first, min(first + room, pieces)


def _pieces_of(answers: list[str], starts: list[int], offsets: "NDArray[Any]") -> tuple[int, int] | None:
    """Return the first and last piece of the first answer that stands at its place; None where none has pieces."""
    import numpy as np

    for answer, start in zip(answers, starts, strict=True):
        first = int(np.searchsorted(offsets[:, 1], start, side="right"))
        last = int(np.searchsorted(offsets[:, 0], start + len(answer), side="left")) - 1
        if start != MISPLACED and first <= last:
            return first, last
    return None
