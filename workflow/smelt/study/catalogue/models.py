"""What models are made from, one maker beside the other, and where they stand."""

import json
from collections.abc import Mapping
from typing import Any

from smelt.study.catalogue.base import BYTES, STATES, gpus_for, libraries_for
from smelt.study.catalogue.tokenizers import Tokenizers
from smelt.study.lineage import vocabulary_of
from smelt.study.makers import Adopt, Distil, Pretrain, Trained
from smelt.training.recipes import RECIPE_VERSION, RECIPES, Recipe

PASS_MB = 16_000  # rows pass at once as memory allows: a batch of more goes in parts
ACTIVATIONS = {"hidden": 24, "feed_forward": 5}  # numbers of these widths that a token leaves behind in a layer
INSIDE = 4 / 3  # what a process grows by for what its tensors take


def pass_megabytes(shape: Mapping[str, int], recipe: Recipe) -> float:
    """Return the MB that a batch takes as it passes through a model and back, or those for as many rows as may pass.

    Args:
        shape: the model's layers, hidden and feed_forward.
        recipe: its batch and length count.

    Measured: 2,000 MB for 32,768 tokens through 2 layers of 128 and 512 (estimated: 2,000), 330 for 4,096 through
    bert-mini (estimated: 980).
    """
    layer = sum(number * shape[width] for width, number in ACTIVATIONS.items())
    return float(min(PASS_MB, recipe.batch * recipe.length * shape["layers"] * layer * BYTES * INSIDE / 1e6))


class Models(Tokenizers):
    """Models of every maker."""

    def made_by(self, maker: str) -> list[str]:
        """Return the models of one maker."""
        return [name for name, model in self.study.models.items() if model.maker == maker]

    def pretrained(self, name: str) -> Pretrain:
        """Return the entry of a model that is pretrained."""
        model = self.study.models[name]
        assert isinstance(model, Pretrain)
        return model

    def blocks_of_model(self, wildcards: Any) -> list[str]:
        """Return the block folders that {model} is pretrained on, one a language."""
        return self.blocks_of(wildcards.model)

    def blocks_of(self, name: str) -> list[str]:
        """Return the block folders that a model is trained on, one a language."""
        model = self.study.models[name]
        assert isinstance(model, Trained)
        packed = f"{model.training.packing}-{model.training.length}"
        folder = f"{self.results}/blocks/{model.corpus}/{vocabulary_of(name, self.study.models)}/{packed}"
        return [f"{folder}/{language}" for language in self.languages_of_trained(model)]

    def languages_of_trained(self, model: Trained) -> list[str]:
        """Return the languages that a model is trained on."""
        chosen = model.languages if isinstance(model, Distil) else None
        return chosen or self.study.corpora[model.corpus].languages

    def trained(self) -> list[str]:
        """Return the models that are trained on blocks, of any maker."""
        return [name for name, model in self.study.models.items() if isinstance(model, Trained)]

    def blocks(self) -> list[str]:
        """Return all block folders that models are trained on."""
        return sorted({folder for name in self.trained() for folder in self.blocks_of(name)})

    def blocked_vocabularies(self) -> list[str]:
        """Return the names of the vocabularies that documents are encoded with."""
        return sorted({vocabulary_of(name, self.study.models) for name in self.trained()})

    def tokenizer_of_vocabulary(self, wildcards: Any) -> str:
        """Return the folder with the tokenizer of {vocabulary}: a tokenizer's, or that of a model with its own."""
        name = wildcards.vocabulary
        pretrained = {model.tokenizer for model in self.study.models.values() if isinstance(model, Pretrain)}
        return f"{self.results}/{'tokenizers' if name in pretrained else 'models'}/{name}"

    def tokenizer_of_model(self, wildcards: Any) -> str:
        """Return the tokenizer folder of {model}."""
        return f"{self.results}/tokenizers/{self.pretrained(wildcards.model).tokenizer}"

    def pretraining_settings(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return all that {model} is trained by, as JSON: shape, whole recipe, sampling, seed and version.

        Snakemake compares no param whose function takes `input`; `pretraining_identity` stands for this one.
        """
        model = self.pretrained(wildcards.model)
        return self._pretraining(model, model.training)

    def pretraining_identity(self, wildcards: Any) -> str:
        """Return the part of {model}'s settings that makes another model, as JSON: what Snakemake compares."""
        model = self.pretrained(wildcards.model)
        return self._pretraining(model, self.compared_recipe(model))

    def _pretraining(self, model: Pretrain, recipe: Recipe) -> str:
        return json.dumps(
            {
                "shape": model.shape.model_dump(),
                "recipe": recipe.model_dump(),
                "alpha": self.study.corpora[model.corpus].sampling.alpha,
                "seed": model.seed,
                "version": RECIPE_VERSION,
            }
        )

    def compared_recipe(self, model: Trained) -> Recipe:
        """Return a model's recipe with what makes no other model as the named recipe has it, whatever the study says.

        So an edit of these settings retrains nothing; were they left out, models of earlier versions of smelt, whose
        whole recipe was compared, would all be trained again.
        """
        return model.training.beside_as(RECIPES[model.recipe])

    def pretraining_parameters(self, name: str) -> int:
        """Return how many parameters a model that is pretrained has, about."""
        model = self.pretrained(name)
        return model.shape.parameters(self.study.tokenizers[model.tokenizer].vocabulary)

    def pretraining_gpus(self, wildcards: Any) -> int:
        """Return how many GPUs pretraining {model} asks for."""
        return gpus_for(self.pretraining_parameters(wildcards.model))

    def pretraining_memory(self, wildcards: Any) -> int:
        """Return the MB that pretraining {model} takes: libraries, weights and what an optimizer keeps, and a pass.

        Beside a GPU it is less, for the pass is there.
        """
        parameters, model = self.pretraining_parameters(wildcards.model), self.pretrained(wildcards.model)
        weights = parameters * BYTES * STATES / 1e6
        return int(libraries_for(parameters) + weights + pass_megabytes(model.shape.model_dump(), model.training))

    def pretraining_minutes(self, wildcards: Any) -> int:
        """Return the minutes that pretraining {model} may take before it goes on in another job: 4 hours, or 20."""
        return 1200 if self.pretraining_gpus(wildcards) else 240

    def adopted_source(self, wildcards: Any) -> str:
        """Return where {model} is adopted from, as JSON: hub and revision, or folder; and how, where it was chosen."""
        model = self.study.models[wildcards.model]
        assert isinstance(model, Adopt)
        return json.dumps(model.chosen())

    def adopted_folder(self, wildcards: Any) -> list[str]:
        """Return the local folder that {model} is adopted from, if it is one."""
        model = self.study.models[wildcards.model]
        folders = [model.folder] if isinstance(model, Adopt) and model.folder else []
        return self.sources(folders, f"{self.results}/models/{wildcards.model}")

    def learning_curves(self) -> list[str]:
        """Return the learning curves of all models that are trained."""
        return [f"{self.logs}/models/{name}.curve.csv" for name in self.trained()]

    def model_folders(self, maker: str | None = None) -> list[str]:
        """Return the folders of all models, or of those of one maker."""
        models = self.study.models if maker is None else self.made_by(maker)
        return [f"{self.results}/models/{name}" for name in models]
