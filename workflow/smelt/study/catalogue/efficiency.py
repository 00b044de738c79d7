"""What the efficiency ruler measures, and where its figures stand."""

import json
from pathlib import Path
from typing import Any

from smelt.study.catalogue.base import megabytes
from smelt.study.catalogue.compression import Compressed
from smelt.study.makers import Export

# Part of the params of rules that export or measure: raise one when the same settings come to mean other files or
# figures. Comments and refactorings leave it alone.
EXPORT_VERSION = 2
EFFICIENCY_VERSION = 1

PROCESS_MB = 900  # libraries and what passes take, of a process that holds a model
RATIO = 1.25  # what loading takes at its highest, by the size of the files
MOST_MB = 32_000


class Efficiencies(Compressed):
    """Exports, and the figures of all models."""

    def exported(self, wildcards: Any) -> Export:
        """Return the entry of {model}, which is exported."""
        model = self.study.models[wildcards.model]
        assert isinstance(model, Export)
        return model

    def exported_source(self, wildcards: Any) -> str:
        """Return the folder that {model} is exported from."""
        return f"{self.results}/models/{self.exported(wildcards).source}"

    def export_settings(self, wildcards: Any) -> str:
        """Return what {model} is written as, as JSON."""
        return json.dumps(self.exported(wildcards).settings.model_dump())

    def model_folder(self, wildcards: Any) -> str:
        """Return the folder of {model}."""
        return f"{self.results}/models/{wildcards.model}"

    @property
    def export_version(self) -> int:
        """The version of exported folders: raising it makes them again."""
        return EXPORT_VERSION

    def measured_folders(self) -> list[str]:
        """Return the folders of the models that are measured."""
        return [f"{self.results}/models/{name}" for name in self.study.measured]

    def int8_exports(self) -> list[str]:
        """Return the exports that are made only to be weighed: of all measured models that are none themselves."""
        settings = self.study.efficiency
        if settings is None or "int8" not in settings.sizes:
            return []
        names = [name for name in self.study.measured if not isinstance(self.study.models[name], Export)]
        return [f"{self.results}/exports/int8/{name}" for name in names]

    def efficiencies(self) -> list[str]:
        """Return the files of the ruler's figures, one a model."""
        return [f"{self.results}/efficiency/{name}.json" for name in self.study.measured]

    def efficiency_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return what is measured and how, as JSON with the version."""
        settings = self.study.efficiency
        return "" if settings is None else settings.model_dump_json(exclude={"models"})

    @property
    def efficiency_version(self) -> int:
        """The version of the ruler: raising it measures again."""
        return EFFICIENCY_VERSION

    def efficiency_folder(self, wildcards: Any, output: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the folder that the figures are written to."""
        return str(Path(output[0]).parent)

    def efficiency_memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - as above
        """Return the MB that all models together take, alive, or those that groups of them are to make do with."""
        return min(MOST_MB, int(PROCESS_MB * (1 + len(input.models)) + RATIO * megabytes([*input.models, *input.int8])))

    def export_memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - as above
        """Return the MB that an export takes: libraries, and the model some times over as it is traced and checked."""
        return int(2_000 + 8 * megabytes([input.source]))
