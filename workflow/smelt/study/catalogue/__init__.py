"""What stands where: the files a study reads and writes, as the rules ask for them.

Rules hold no logic: they ask a Catalogue, which knows the study, for the inputs and settings that wildcards stand for.
Its parts stand on each other as the stages do: corpora, tokenizers, models, reduction, amplification, distillation,
fine-tuning, compression, efficiency, report.
"""

from pathlib import Path

from smelt.study.catalogue.base import GENERATED
from smelt.study.catalogue.report import Reports
from smelt.study.load import load_study
from smelt.tasks.task_file import OWN_TASKS

__all__ = ["GENERATED", "Catalogue"]


class Catalogue(Reports):
    """The study, and the paths of everything it reads and makes."""

    @classmethod
    def load(cls, path: str | Path) -> "Catalogue":
        """Return the catalogue of a study file; task files of its own lie in the folder `tasks` beside it."""
        return cls(load_study(Path(path)), Path(path).parent / OWN_TASKS)
