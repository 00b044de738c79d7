"""The maker `pretrain`: a new encoder, trained on the token blocks of a tokenizer of the study."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from smelt.entry import Name, refer
from smelt.study.architectures import ARCHITECTURES, Shape, refuse_unfit_objective
from smelt.study.makers.base import NUMBERS, Definitions, FinetuningRuns, refuse_unknown
from smelt.study.makers.trained import TrainedOnBlocks, TrainedRules, TrainingSettings
from smelt.study.paths import Paths
from smelt.study.resources import BYTES, STATES, gpus_for, libraries_for, minutes_for, pass_megabytes


class Pretrain(TrainedOnBlocks):
    """A new encoder, pretrained with masked language modelling and what its recipe predicts of sentences."""

    command: ClassVar = ("smelt.models.pretrain", "pretrain a model from scratch")

    maker: Literal["pretrain"]
    """The model learns from random weights."""
    architecture: str | Shape
    """A name of those below, or the numbers themselves."""
    tokenizer: Name
    """A tokenizer of the study."""

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, value: str | Shape) -> str | Shape:
        return refuse_unknown(value, ARCHITECTURES, "architecture") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole_recipe_is_valid(self) -> Self:
        objective = self.training.objective  # the overridden recipe checks itself as it is built
        refuse_unfit_objective(self.shape, objective)
        return self

    @classmethod
    def rules(cls, study: Definitions, paths: Paths, runs: FinetuningRuns) -> "PretrainRules":
        """Return what its rule asks."""
        return PretrainRules(cls, study, paths, runs)

    @property
    def shape(self) -> Shape:
        """The numbers of the architecture."""
        return ARCHITECTURES[self.architecture] if isinstance(self.architecture, str) else self.architecture

    @property
    def trained_tokenizer(self) -> str:
        """Its tokenizer, which the study trains."""
        return self.tokenizer

    def check(self, key: str, study: Definitions) -> None:
        """Check that its tokenizer and its corpus are there."""
        refer(f"{key}.tokenizer", self.tokenizer, study.tokenizers)
        refer(f"{key}.corpus", self.corpus, study.corpora)

    def numbers(self, study: Definitions) -> dict[str, int]:  # noqa: ARG002 - models made from others need it
        """Return the numbers of its shape."""
        return {key: getattr(self.shape, key) for key in NUMBERS}

    def family(self, study: Definitions) -> str:  # noqa: ARG002 - as above
        """Return the family of its shape."""
        return self.shape.family

    def embedding_width(self, study: Definitions) -> int:  # noqa: ARG002 - as above
        """Return the width of its embeddings."""
        return self.shape.embedding

    def describe(self, study: Definitions) -> tuple[str, str]:  # noqa: ARG002 - as above
        """Return its architecture, tokenizer and corpus, and its training."""
        shape = self.architecture if isinstance(self.architecture, str) else "own shape"
        return f"{shape}, {self.tokenizer}, {self.corpus}", self.describe_training()


class PretrainingSettings(TrainingSettings):
    """All that decides a model's weights, apart from its blocks and tokenizer."""

    shape: Shape

    @model_validator(mode="after")
    def _shape_and_recipe_go_together(self) -> Self:
        refuse_unfit_objective(self.shape, self.recipe.objective)
        return self


class PretrainRules(TrainedRules[Pretrain]):
    """Answers to `rules/pretrain.smk`."""

    def tokenizer(self, wildcards: Any) -> str:
        """Return the tokenizer folder of {model}."""
        return self.paths.tokenizer(self.entry(wildcards).tokenizer)

    def training_settings(self, model: Pretrain, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a model is trained with: shape, recipe, sampling, seed and version."""
        return {"shape": model.shape.model_dump(), "recipe": recipe, **self.sampling(model)}

    def parameters(self, wildcards: Any) -> int:
        """Return how many parameters {model} has, about."""
        model = self.entry(wildcards)
        return model.shape.parameters(self.study.tokenizers[model.tokenizer].vocabulary)

    def gpus(self, wildcards: Any) -> int:
        """Return how many GPUs {model} asks for."""
        return gpus_for(self.parameters(wildcards))

    def memory(self, wildcards: Any) -> int:
        """Return the MB that {model} takes: libraries, weights and what an optimizer keeps, and a pass.

        With a GPU it takes less, because the pass is there.
        """
        parameters, model = self.parameters(wildcards), self.entry(wildcards)
        weights = parameters * BYTES * STATES / 1e6
        return int(libraries_for(parameters) + weights + pass_megabytes(model.shape.model_dump(), model.training.data))

    def minutes(self, wildcards: Any) -> int:
        """Return the minutes that {model} may take before it goes on in another job."""
        return minutes_for(self.gpus(wildcards))
