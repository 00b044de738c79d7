"""What distilled models are made from: their teachers, blocks of their tokenizer, and settings."""

import json
from typing import Any

from smelt.study.catalogue.amplification import Amplified
from smelt.study.makers import Distil
from smelt.training.recipes import RECIPE_VERSION, Recipe

# Part of the rule's params, besides the recipe's version: raise it when the same settings come to mean another student.
# Comments and refactorings leave it alone.
DISTILLATION_VERSION = 1

TRAINING_MB = 24_000  # what a base model's training takes beside a GPU
TEACHER_MB = 8_000  # a large model in fp32, while its file is read


class Distilled(Amplified):
    """Students and their teachers."""

    def distilled(self, name: str) -> Distil:
        """Return the entry of a model that is distilled."""
        model = self.study.models[name]
        assert isinstance(model, Distil)
        return model

    def teachers_of_model(self, wildcards: Any) -> list[str]:
        """Return the folders of the teachers of {model}, that with its tokenizer first."""
        return [f"{self.results}/models/{teacher}" for teacher in self.distilled(wildcards.model).teachers]

    def distillation_settings(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return all that {model} is trained by, as JSON: student, losses, recipe, sampling, seed, versions."""
        model = self.distilled(wildcards.model)
        return self._distillation(model, model.training)

    def distillation_identity(self, wildcards: Any) -> str:
        """Return the part of {model}'s settings that makes another model, as JSON: what Snakemake compares."""
        model = self.distilled(wildcards.model)
        return self._distillation(model, self.compared_recipe(model))

    def _distillation(self, model: Distil, recipe: Recipe) -> str:
        return json.dumps(
            {
                "student": model.student.model_dump(),
                "losses": model.losses.model_dump(),
                "recipe": recipe.model_dump(),
                "alpha": self.study.corpora[model.corpus].sampling.alpha,
                "seed": model.seed,
                "version": RECIPE_VERSION,
                "distillation_version": DISTILLATION_VERSION,
            }
        )

    def distillation_memory(self, wildcards: Any) -> int:
        """Return the MB that distilling {model} takes: a training's, and its teachers'."""
        return TRAINING_MB + TEACHER_MB * len(self.distilled(wildcards.model).teachers)
