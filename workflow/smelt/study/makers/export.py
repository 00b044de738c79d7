"""The maker `export`: a model of the study as ONNX Runtime runs it."""

import json
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from smelt.entry import Distinct, Entry, Name, refuse_idle
from smelt.study.makers.base import Definitions, FinetuningRuns, Maker, MakerRules
from smelt.study.paths import Paths
from smelt.study.resources import megabytes

# Part of the params of rules that export: raise it when the same settings come to mean other files.
# Comments and refactorings leave it alone.
EXPORT_VERSION = 3


class ExportSettings(Entry):
    """The format of an export."""

    format: Literal["onnx", "int8"]
    """`onnx`: fp32 weights, equal to its source to rounding; `int8`: weights and embeddings of eight bits, and
    activations quantised at run time: smaller, faster and only near its source."""
    reduce_range: bool = False
    """In `int8`, use seven bits: for x86 processors without VNNI, whose sums of products of eight bits saturate."""
    pooling: bool = True
    """Of a model of sentence-transformers: its pooling, dense layers and normalisation are in the graph, whose output
    `sentence_embedding` they make. `false` leaves them out; other models have none."""


class Export(ExportSettings, Maker):
    """A model of the study as ONNX Runtime runs it: its encoder without heads, to be deployed and measured."""

    command: ClassVar = ("smelt.models.export", "write a model for ONNX Runtime, in fp32 or int8")

    maker: Literal["export"]
    """The model is another one's encoder, as `model.onnx` for ONNX Runtime."""
    source: Name
    """The model to export, of any other maker."""
    tasks: Annotated[list[Name], Distinct] | Literal["own"] | None = Field(default=[])
    """None can be named: an exported model is not fine-tuned."""

    takes_compressed: ClassVar[bool] = True
    is_exported: ClassVar[bool] = True

    @field_validator("tasks", "tested_on")
    @classmethod
    def _is_not_fine_tuned(cls, value: list[str] | None) -> list[str]:
        if value:
            raise ValueError("an exported model is not fine-tuned: fine-tune its source, and leave this key out")
        return []

    @model_validator(mode="after")
    def _narrows_integers(self) -> Self:
        if self.format != "int8":
            refuse_idle("", self, {"reduce_range": f"on format: {self.format}; it belongs to int8"})
        return self

    @classmethod
    def rules(cls, study: Definitions, paths: Paths, runs: FinetuningRuns) -> "ExportRules":
        """Return what its rules ask."""
        return ExportRules(cls, study, paths, runs)

    @property
    def sources(self) -> list[str]:
        """The model that is exported."""
        return [self.source]

    @property
    def relation(self) -> str | None:
        """Quantized, with weights of eight bits."""
        return "quantized" if self.format == "int8" else None

    def refuse_as_source(self, name: str, of: Maker) -> None:  # noqa: ARG002 - other makers need it
        """Refuse any model, because no weights can be read from an export."""
        raise ValueError(
            f"{name!r} is an export, from which no other model can be made: expected its own source, {self.source!r}"
        )

    def describe(self, study: Definitions) -> tuple[str, str]:  # noqa: ARG002 - as above
        """Return its source and its format."""
        return self.source, self.format


class ExportRules(MakerRules[Export]):
    """Answers to `rules/export.smk`."""

    version = EXPORT_VERSION

    def folder(self, wildcards: Any) -> str:
        """Return the folder of {model}, of any maker, which is exported to be weighed."""
        return self.paths.model(wildcards.model)

    def settings(self, wildcards: Any) -> str:
        """Return what {model} is written as, as JSON."""
        return json.dumps(self.entry(wildcards).model_dump(include=set(ExportSettings.model_fields)))

    def memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the MB that an export takes: libraries, and the model some times over as it is traced and checked."""
        return int(2_000 + 8 * megabytes([input.source]))
