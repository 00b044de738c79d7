"""The models that the efficiency benchmark measures, and the paths of its figures."""

from pathlib import Path
from typing import Any

from smelt.study.paths import Paths
from smelt.study.resources import megabytes
from smelt.study.schema import Study

# Part of the params of the rule that measures: raise it when the same settings come to mean other figures.
# Comments and refactorings leave it alone.
EFFICIENCY_VERSION = 1

PROCESS_MB = 900  # libraries and what passes take, of a process that holds a model
RATIO = 1.25  # what loading takes at its highest, by the size of the files
MOST_MB = 32_000


class EfficiencyRules:
    """Answers to `rules/efficiency.smk`."""

    version = EFFICIENCY_VERSION

    def __init__(self, study: Study, paths: Paths) -> None:
        """Take a checked study."""
        self.study = study
        self.paths = paths

    def models(self) -> list[str]:
        """Return the folders of the models that are measured."""
        return [self.paths.model(name) for name in self.study.measured]

    def int8(self) -> list[str]:
        """Return the exports that are made only to measure their size: of all measured models that are not exports."""
        settings = self.study.benchmark
        if settings is None or "int8" not in settings.sizes:
            return []
        names = [name for name in self.study.measured if not self.study.models[name].is_exported]
        return [f"{self.paths.results}/exports/int8/{name}" for name in names]

    def figures(self) -> list[str]:
        """Return the files of the figures, one a model."""
        return [f"{self.paths.results}/efficiency/{name}.json" for name in self.study.measured]

    def settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return what is measured and how, as JSON with the version."""
        settings = self.study.benchmark
        return "" if settings is None else settings.model_dump_json(exclude={"models"})

    def folder(self, wildcards: Any, output: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the folder that the figures are written to."""
        return str(Path(output[0]).parent)

    def memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the MB that all models together take, alive, or those that groups of them have to do with."""
        return min(MOST_MB, int(PROCESS_MB * (1 + len(input.models)) + RATIO * megabytes([*input.models, *input.int8])))
