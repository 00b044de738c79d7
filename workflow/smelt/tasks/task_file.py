"""Task files (smelt/tasks/library/<task>.yaml): a task's kind, the places and formats of its splits, its settings.

A file may have settings: ways to train and test on its languages, each a task of its own. `xnli.transfer` is the task
file xnli.yaml in its setting `transfer`, and `xnli.translate-train.fr` the French task of a setting that makes one task
for each language.
"""

import re
from collections.abc import Iterator, Mapping
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from smelt.entry import Distinct, Entry, check, refuse_idle
from smelt.environment import VARIABLE
from smelt.errors import SmeltError, did_you_mean, suggest_similar
from smelt.languages import Language
from smelt.numbers import BoundOfScores
from smelt.strict_yaml import read_yaml
from smelt.tasks.formats.base import FileFormat
from smelt.tasks.kinds import KINDS, kind_of, metric_of
from smelt.tasks.splits import (
    EACH,
    FORMATS,
    STANDARD,
    Format,
    LabelPieces,
    MetricName,
    Setting,
    SettingName,
    Source,
)

LIBRARY = Path(__file__).parent / "library"
"""Task files that come with smelt."""
OWN_TASKS = "tasks"
"""Folder beside a study file that holds task files of the study's own."""
if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(KINDS)]


class TaskFile(Entry):
    """A task: a supervised data set with its kind, splits, metric and terms of use."""

    title: str
    """The task's name in tables and on the page."""
    kind: KindName
    """What is to be predicted: a label for each word, one for a whole text or a pair of texts, or the part of a context
    that answers a question. For `similarity` and `retrieval` nothing is: a model embeds texts, and is judged by which
    are near each other: the two of a pair, or a query and its passages. It is evaluated as it is (`epochs: 0`), or
    learns the task."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct]
    """Wikipedia's codes, or tags of BCP 47 in lower case: an ISO 639 code, of three letters only where there is none of
    two (`en`, `bej`), and parts that name a variety (`de-st`)."""
    source: Source
    """Where the files lie."""
    format: Format
    """How the files are written."""
    settings: dict[SettingName, Setting] = Field(default_factory=dict)
    """Ways to train and test on the languages, each a task called `<file>.<setting>`; by default one task, called as
    its file, trained and tested on all its languages together. `{language}` among a setting's languages makes it one
    task for each: `<file>.<setting>.<language>`. A setting `standard` is the task that is called as its file, beside
    others."""
    metric: MetricName
    """`seqeval-f1`, the F1 of whole entities, for labels that mark spans; for the others `accuracy` (the same as micro
    F1) or `macro-f1`, the mean F1 of the labels, which counts rare ones as much as frequent ones. As some public
    scripts score: `seqeval-f1-of-pieces` counts spans of pieces, `seqeval-f1-of-tags` takes labels without marks for
    spans, and `seqeval-f1-of-tag-pieces` does both. For answers
    `squad-f1`, by the rules of SQuAD's script (English articles and ASCII punctuation do not count, in any language),
    or `mlqa-f1`, by those of MLQA's (punctuation and the language's own articles do not; Chinese is compared by
    character); exact match stands beside either. For similarity `spearman` or `pearson`, the correlation of cosine and
    score, or `average-precision` where labels are 0 and 1. For retrieval `ndcg-at-10`, `mrr-at-10`, `recall-at-10` or
    `recall-at-100`."""
    scores: tuple[BoundOfScores, BoundOfScores] | None = None
    """Of similarity, the lowest and the highest score that a pair can have: `[0, 5]`. Others are an error. It is left
    out where labels are 0 and 1."""
    label_pieces: LabelPieces = "first"
    """The pieces of a word that carry its label where a model learns: the `first`, by which the word is predicted, or
    `all`, as with `label_all_tokens` of some public scripts. `seqeval-f1-of-pieces` and `seqeval-f1-of-tag-pieces`
    score all of them; other metrics score words."""
    average: Literal["examples", "languages"] = "examples"
    """The task's score where a split has several languages, to choose the epoch and to compare models: over the
    `examples` of all at once, or the mean of the `languages`' scores."""
    choose_on: Literal["validation"] = "validation"
    """The split on which the best epoch is chosen. The test set is for the final score only."""
    unseen_labels: Literal["error", "count"] = "error"
    """A label of validation or test that training lacks is an `error`, or an example that no model can get right, which
    is left to `count` as wrong and counted in `task.json`."""
    empty_sides: Literal["error", "count"] = "error"
    """A pair with an empty text is an `error`, or is left to `count` like others, and counted in
    `task.json`."""
    repeats: Literal["keep", "drop"] = "keep"
    """Examples that stand in two splits word for word: `keep` them, as published, or `drop` them from training (from
    validation those in test); of questions, all about a context that a later split has too. Kept ones are counted in
    `task.json`, in the log of the task and on the page; the notes of tables name tasks with at least 1% of their test
    set in training."""
    licence: str
    """Terms of use. After a change of it, of `cite` or of `title` nothing is prepared or fine-tuned again."""
    cite: str
    """The reference, in words or as the key of a bibliography."""

    _setting: str = PrivateAttr(default=STANDARD)
    _note: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for each in self._under_every_setting():
            if metric_of(each).of_pieces and each.label_pieces != "all":
                raise ValueError(f"metric: {each.metric} scores all pieces of words: expected label_pieces: all")
            for split in each.source.splits:
                each._check_format(each.format_of(split), split)
                each._check_languages(split)
        return self

    @model_validator(mode="after")
    def _is_standard_as_a_whole(self) -> Self:
        if STANDARD in self.settings and self.settings[STANDARD].of_each_language:
            raise ValueError(f"settings.{STANDARD}: is the task called as its file: expected no {{language}} in it")
        return self

    @model_validator(mode="after")
    def _has_what_is_learnt(self) -> Self:
        if not self.learns and not kind_of(self).embeds:
            raise ValueError("source.train: is missing")
        return self

    @model_validator(mode="after")
    def _sets_nothing_idle(self) -> Self:
        refuse_idle("", self, kind_of(self).idle(self.format.chosen))
        self._check_scores()
        if unknown := [code for code in self.source.codes if code not in self.languages]:
            raise ValueError(f"source.codes.{unknown[0]}: has no effect, as it is none of the languages; leave it out")
        return self

    def _check_scores(self) -> None:
        """Refuse scores without a range, and a range where metrics compare with labels."""
        metrics = {each.metric for each in self._under_every_setting()}
        with_scores = metrics & set(kind_of(self).needs_scores)
        if with_scores and self.scores is None:
            raise ValueError(f"scores: expected the lowest and the highest score of a pair for {min(with_scores)}")
        if self.scores is not None and metrics != with_scores:
            raise ValueError("scores: has no effect where labels are 0 and 1; leave it out")
        if self.scores is not None and not self.scores[0] < self.scores[1]:
            raise ValueError(f"scores: expected the lowest before the highest, found {list(self.scores)}")

    def _under_every_setting(self) -> Iterator["TaskFile"]:
        if not self.settings:
            yield self
        for name, setting in self.settings.items():
            for language in self.languages if setting.of_each_language else [None]:
                yield self.under(name, language)

    def _check_format(self, written: FileFormat, split: str) -> None:
        if not kind_of(self).reads(written):
            held = " or ".join(name for name, kind in KINDS.items() if kind.reads(written))
            raise ValueError(f"kind: {self.kind} does not go with the format of {split}, which holds {held}")
        kind_of(self).check_format(written, self.format.chosen, split)
        if self.source.split(split).split is not None and not written.reads_rows:
            names = " or ".join(name for name, known in FORMATS.items() if known.reads_rows)
            raise ValueError(f"source.{split}.split: a data set on the hub has rows: expected the format {names}")
        expected = kind_of(self).metrics_for(written.span_scheme)
        if self.metric not in expected:
            raise ValueError(f"metric: expected {' or '.join(expected)} for labels of scheme {written.span_scheme!r}")

    def _check_languages(self, split: str) -> None:
        named = self.languages_of(split)
        unknown = [language for language in named if language not in self.languages]
        if unknown:
            raise ValueError(f"{split}: {unknown[0]!r} is none of the task's languages: {', '.join(self.languages)}")
        name = self.source.config if self.source.split(split).split else self.source.split(split).file
        if len(named) > 1 and EACH not in (name or "") and not self.format_of(split).has_languages:
            raise ValueError(
                f"source.{split}: expected {{language}} in the name, or a language column: the languages are several"
            )

    @property
    def setting(self) -> str:
        """The setting that the task is in; `standard` for one that is called as its file."""
        return self._setting

    @property
    def note(self) -> str:
        """What readers of its scores have to know, if there is anything."""
        return self._note

    def under(self, name: str, language: str | None = None) -> "TaskFile":
        """Return the task in one of its settings, for one language where the setting is of each language."""
        setting = self.settings[name]
        names = self.source.splits
        splits = {split: setting.apply_to(split, self.source.split(split), language) for split in names}
        used = [code for split in names for code in splits[split].languages or self.languages]
        task = self.model_copy(
            update={
                "source": self.source.model_copy(update=splits),
                "languages": [code for code in self.languages if code in used],
                "settings": {},
                "metric": setting.metric or self.metric,
                "label_pieces": setting.label_pieces or self.label_pieces,
            }
        )
        task._setting, task._note = name, setting.note
        return task

    def languages_of(self, split: str) -> list[str]:
        """Return the languages of a split; none of one that the task does not have."""
        return (self.source.split(split).languages or self.languages) if split in self.source.splits else []

    @property
    def learns(self) -> bool:
        """Whether it has a training and a validation split; otherwise models are evaluated on it as they are."""
        return self.source.train is not None

    def format_of(self, split: str) -> FileFormat:
        """Return the format of a split's files."""
        return (self.source.split(split).format or self.format).chosen

    @property
    def pairs(self) -> bool:
        """Whether each label is that of two texts."""
        return self.format.chosen.pairs

    @property
    def scheme(self) -> str | None:
        """The scheme of the prepared labels: iob2, or None where labels mark no spans."""
        return None if self.format.chosen.span_scheme == "none" else "iob2"

    def code(self, language: str) -> str:
        """Return the source's own code of a language."""
        return self.source.codes.get(language, language)

    def file(self, split: str, language: str) -> str:
        """Return the name below the source of a split's file in a language."""
        return (self.source.split(split).file or "").replace("{language}", self.code(language))

    def config(self, language: str) -> str | None:
        """Return the configuration of the hub's data set in a language; None where the file names none."""
        return self.source.config and self.source.config.replace("{language}", self.code(language))

    def folder(self, split: str) -> str | None:
        """Return the local folder that a split's files lie in; None for files of the hub."""
        return self.source.split(split).folder or self.source.folder

    def local_files(self) -> list[str]:
        """Return every local file that the task reads, each once; none for a task from the hub."""
        return list(dict.fromkeys(self._local_files()))

    def _local_files(self) -> Iterator[str]:
        for split in self.source.splits:
            folder = self.folder(split)
            for language in self.languages_of(split) if folder is not None else []:
                place, written = f"{folder}/{self.file(split, language)}", self.format_of(split)
                yield from (f"{place}/{name}" for name in written.files) if written.files else [place]
                beside = written.names_beside(self.code(language))
                yield from (normpath(f"{place}/../{name}") for name in beside)


def load_task(name: str, *own: Path) -> TaskFile:
    """Return the checked task of that name: a task file, or a task file in one of its settings.

    Args:
        name: the file's name without its ending, and behind a dot its setting.
        own: folders of a study's own task files, which are searched before those that come with smelt.

    Raises:
        SmeltError: the file is missing, is not YAML, or a key of it is not as it should be; the file lacks the
            setting or its language, or the name lacks them.
    """
    path, rest = task_file(name, *own)
    task = check(TaskFile, read_yaml(path), path)
    if not rest and not task.settings:
        return task
    setting, _, language = (rest if rest or STANDARD not in task.settings else STANDARD).partition(".")
    _check_setting(path, task, setting, language)
    return task.under(setting, language or None)


def variables_of_task(name: str, *own: Path) -> list[str]:
    """Return the environment variables that the paths of a task's files name; arguments and errors as for load_task."""
    files = load_task(name, *own).local_files()
    return sorted({variable for file in files for variable in VARIABLE.findall(file)})


def task_file(name: str, *own: Path) -> tuple[Path, str]:
    """Return the file of a task, and the rest of the task's name: setting and language.

    The first folder that has a file for the name counts: `own` in this order, then smelt's. Names of files may have
    dots too: the longest name that is a file's is the file.

    Raises:
        SmeltError: no folder has one; near names and the folders are given.
    """
    folders = [*own, LIBRARY]
    parts = name.split(".")
    for folder in folders:
        for count in range(len(parts), 0, -1):
            stem = ".".join(parts[:count])
            if (folder / f"{stem}.yaml").is_file():
                return folder / f"{stem}.yaml", name[len(stem) + 1 :]
    raise _no_such_task(name, folders)


def _no_such_task(name: str, folders: list[Path]) -> SmeltError:
    files = {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.yaml"))}
    searched = ", ".join(str(folder.absolute()) for folder in folders)
    stem = _stem(name)
    family = [known for known in files if _stem(known) == stem]
    settings = [f"{known}.{setting}" for known in family for setting in _read_settings(files[known])]
    question = suggest_similar(name, [*files, *settings]) or suggest_similar(stem, files) or did_you_mean(family)
    hint = question or f"expected one of {', '.join(sorted(files))}."
    where = f"Searched for {name.partition('.')[0]}.yaml in {searched}: {len(files)} task files"
    return SmeltError(f"task {name!r}", f"no such task: {hint} {where}")


def _read_settings(path: Path) -> list[str]:
    """Return the settings of a task file, which need not be right otherwise."""
    content = read_yaml(path)
    settings = content.get("settings") if isinstance(content, Mapping) else None
    return list(map(str, settings)) if isinstance(settings, Mapping) else []


def _stem(name: str) -> str:
    """Return what the names of related tasks share: xnli of xnli-dev and xnli.transfer."""
    return re.split(r"[.-]", name)[0]


def _check_setting(path: Path, task: TaskFile, setting: str, language: str) -> None:
    names = [
        path.stem if name == STANDARD else f"{path.stem}.{name}" + (".<language>" if entry.of_each_language else "")
        for name, entry in task.settings.items()
    ]
    question = suggest_similar(setting, task.settings)
    expected = f"expected {', '.join(names) or path.stem}{f'; {question}' if question else ''}"
    if setting not in task.settings:
        found = f"has no setting {setting!r}" if setting else "has several settings"
        raise SmeltError(path, f"{found}: {expected}")
    if task.settings[setting].of_each_language != bool(language):
        raise SmeltError(
            path, f"{path.stem}.{setting}{'.' + language if language else ''} is no task of it: {expected}"
        )
    if language and language not in task.languages:
        raise SmeltError(path, f"{language!r} is none of its languages: {', '.join(task.languages)}")
