"""The parts of a study that rules ask: `study.distil.teachers` is what `rules/distil.smk` needs of the study.

Rules hold no logic. For the inputs and settings that their wildcards stand for they ask the part with their file's
name: of a maker in `smelt.study.makers`, of any other rule file in `smelt.study.rules`.
"""

from pathlib import Path
from typing import Any

from smelt.study.makers import MAKERS
from smelt.study.makers.base import FinetuningRuns, MakerRules
from smelt.study.model_shapes import ModelShapes
from smelt.study.paths import Paths
from smelt.study.rules.corpora import CorporaRules
from smelt.study.rules.efficiency import EfficiencyRules
from smelt.study.rules.finetune import FinetuneRules
from smelt.study.rules.report import ReportRules, TablesView
from smelt.study.rules.tasks import TaskRules
from smelt.study.rules.tokenizers import TokenizerRules
from smelt.study.schema import Study, load_study
from smelt.tasks.task_file import OWN_TASKS


class Catalogue:
    """A study, and the parts of it that rules ask, each of them the object of one rule file."""

    def __init__(self, study: Study, *task_folders: Path) -> None:
        """Take a checked study, and read its task files.

        Args:
            study: the study.
            task_folders: folders of its own task files, which are searched before those that come with smelt.

        Raises:
            SmeltError: a task file is missing or wrong, or a model or table does not fit the tasks.
        """
        self.study = study
        self.paths = Paths(study.study)
        self.tokenizers = TokenizerRules(study, self.paths)
        self.tasks = TaskRules(study, self.paths, task_folders)
        self.corpora = CorporaRules(study, self.paths, self.tasks.files)
        self.runs = FinetuningRuns(study.models, self.tasks.files, study.seeds, study.learns)
        self.shapes = ModelShapes(study, self.paths)
        self.finetune = FinetuneRules(study, self.paths, self.runs, self.shapes)
        self.makers: dict[str, MakerRules[Any]] = {
            name: maker.rules(study.definitions, self.paths, self.runs) for name, maker in MAKERS.items()
        }
        self.efficiency = EfficiencyRules(study, self.paths)
        shown = TablesView(study, self.paths, self.corpora, self.tokenizers, self.finetune, self.efficiency)
        self.report = ReportRules(study, self.paths, self.runs, shown)

    def __getattr__(self, name: str) -> Any:
        """Return the part of a maker, by its name: `study.distil`."""
        makers = self.__dict__.get("makers", {})
        if name not in makers:
            raise AttributeError(f"the catalogue has no part {name!r}")
        return makers[name]

    @classmethod
    def load(cls, path: str | Path) -> "Catalogue":
        """Return the catalogue of a study file; task files of its own lie in the folder `tasks` beside it."""
        return cls(load_study(Path(path)), Path(path).parent / OWN_TASKS)

    def model_folders(self) -> list[str]:
        """Return the folders of all models."""
        return [self.paths.model(name) for name in self.study.models]
