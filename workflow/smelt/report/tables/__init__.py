"""The kinds of tables that a study may ask for: a kind is one file, and one line here."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import Field

from smelt.entry import entry_of
from smelt.errors import SmeltError
from smelt.report.tables.averages import AveragesTable
from smelt.report.tables.base import TableEntry
from smelt.report.tables.corpora import CorporaTable
from smelt.report.tables.correlations import CorrelationsTable
from smelt.report.tables.cost import CostTable
from smelt.report.tables.data import DataTable
from smelt.report.tables.efficiency import EfficiencyTable
from smelt.report.tables.example import ExampleTable
from smelt.report.tables.finetuning import FinetuningTable
from smelt.report.tables.grid import GridTable
from smelt.report.tables.languages import LanguagesTable
from smelt.report.tables.monolingual import MonolingualTable
from smelt.report.tables.published import PublishedTable
from smelt.report.tables.reductions import ReductionsTable
from smelt.report.tables.scores import ScoresTable
from smelt.report.tables.scripts import ScriptsTable
from smelt.report.tables.segmentation import SegmentationTable
from smelt.report.tables.stages import StagesTable
from smelt.report.tables.students import StudentsTable
from smelt.report.tables.tradeoff import TradeoffTable
from smelt.report.tables.training import TrainingTable
from smelt.report.tables.vocabulary import VocabularyTable
from smelt.report.tables.words import WordsOfModelsTable

Table = Annotated[
    ScoresTable
    | SegmentationTable
    | ExampleTable
    | CorrelationsTable
    | VocabularyTable
    | LanguagesTable
    | MonolingualTable
    | GridTable
    | StagesTable
    | TradeoffTable
    | ReductionsTable
    | EfficiencyTable
    | AveragesTable
    | TrainingTable
    | FinetuningTable
    | CostTable
    | DataTable
    | ScriptsTable
    | WordsOfModelsTable
    | CorporaTable
    | StudentsTable
    | PublishedTable,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[TableEntry]] = {
    get_args(entry.model_fields["kind"].annotation)[0]: entry for entry in get_args(get_args(Table)[0])
}


def table_of(settings: Mapping[str, Any]) -> TableEntry:
    """Return the entry of a table, from the settings of a command.

    Raises:
        SmeltError: the kind is unknown, or the settings lack what it needs or hold something else.
    """
    kind = settings.get("kind")
    if kind not in KINDS:
        raise SmeltError("--settings", f"kind {kind!r} is none: expected {', '.join(KINDS)}")
    entry = KINDS[kind]
    keys = [name for name, field in entry.model_fields.items() if field.is_required()]
    if missing := [key for key in dict.fromkeys([*keys, *entry.needed]) if key not in settings]:
        raise SmeltError(
            "--settings", f"lacks {', '.join(missing)}: expected the table as the study's catalogue gives it"
        )
    return entry_of(entry, settings)
