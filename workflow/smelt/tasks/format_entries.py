"""How the files of a task are written: one entry for each format (smelt/tasks/library/<task>.yaml, `format`)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints, model_validator

from smelt.entry import Entry, spelled
from smelt.languages import Language

Scheme = Literal["iob1", "iob2", "bilou", "iobes", "bioes", "none"]
Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0)]
COMMENT = spelled(r"^[^\W\d_][\w. -]*$", "the name of a comment, with a letter first")
CommentName = Annotated[str, StringConstraints(pattern=COMMENT)]

TOKENS, TEXTS = "token-classification", "sequence-classification"


def _known_encoding(name: str) -> str:
    """Return the name of a text encoding.

    Raises:
        ValueError: Python has none of this name (https://docs.python.org/3/library/codecs.html#standard-encodings).
    """
    try:
        known = "a\n".encode(name).decode(name) == "a\n"
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(f"expected a text encoding such as utf-8, latin-1, cp1252 or gb18030; found {name!r}")
    return name


class FileFormat(Entry):
    """What every format has."""

    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    """Encoding of the files, by Python's name: latin-1, cp1252, gb18030."""
    label_until: Annotated[str, Field(min_length=1)] | None = None
    """What ends a label within its text: ":" makes TREC's coarse DESC of its fine DESC:manner. All of it by default."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Labels to call otherwise, where files of a task name one label in two ways: {contradictory: contradiction}."""

    def cut(self, label: str) -> str:
        """Return as much of a label as counts."""
        return label if self.label_until is None else label.partition(self.label_until)[0].rstrip()


class Conll(FileFormat):
    """A word a line in columns, a blank line between sentences."""

    separator: Literal[" ", "\t", "whitespace"] = " "
    """What stands between columns; `whitespace` is one or more blanks or tabs."""
    word: int = 0
    """Column of the word, counted from 0; -1 is the last."""
    label: int | CommentName = -1
    """Column of the label, or the name of the comment before a sentence that gives it: intent of "# intent: alarm". A
    column gives the label of a whole sentence where it is the same for all its words."""
    scheme: Scheme
    columns_vary: bool = False
    """Whether sentences may differ in their number of columns, as in CoNLL-2009 and CoNLL-2012, which have one for each
    predicate; the rows of one sentence may not."""
    skip: str = "-DOCSTART-"
    """Lines that begin so stand between documents and are no words."""
    prefix: str = ""
    """What stands before each word and is no part of it: "{language}:" in WikiANN's files."""

    @model_validator(mode="after")
    def _has_spans_of_words(self) -> Self:
        if isinstance(self.label, str) and self.scheme != "none":
            raise ValueError(f"scheme: expected none, as the comment {self.label!r} labels whole sentences")
        return self


class Conllu(FileFormat):
    """Universal Dependencies' CoNLL-U; the syntactic words, without the ranges of multi-word tokens."""

    label: Literal["upos", "xpos"] = "upos"
    leading: PositiveInt | None = None
    """Characters of a tag that count, where they are its category: 1 of MULTEXT-East's; all by default."""


class SlotGated(FileFormat):
    """The three files of Goo et al. (2018) in a folder a split: seq.in, seq.out (IOB2) and label."""

    label: Literal["slots", "intent"]


class Columns(FileFormat):
    """Rows of Parquet or JSON: words and labels for token tasks; text and label, perhaps a pair, for others."""

    words: Column | None = None
    labels: Column | None = None
    scheme: Scheme | None = None
    text: Column | None = None
    pair: Column | None = None
    """Column of the second text, where a label is that of two texts, such as premise and hypothesis."""
    label: Column | None = None
    language: Column | None = None
    """Column of the language's code, where one file holds several languages; rows of other languages are left out."""

    @model_validator(mode="after")
    def _names_what_belongs_together(self) -> Self:
        words = [part is not None for part in (self.words, self.labels, self.scheme)]
        text = [part is not None for part in (self.text, self.label)]
        if not (all(words) and not any(text)) and not (all(text) and not any(words)):
            raise ValueError("expected words, labels and scheme, or text and label")
        if self.pair is not None and self.words is not None:
            raise ValueError("pair: expected with text and label only")
        return self

    @property
    def chosen_columns(self) -> list[Column]:
        """Every column that is read."""
        columns = (self.words, self.labels, self.text, self.pair, self.label, self.language)
        return [column for column in columns if column is not None]


class Delimited(Columns):
    """A row a line, TSV or CSV; words and labels stand in their cells with blanks between them."""

    separator: Literal["\t", ",", ";"] = "\t"
    header: bool = True
    quoted: bool = False
    """Whether quotation marks enclose fields, as CSV has it; otherwise they are part of the text."""

    @model_validator(mode="after")
    def _names_columns_by_header(self) -> Self:
        if not self.header and any(isinstance(column, str) for column in self.chosen_columns):
            raise ValueError("expected the numbers of columns, from 0, as there is no header to name them")
        return self


class LabelText(FileFormat):
    """A label, a separator and the text on each line."""

    separator: Literal[" ", "\t", ","] = " "


class Bracketed(FileFormat):
    """Rows of Parquet or JSON with slots in brackets, as in MASSIVE: "wake me at [time : five am]"."""

    utterance: str
    """Column of the annotated utterance."""
    characters: list[Language] = Field(default_factory=list)
    """Languages written without blanks, whose characters stand as words (MASSIVE's own reading of ja and zh)."""


class Format(Entry):
    """How the files are written: exactly one of these."""

    conll: Conll | None = None
    conllu: Conllu | None = None
    slotgated: SlotGated | None = None
    table: Delimited | None = None
    label_text: Annotated[LabelText | None, Field(alias="label-text")] = None
    columns: Columns | None = None
    bracketed: Bracketed | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1 or self.chosen is None:
            raise ValueError("expected exactly one of conll, conllu, slotgated, table, label-text, columns, bracketed")
        return self

    @property
    def chosen(self) -> FileFormat | None:
        """The one format that the file names."""
        return next((value for value in dict(self).values() if value is not None), None)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of task whose examples the format can hold."""
        chosen = self.chosen
        if isinstance(chosen, Conll) and chosen.scheme == "none":
            return (TEXTS,) if isinstance(chosen.label, str) else (TOKENS, TEXTS)
        if isinstance(chosen, SlotGated):
            return (TOKENS,) if chosen.label == "slots" else (TEXTS,)
        if isinstance(chosen, Columns):
            return (TOKENS,) if chosen.words is not None else (TEXTS,)
        return (TEXTS,) if isinstance(chosen, LabelText) else (TOKENS,)

    @property
    def scheme(self) -> Scheme:
        """How the labels mark spans; `none` where each word or text has a label of its own."""
        chosen = self.chosen
        if isinstance(chosen, (Conll, Columns)):
            return chosen.scheme or "none"
        return "iob2" if isinstance(chosen, (SlotGated, Bracketed)) and self.kinds == (TOKENS,) else "none"

    @property
    def pairs(self) -> bool:
        """Whether each label is that of two texts."""
        return isinstance(self.chosen, Columns) and self.chosen.pair is not None

    @property
    def tells_languages(self) -> bool:
        """Whether a column of the files tells the languages apart."""
        return isinstance(self.chosen, Columns) and self.chosen.language is not None
