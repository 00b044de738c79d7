"""The base of the makers that train on token blocks: a recipe, blocks, and settings in two parts."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

from pydantic import field_validator, model_validator

from smelt.entry import Name, refuse_idle
from smelt.mixture import Mixture
from smelt.numbers import Seed
from smelt.study.makers.base import BlocksRead, Maker, MakerRules, block_folders, refuse_unknown
from smelt.training.recipes import BESIDE_THE_MODEL, RECIPE_VERSION, RECIPES, Recipe, RecipeOverrides, override_recipe


class TrainedOnBlocks(Maker):
    """The keys of every model that is trained on token blocks."""

    corpus: Name
    """The corpus to learn on."""
    recipe: str
    """A named set of settings: `albert`, `fast`, `small`, `eliquare` or `distil`."""
    settings: RecipeOverrides = RecipeOverrides()
    """Settings of the recipe to override."""
    seed: Seed = 1
    """Seed of weights, order and masks."""

    beside_results: ClassVar = {"settings": BESIDE_THE_MODEL}
    chooses_vocabulary: ClassVar[bool] = True

    @field_validator("recipe")
    @classmethod
    def _known_recipe(cls, value: str) -> str:
        return refuse_unknown(value, RECIPES, "recipe")

    @model_validator(mode="after")
    def _sets_nothing_idle(self) -> Self:
        refuse_idle("settings.", self.settings, self.training.idle())
        every, steps = self._overrides.get("validation", {}).get("every"), self.training.schedule.steps
        if every and steps and every > steps:
            raise ValueError(
                f"settings.validation.every: expected at most the run's {steps} steps, which measure once, at the end;"
                f" found {every}"
            )
        return self

    @property
    def training(self) -> Recipe:
        """The recipe with the study's own settings."""
        return override_recipe(self.recipe, self._overrides)

    @property
    def _overrides(self) -> dict[str, Any]:
        return self.settings.model_dump(exclude_unset=True)

    @property
    def blocks(self) -> BlocksRead:
        """The token blocks that it is trained on: all languages of its corpus."""
        return BlocksRead(self.corpus, None, f"{self.training.data.packing}-{self.training.data.length}")

    def describe_training(self) -> str:
        """Return how it is trained, in a few words."""
        recipe = self.training
        return f"{self.recipe}: {recipe.schedule.duration} of {recipe.data.batch} x {recipe.data.length} tokens"


class TrainingSettings(Mixture):
    """What decides a model's weights with every such maker, apart from its blocks and tokenizer."""

    recipe: Recipe
    seed: Seed
    version: int
    """RECIPE_VERSION: the same settings under another version mean another model."""


T = TypeVar("T", bound=TrainedOnBlocks)


class TrainedRules(MakerRules[T]):
    """Answers to the rules of a maker that trains on token blocks."""

    def blocks(self, wildcards: Any) -> list[str]:
        """Return the block folders that {model} is trained on, one a language."""
        return block_folders(wildcards.model, self.study, self.paths)

    def settings(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return the settings that {model} is trained with, as JSON.

        Snakemake compares no param whose function takes `input`; `identity` stands for this one.
        """
        model = self.entry(wildcards)
        return json.dumps(self.training_settings(model, model.training.model_dump()))

    def identity(self, wildcards: Any) -> str:
        """Return the settings that Snakemake compares, as JSON: those that change {model}.

        The recipe's parts that do not change the model are left out, so that an edit of them retrains nothing.
        """
        model = self.entry(wildcards)
        return json.dumps(self.training_settings(model, model.training.identity()))

    def training_settings(self, model: T, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a model is trained with, with the recipe given as a mapping."""
        raise NotImplementedError(type(self))

    def sampling(self, model: T) -> dict[str, Any]:
        """Return what trained models have in common: how languages are mixed, the seed, and the recipe's version."""
        return {
            **self.study.corpora[model.corpus].sampling.model_dump(),
            "seed": model.seed,
            "version": RECIPE_VERSION,
        }
