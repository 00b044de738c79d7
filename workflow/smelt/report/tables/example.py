"""Tables of examples: sentences with their pieces and labels under each model, aligned by word (mALBERT, Table 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import StringConstraints

from smelt.complaints import explain
from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.numbers import Count
from smelt.report.render import Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import Made, StudyOfTables, TableJob, WordsTable, refuse_mixed_languages

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = "·"
"""Stands between the pieces of a word."""
COLUMNS = ("example", "language", "model", "position", "word", "reference", "predicted", "pieces")
NOT_BLANK = explain(r"\S", "a text with more than blanks")
SHORTEST, LONGEST = 6, 14
MOST_COMPARED, MOST_NAMED, LEAST_LIKENESS = 20, 3, 0.5
"""Of sentences like a text that none holds."""

EXAMPLE_RULE = (
    f"Of the {{split}} sentences of {SHORTEST} to {LONGEST} words with an entity word, those whose entity words differ "
    "most in their total number of pieces between the model that cuts them most and the one that cuts them least; ties "
    "by position in the {split} set, a repeated sentence once. Predictions play no part in the choice."
)
"""The rule as a sentence for the table's caption. An entity word is one whose gold label is not O."""
_PREDICTIONS = ["example", "language", "words", "gold", "predicted", "pieces"]


@dataclass(frozen=True)
class Reading:
    """A sentence as one model reads it: the pieces of each word, and the label predicted for each."""

    pieces: list[list[str]]
    predicted: list[str]


@dataclass(frozen=True)
class ShownExample:
    """One sentence: its number in the test set, language, words, gold labels, and each model's reading by name.

    `words`, `gold` and both lists of each Reading have one entry a word.
    """

    example: int
    language: str
    words: list[str]
    gold: list[str]
    readings: dict[str, Reading]
    difference: int
    """Pieces of the entity words under the model that cuts them most, less those under the one that cuts least."""
    start: int = 0
    """The place of its first word in the sentence."""


class ExampleTable(WordsTable):
    """Sentences with their pieces and labels under each model, aligned by word (mALBERT, Table 3)."""

    kind: Literal["example"]
    task: Name
    """A task of the study."""
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models."""
    split: Literal["test", "validation"] = "test"
    """The split of the task that the sentences are of."""
    text: Annotated[str, StringConstraints(pattern=NOT_BLANK)] | None = None
    """Words of a sentence to show, such as `acquisition of Daniels Pharmaceuticals Inc`: the part of the first sentence
    that has them one after the other, whatever the blanks between them. By default a rule chooses whole sentences."""
    sentences: Count = 1
    """Sentences that the rule chooses."""

    needed = ("models", "sentences", "seed")

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse models without a sentence in common, and a number of sentences where the text of one is given."""
        super().check(study, key)
        if self.text is not None and "sentences" in self.model_fields_set:
            raise SmeltError(study.where, f"{key}.sentences: has no effect beside text, which names one sentence")
        why = "each sentence is shown under all models; choose models"
        refuse_mixed_languages(study, key, self.task, self.shown_models(study), why)

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, and the seed whose predictions it shows."""
        return super().facts(study) | {"seed": next(iter(study.seeds), None)}

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the predictions of the first seed."""
        folder = f"{study.results}/finetuned"
        runs = self.shown_runs(study, self.tasks)
        return [f"{folder}/{model}/{task}/seed-{study.seeds[0]}/predictions.parquet" for model, task in runs]

    def make(self, job: TableJob) -> Made:
        """Return one grid a sentence: its words over their reference labels, then pieces and labels of each model."""
        predictions = self._predictions(job)
        if self.text is not None:
            example, place = find_example(predictions, self.text, self.split)
            examples, notes = [example], [place]
        else:
            examples, notes = choose_examples(predictions, self.sentences), [EXAMPLE_RULE.format(split=self.split)]
        notes.append(
            f"{SEPARATOR} stands between the pieces of a word. Labels in bold differ from the reference. "
            f"Predictions of seed {job.facts['seed']}."
        )
        if self.text is None and len(examples) < self.sentences:
            notes.append(f"The rule admits {len(examples)} of the {self.sentences} sentences asked for.")
        caption = self.caption or f"Segmentation and labels of sentences of {self.task} under each model"
        table = PaperTable(job.name, caption, [_grid(example) for example in examples], notes)
        return Made(table, _numbers(examples), COLUMNS)

    def _predictions(self, job: TableJob) -> dict[str, "pd.DataFrame"]:
        """Return the predictions of each model for the split.

        The model's name is that of the folder: `<model>/<task>/seed-<n>/predictions.parquet`.

        Raises:
            SmeltError: a file is missing: those for validation lie beside the others and are no sources.
        """
        from smelt.parquet import predictions_file, read_columns

        of_model = {path.parents[2].name: predictions_file(path, self.split) for path in job.sources}
        models = [model for model in job.models if model in of_model]
        for path in (of_model[model] for model in models):
            if path.parent.is_dir() and not path.is_file():
                why = f"is not there: earlier versions kept no predictions for {self.split}"
                raise SmeltError(path, f"{why}. Delete its folder, and run again")
        return {model: read_columns(of_model[model], _PREDICTIONS).to_pandas() for model in models}


def choose_examples(predictions: Mapping[str, "pd.DataFrame"], count: int = 1) -> list[ShownExample]:
    """Return the `count` sentences that EXAMPLE_RULE chooses, in its order; fewer where the test set has fewer.

    Args:
        predictions: for each model its predictions on the same test split, as in predictions.parquet: columns example,
            language, words, gold, predicted and pieces, a row a sentence. Their order is kept in `readings`. One seed
            has to be chosen by the caller, who should say which.
        count: how many.

    Raises:
        SmeltError: the models' sentences or gold labels are not the same.
    """
    frames = {model: frame.reset_index(drop=True) for model, frame in predictions.items()}
    if not frames:
        return []
    first = next(iter(frames.values()))
    _check_alignment(frames)
    chosen = _ranked(first, _differences(frames))[:count]
    return [_example(frames, row, difference) for row, difference in chosen]


def find_example(predictions: Mapping[str, "pd.DataFrame"], text: str, split: str) -> tuple[ShownExample, str]:
    """Return the words of the first sentence that holds a text, and a note on where they stand.

    Args:
        predictions: as in `choose_examples`.
        text: words that follow each other in a sentence; blanks between and in them do not count.
        split: where the sentences are from, for messages.

    Raises:
        SmeltError: no sentence holds it, with the nearest ones; or the models' sentences are not the same.
    """
    frames = {model: frame.reset_index(drop=True) for model, frame in predictions.items()}
    if not frames:
        raise SmeltError("--sources", "hold no predictions of the models")
    first = next(iter(frames.values()))
    _check_alignment(frames)
    wanted, sentences = "".join(text.split()), [list(words) for words in first["words"]]
    found = [(row, place) for row, words in enumerate(sentences) if (place := _place_of(wanted, words))]
    if not found:
        near = [f"{shown!r} (example {first['example'][row]})" for row, shown in _nearest(wanted, sentences)]
        nearest = f"the nearest: {'; '.join(near)}" if near else "none resembles it"
        raise SmeltError(f"text {text!r}", f"no {split} sentence holds these words one after the other; {nearest}")
    row, (start, end) = found[0]
    whole = _example(frames, row, 0)
    readings = {
        model: Reading(each.pieces[start:end], each.predicted[start:end]) for model, each in whole.readings.items()
    }
    shown = replace(whole, words=whole.words[start:end], gold=whole.gold[start:end], readings=readings, start=start)
    part = "" if len(shown.words) == len(whole.words) else f", words {start + 1} to {end} of {len(whole.words)}"
    more = "" if len(found) == 1 else f"; {len(found) - 1} more sentences hold these words"
    return shown, f"Example {whole.example} of the {split} set{part}{more}. The study names it."


def _ends(words: Sequence[str]) -> list[int]:
    """Return where each word ends, and before these 0, in the characters of a sentence without blanks."""
    return [0, *accumulate(len("".join(word.split())) for word in words)]


def _place_of(wanted: str, words: Sequence[str]) -> tuple[int, int] | None:
    """Return the first words, from one to before another, that are a text without blanks; None without any."""
    joined, ends = "".join("".join(words).split()), _ends(words)
    at = joined.find(wanted)
    while at >= 0:
        if at in ends and at + len(wanted) in ends:
            # Of words without a character, the last one ends where the next begins.
            return len(ends) - 1 - ends[::-1].index(at), ends.index(at + len(wanted))
        at = joined.find(wanted, at + 1)
    return None


def _nearest(wanted: str, sentences: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """Return the row of the sentences most like a text, and the words in question."""
    trigrams = {wanted[at : at + 3] for at in range(max(1, len(wanted) - 2))}
    shared = [sum(part in "".join("".join(words).split()) for part in trigrams) for words in sentences]
    rows = sorted(range(len(sentences)), key=lambda row: -shared[row])[:MOST_COMPARED]
    near = []
    for row in rows:
        joined, ends = "".join("".join(sentences[row]).split()), _ends(sentences[row])
        blocks = [b for b in SequenceMatcher(None, joined, wanted, autojunk=False).get_matching_blocks() if b.size > 2]
        if not blocks:
            continue
        start, end = blocks[0].a, blocks[-1].a + blocks[-1].size
        words = [
            word for word, low, high in zip(sentences[row], ends, ends[1:], strict=False) if high > start and low < end
        ]
        likeness = SequenceMatcher(None, "".join(words), wanted, autojunk=False).ratio()
        near.append((likeness, row, shorten(" ".join(words), 100, placeholder=" …")))
    best = sorted(near, key=lambda each: -each[0])[:MOST_NAMED]
    return [(row, shown) for likeness, row, shown in best if likeness >= LEAST_LIKENESS]


def _check_alignment(frames: Mapping[str, "pd.DataFrame"]) -> None:
    (reference, first), *others = frames.items()
    expected = [_sentence(row) for row in zip(first["words"], first["gold"], strict=True)]
    for model, frame in others:
        found = [_sentence(row) for row in zip(frame["words"], frame["gold"], strict=True)]
        if found != expected:
            raise SmeltError(
                f"predictions of {model}",
                f"hold other sentences or gold labels than those of {reference}: "
                "expected predictions on one and the same test split",
            )


def _sentence(row: tuple[list[str], list[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(row[0]), tuple(row[1])


def _differences(frames: Mapping[str, "pd.DataFrame"]) -> list[int]:
    """Return for each sentence how far apart the models' totals of pieces of entity words are."""
    totals = [
        [
            sum(len(pieces) for pieces, label in zip(words, gold, strict=True) if label != "O")
            for words, gold in zip(frame["pieces"], frame["gold"], strict=True)
        ]
        for frame in frames.values()
    ]
    return [max(of_sentence) - min(of_sentence) for of_sentence in zip(*totals, strict=True)]


def _ranked(first: "pd.DataFrame", differences: list[int]) -> list[tuple[int, int]]:
    """Return (row, difference) of the sentences that the rule admits, the largest difference first."""
    seen: set[tuple[str, ...]] = set()
    admitted = []
    for row, (words, gold) in enumerate(zip(first["words"], first["gold"], strict=True)):
        if SHORTEST <= len(words) <= LONGEST and any(label != "O" for label in gold) and tuple(words) not in seen:
            seen.add(tuple(words))
            admitted.append((row, differences[row]))
    return sorted(admitted, key=lambda pair: -pair[1])


def _example(frames: Mapping[str, "pd.DataFrame"], row: int, difference: int) -> ShownExample:
    sentence = next(iter(frames.values())).iloc[row]
    readings = {
        model: Reading(
            pieces=[list(pieces) for pieces in frame["pieces"].iloc[row]], predicted=list(frame["predicted"].iloc[row])
        )
        for model, frame in frames.items()
    }
    return ShownExample(
        int(sentence["example"]),
        str(sentence["language"]),
        list(sentence["words"]),
        list(sentence["gold"]),
        readings,
        difference,
    )


def _numbers(examples: Sequence[ShownExample]) -> list[tuple[Any, ...]]:
    """Return a row for each sentence, model and word, under COLUMNS; pieces are separated by blanks."""
    return [
        (example.example, example.language, model, position, word, gold, predicted, " ".join(pieces))
        for example in examples
        for model, reading in example.readings.items()
        for position, (word, gold, predicted, pieces) in enumerate(
            zip(example.words, example.gold, reading.predicted, reading.pieces, strict=True), example.start
        )
    ]


def _grid(example: ShownExample) -> Grid:
    reference = Group([Row("Reference", [Cell(label) for label in example.gold])])
    models = [Group(_rows(model, reading, example.gold)) for model, reading in example.readings.items()]
    return Grid("Text", example.words, [reference, *models], numeric=False)


def _rows(model: str, reading: Reading, gold: list[str]) -> list[Row]:
    pieces = [Cell(SEPARATOR.join(parts)) for parts in reading.pieces]
    labels = [Cell(label, bold=label != reference) for label, reference in zip(reading.predicted, gold, strict=True)]
    return [Row(f"{model}: pieces", pieces), Row(f"{model}: labels", labels)]
