"""What models are made from, one maker beside the other, and where they stand."""

import json
from typing import Any

from smelt.study.catalogue.tokenizers import Tokenizers
from smelt.study.makers import Adopt, Pretrain
from smelt.training.recipes import RECIPE_VERSION


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
        model = self.pretrained(wildcards.model)
        blocks = f"{model.training.packing}-{model.training.length}"
        return [
            f"{self.results}/blocks/{model.corpus}/{model.tokenizer}/{blocks}/{language}"
            for language in self.study.corpora[model.corpus].languages
        ]

    def tokenizer_of_model(self, wildcards: Any) -> str:
        """Return the tokenizer folder of {model}."""
        return f"{self.results}/tokenizers/{self.pretrained(wildcards.model).tokenizer}"

    def pretraining_settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} becomes, as JSON: shape, whole recipe, sampling, seed and version."""
        model = self.pretrained(wildcards.model)
        return json.dumps(
            {
                "shape": model.shape.model_dump(),
                "recipe": model.training.model_dump(),
                "alpha": self.study.corpora[model.corpus].sampling.alpha,
                "seed": model.seed,
                "version": RECIPE_VERSION,
            }
        )

    def adopted_source(self, wildcards: Any) -> str:
        """Return where {model} is adopted from, as JSON: hub and revision, or folder."""
        model = self.study.models[wildcards.model]
        assert isinstance(model, Adopt)
        return json.dumps(model.model_dump(include={"hub", "revision", "folder"}, exclude_none=True))

    def adopted_folder(self, wildcards: Any) -> list[str]:
        """Return the local folder that {model} is adopted from, if it is one."""
        model = self.study.models[wildcards.model]
        return [model.folder] if isinstance(model, Adopt) and model.folder else []

    def learning_curves(self) -> list[str]:
        """Return the learning curves of all pretrained models."""
        return [f"{self.logs}/models/{name}.curve.csv" for name in self.made_by("pretrain")]

    def model_folders(self, maker: str | None = None) -> list[str]:
        """Return the folders of all models, or of those of one maker."""
        models = self.study.models if maker is None else self.made_by(maker)
        return [f"{self.results}/models/{name}" for name in models]
