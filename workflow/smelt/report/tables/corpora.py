"""Tables of corpora: pages, documents and their sizes by language, and a study's notes on them (Eliquare, Table 2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError, expected_one_of
from smelt.languages import Language
from smelt.mixture import Mixture
from smelt.report.corpus_records import CorpusRecord, read_corpora, shares_of
from smelt.report.hypotheses import Label
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutModels, TableWithoutTasks

HEADS = ["Pages (M)", "Documents", "Held out", "Sentences (M)", "Words (M)", "Share of words"]
COLUMNS = ("corpus", "language", "pages", "documents", "held_out", "sentences", "words", "share")


class CorporaTable(TableWithoutTasks, TableWithoutModels):
    """Pages, documents, sentences and words of a corpus by language, and what the study notes (Eliquare, Table 2)."""

    kind: Literal["corpora"]
    corpus: Name
    """A corpus of the study."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Rows, in this order; by default all of the corpus, the one with most words first."""
    about: dict[Label, dict[Language, str]] = Field(default_factory=dict)
    """Head of a column → language → what stands there, such as `Genus: {fr: Romance}`: what no file of the corpus
    holds."""

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse a corpus that the study lacks, and languages that the corpus lacks."""
        known = [Path(path).parent.name for path in self._of_corpus(study)]
        if not known:
            corpora = list(dict.fromkeys(Path(path).parents[1].name for path in study.corpus_statistics()))
            found = f"no corpus {self.corpus!r}: {expected_one_of(self.corpus, corpora)}"
            raise SmeltError(study.where, f"{key}.corpus: {found}")
        named = [("languages", code) for code in self.languages or ()]
        named += [(f"about.{head}", code) for head, texts in self.about.items() for code in texts]
        for part, code in named:
            if code not in known:
                found = f"{self.corpus!r} has no {code!r}: {expected_one_of(code, known)}"
                raise SmeltError(study.where, f"{key}.{part}: {found}")

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return how the corpus is mixed beside, where its languages do not keep their proportions."""
        mixture = study.mixture(self.corpus)
        return super().facts(study) | ({} if mixture.is_natural else {"mixture": mixture.model_dump()})

    def _of_corpus(self, study: StudyOfTables) -> list[str]:
        return [path for path in study.corpus_statistics() if Path(path).parents[1].name == self.corpus]

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the statistics of the corpus, a file a language."""
        return self._of_corpus(study)

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a language; shares are of all languages of the corpus."""
        if not job.sources:
            raise SmeltError("--sources", "expected statistics.json of each language of a corpus, found none")
        records = sorted(read_corpora(job.sources), key=lambda record: (-record.words, record.language))
        found = {record.language: record for record in records}
        if missing := [code for code in self.languages or () if code not in found]:
            raise SmeltError("--sources", f"hold nothing of {missing[0]!r}: expected a file of each language")
        shown = [found[code] for code in self.languages or found]
        whole = sum(record.words for record in records)
        cells = {record.language: [*self._said(record), *_cells(record, whole)] for record in shown}
        numbers = {record.language: _numbers(record, whole) for record in shown}
        heads, columns, notes = [*self.about, *HEADS], list(COLUMNS), _notes(shown, records)
        if mixture := job.facts.get("mixture"):
            mixed = Mixture(**mixture)
            for language, (_, share) in shares_of(records, mixed).items():
                if language in cells:
                    cells[language].append(Cell(f"{share:.1%}"))
                    numbers[language] += (share,)
            heads, columns = [*heads, "Share drawn"], [*columns, "share_drawn"]
            how = mixed.describe("characters")
            notes.append(f"Share drawn: in samples of tokenizers, {how}; models draw likewise, by tokens.")
        grid = Grid("Language", heads, [Group([Row(code, row) for code, row in cells.items()])])
        table = PaperTable(job.name, self.caption or f"Languages of {self.corpus}", [grid], notes)
        return Made(table, list(numbers.values()), columns)

    def _said(self, record: CorpusRecord) -> list[Cell]:
        return [Cell(texts.get(record.language, NONE)) for texts in self.about.values()]


def _pages(record: CorpusRecord) -> int | None:
    """Return the pages of a language's dumps; none where it has text files."""
    return record.pages.get("pages") or None


def _share(record: CorpusRecord, whole: int) -> float:
    return record.words / whole if whole else 0.0


def _cells(record: CorpusRecord, whole: int) -> list[Cell]:
    pages = _pages(record)
    counts = [Cell(f"{count:,}") for count in (record.documents, record.held_out)]
    millions = [_millions(record.sentences), _millions(record.words)]
    return [_millions(pages), *counts, *millions, Cell(f"{_share(record, whole):.1%}")]


def _millions(count: int | None) -> Cell:
    return Cell(NONE if count is None else digits(count / 1e6))


def _numbers(record: CorpusRecord, whole: int) -> tuple[str | int | float | None, ...]:
    counts = (_pages(record), record.documents, record.held_out, record.sentences, record.words)
    return (record.corpus, record.language, *counts, _share(record, whole))


def _notes(shown: Sequence[CorpusRecord], records: Sequence[CorpusRecord]) -> list[str]:
    notes = ["Documents: texts that are kept, those held out for validation among them; sentences and words: of these."]
    if any(_pages(record) for record in shown):
        notes.insert(0, "Pages: of the dumps, redirects and pages of all kinds among them.")
    if len(shown) < len(records):
        notes.append(f"Shares are of all {len(records)} languages of the corpus.")
    return notes
