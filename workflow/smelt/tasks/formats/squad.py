"""SQuAD: questions about paragraphs, with the answers and the characters where they begin.

Version 1 of Rajpurkar et al. (2016), in which each question has an answer, as XQuAD, MLQA, SQAC and translations of
SQuAD are published: nested JSON (`data`, `paragraphs`, `qas`), or the hub's rows of Parquet or JSON with `id`,
`question`, `context` and `answers`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from smelt.errors import SmeltError, quote
from smelt.tasks.examples import MISPLACED, Question, is_empty
from smelt.tasks.formats.base import FileFormat, FileOrSplit, SourceFile
from smelt.tasks.formats.rows import read_rows
from smelt.tasks.lines import is_blank, numbered_lines


class Squad(FileFormat):
    """Questions, contexts and answers with their places, of SQuAD 1.1 and sets like it."""

    key: ClassVar[str] = "squad"
    reads_rows: ClassVar[bool] = True

    misplaced: Literal["error", "count"] = "error"
    """An answer that is empty or does not stand at its place in the context, as translation by machine may leave it, is
    an `error`, or is left to `count`: `task.json` has the number. An empty one is left out; any other is not learnt,
    but right where a model gives it. A question whose answers are all empty is left out, and counted too."""

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Questions."""
        return (Question,)

    def read(self, file: SourceFile) -> Iterator[Question]:
        """Yield the questions of a file.

        Raises:
            SmeltError: the file is none of SQuAD 1, a question or context is empty, a question has no answer, or an
                answer does not stand at its place and is not to be counted. The question is named.
        """
        seen: set[str] = set()
        for number, (place, row) in enumerate(_rows(file.path, self), start=1):
            question = _question(row, place, number, self.misplaced == "count")
            if question.id in seen:
                raise SmeltError(place, "stands in the file twice: expected an id of its own for each question")
            seen.add(question.id)
            yield question


def _rows(path: FileOrSplit, written: Squad) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each question with its place: `id`, `question`, `context` and `answers`."""
    rows: Iterator[tuple[str, dict[str, Any]]] = (
        (f"{path}, row {number}", row) for number, row in read_rows(path, written)
    )
    if isinstance(path, Path) and path.suffix != ".parquet" and (whole := _whole(path, written.encoding)) is not None:
        rows = _read_nested(path, whole)
    for place, row in rows:
        for key in ("id", "question", "context", "answers"):
            if row.get(key) is None:
                raise SmeltError(place, f"lacks {key!r}: expected id, question, context and answers")
        yield f"{path}, question {quote(row['id'])}", row


def _whole(path: Path, encoding: str) -> dict[str, Any] | None:
    """Return the one object of a JSON file, as SQuAD is published; None where it holds rows."""
    text = "\n".join(line for _, line in numbered_lines(path, encoding) if not is_blank(line))
    try:
        found = json.loads(text)
    except ValueError as error:
        if '"paragraphs"' not in text[:100_000]:
            return None  # JSON lines: what is wrong with one of them is reported by its number
        raise SmeltError(path, f"is not JSON ({error}): expected a whole file of SQuAD") from None
    return found if isinstance(found, dict) and isinstance(found.get("data"), list) else None


def _read_nested(path: Path, whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    version = str(whole.get("version", "1.1")).lower().removeprefix("v")
    if version.partition(".")[0] != "1":
        found = f"is version {quote(whole['version'])}"
        raise SmeltError(path, f"{found}: expected SQuAD 1, in which each question has an answer")
    for number, article in enumerate(whole["data"], start=1):
        if not isinstance(article, dict) or "paragraphs" not in article:
            yield f"{path}, row {number}", article if isinstance(article, dict) else {}  # flat rows, below `data`
            continue
        for paragraph in _objects_of(article, "paragraphs", f"{path}, article {number}"):
            place = f"{path}, a paragraph of article {number}"
            for entry in _objects_of(paragraph, "qas", place):
                yield place, entry | {"context": paragraph.get("context")}


def _objects_of(found: dict[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    values = found.get(key)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise SmeltError(place, f"expected a list of objects as {key!r}, found {quote(values)}")
    return values


def _question(row: dict[str, Any], place: str, number: int, counts: bool) -> Question:
    for key in ("question", "context"):
        if not isinstance(row[key], str) or is_empty(row[key]):
            raise SmeltError(place, f"has an empty {key}: expected a text, found {quote(row[key])}")
    answers, starts, misplaced = [], [], 0
    for text, start in _answers(row["answers"], place):
        if not isinstance(text, str):
            raise SmeltError(place, f"expected a text as its answer, found {quote(text)}")
        if fault := _fault(row["context"], text, start):
            if not counts:
                raise SmeltError(place, f"{fault}: mend it, or have such answers counted, with `misplaced: count`")
            start = MISPLACED
            misplaced += 1
            if is_empty(text):
                continue
        answers.append(text)
        starts.append(start)
    if row.get("is_impossible") or not (answers or misplaced):
        raise SmeltError(place, "has no answer: expected SQuAD 1, in which each question has one")
    return Question(row["question"], row["context"], answers, starts, str(row["id"]), number, misplaced)


def _fault(context: str, text: str, start: Any) -> str:
    """Return what is wrong with an answer, or nothing."""
    if is_empty(text):
        return "has an empty answer"
    if isinstance(start, int) and start >= 0 and context.startswith(text, start):
        return ""
    stands = "stands elsewhere in its context" if text in context else "is not in its context"
    return f"its answer {quote(text)} does not begin at character {start}, but {stands}"


def _answers(found: Any, place: str) -> list[tuple[Any, Any]]:
    """Return texts and places: of a list of answers, or of the hub's lists `text` and `answer_start`."""
    if isinstance(found, dict):
        texts, starts = found.get("text"), found.get("answer_start")
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            return list(zip(texts, starts, strict=True))
    elif isinstance(found, list) and all(isinstance(answer, dict) for answer in found):
        return [(answer.get("text"), answer.get("answer_start")) for answer in found]
    raise SmeltError(place, f"expected answers, each with text and answer_start, found {quote(found)}")
