"""Tables of the scripts of vocabularies: how many pieces each script has (Eliquare, Figure 1)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.report.hypotheses import Label
from smelt.report.render import Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutTasks, unique
from smelt.report.vocabularies import VocabularyPieces
from smelt.scripts import NO_SCRIPT, known_script, name_of_script, script_of

COLUMNS = ("model", "script", "codes", "pieces", "share", "vocabulary")
NO_LETTERS = "no letters"
Scripts = Annotated[list[Annotated[str, AfterValidator(known_script)]], Field(min_length=1), Distinct]


class ScriptsTable(TableWithoutTasks):
    """Pieces of models' vocabularies by the script that they are written in, with a figure of bars (Eliquare,
    Figure 1)."""

    kind: Literal["scripts"]
    models: Annotated[list[Name], Field(min_length=1), Distinct]
    """Models whose vocabularies are counted: two columns each."""
    groups: Annotated[dict[Label, Scripts], Field(min_length=1)] | None = None
    """Label → scripts that are counted together, by their codes in ISO 15924: `CJK: [Hani, Hira, Kana, Hang]`. Others
    have a row each."""

    @model_validator(mode="after")
    def _counts_each_script_once(self) -> Self:
        codes = [code for group in (self.groups or {}).values() for code in group]
        if repeated := [code for place, code in enumerate(codes) if code in codes[:place]]:
            raise ValueError(f"groups: {repeated[0]} stands in two groups")
        return self

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the folders of the models."""
        return [f"{study.results}/models/{model}" for model in self.models]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a script or group, the one with most pieces first; those without letters last."""
        counted = read_scripts(self, job.sources)
        labels = unique(label for each in counted for label in each.labels())
        labels.sort(key=lambda label: (label == NO_LETTERS, -sum(each.pieces.get(label, 0) for each in counted)))
        of_model = [f" ({each.model})" if len(counted) > 1 else "" for each in counted]
        heads = [head for name in of_model for head in (f"Pieces{name}", f"Share{name}")]
        rows = [Row(label, [cell for each in counted for cell in each.cells(label)]) for label in labels]
        table = PaperTable(
            job.name,
            self.caption or "Pieces of the vocabulary by script",
            [Grid("Script", heads, [Group(rows)])],
            self._notes(counted),
        )
        numbers = [
            (each.model, label, each.codes.get(label, ""), each.pieces[label], each.share(label), each.size)
            for each in counted
            for label in labels
            if label in each.pieces
        ]
        return Made(table, numbers, COLUMNS)

    def _notes(self, counted: Sequence["CountedScripts"]) -> list[str]:
        sizes = "; ".join(f"{each.model}: {each.size:,} pieces" for each in counted)
        groups = [f"{label}: {', '.join(map(name_of_script, codes))}" for label, codes in (self.groups or {}).items()]
        return [
            f"{sizes}. A piece counts for the script of most of its letters, as Unicode has it; {NO_LETTERS}: digits,"
            " signs, special pieces, and bytes that are no whole letter.",
            *([f"{'; '.join(groups)}."] if groups else []),
        ]


@dataclass(frozen=True)
class CountedScripts:
    """The pieces of a vocabulary by script, or group of scripts."""

    model: str
    pieces: Mapping[str, int]
    codes: Mapping[str, str]
    """The scripts behind each label."""

    @property
    def size(self) -> int:
        """All pieces."""
        return sum(self.pieces.values())

    def labels(self) -> list[str]:
        """Return the scripts and groups that have pieces."""
        return list(self.pieces)

    def share(self, label: str) -> float:
        """Return a script's share of the pieces."""
        return self.pieces.get(label, 0) / self.size

    def cells(self, label: str) -> list[Cell]:
        """Return the number of pieces and its share."""
        return [Cell(f"{self.pieces.get(label, 0):,}"), Cell(f"{self.share(label):.1%}")]


def read_scripts(table: ScriptsTable, folders: Sequence[Path]) -> list[CountedScripts]:
    """Return the counts of each model's vocabulary.

    Raises:
        SmeltError: there are no folders, or one has no tokenizer.
    """
    if not folders:
        raise SmeltError("--sources", "expected the folders of models, found none")
    group_of = {code: label for label, codes in (table.groups or {}).items() for code in codes}
    found = []
    for vocabulary in map(VocabularyPieces, folders):
        scripts = Counter(map(script_of, vocabulary.pieces()))
        pieces, codes = Counter[str](), dict[str, str]()
        for code, count in scripts.most_common():
            label = NO_LETTERS if code == NO_SCRIPT else group_of.get(code) or name_of_script(code)
            pieces[label] += count
            codes[label] = f"{codes[label]} {code}" if label in codes else code
        found.append(CountedScripts(vocabulary.model, dict(pieces), codes))
    return found
