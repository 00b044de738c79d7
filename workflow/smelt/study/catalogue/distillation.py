"""What distilled models are made from: their teachers, blocks of their tokenizer, and settings."""

import json
from typing import Any

from smelt.study.catalogue.amplification import Amplified
from smelt.study.catalogue.base import STATES, gpus_for, libraries_for, megabytes, parameters_in
from smelt.study.catalogue.models import PASS_MB, pass_megabytes
from smelt.study.lineage import numbers_of
from smelt.study.makers import Distil
from smelt.training.recipes import RECIPE_VERSION, Recipe

# Part of the rule's params, besides the recipe's version: raise it when the same settings come to mean another student.
# Comments and refactorings leave it alone.
DISTILLATION_VERSION = 1

BASE = {"layers": 12, "hidden": 768, "heads": 12, "feed_forward": 3072}  # assumed of adopted models


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

    def distillation_gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs distilling {model} asks for: none where it and its teachers are small."""
        return gpus_for(parameters_in(input.teachers))

    def distillation_memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that distilling {model} takes: libraries, teachers as they load, the student and a pass.

        The student counts with the first teacher's weights: it rarely has more.
        """
        model = self.distilled(wildcards.model)
        shape = BASE | numbers_of(wildcards.model, self.study.models)
        weights = 2 * megabytes(input.teachers) + STATES * megabytes(input.teachers[:1])
        libraries = libraries_for(parameters_in(input.teachers))
        # The teachers leave nothing behind to go back through, and at most as much as a student at any moment.
        return int(libraries + weights + min(PASS_MB, 2 * pass_megabytes(shape, model.training)))

    def distillation_minutes(self, wildcards: Any, input: Any) -> int:
        """Return the minutes that distilling {model} may take before it goes on in another job: 4 hours, or 20."""
        return 1200 if self.distillation_gpus(wildcards, input) else 240
