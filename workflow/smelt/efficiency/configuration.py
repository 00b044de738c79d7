"""A model as its config.json describes it: parameters and operations, counted without any weights.

What is timed of a folder is its bare encoder; of a compact student (`smelt.architectures`) it is all of it, down to the
logits. An encoder's hidden states lack but a classifier, some thousand products a token to its 85 million, while a
student's states lack the projection to its teacher's width as well, which can be most of its work: without it a student
would look faster than it is in use.
"""

from pathlib import Path
from typing import Any

from smelt.efficiency.subject import Parameters
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_families import COMPACT, longest
from smelt.model_folder import read_configuration


class Configuration:
    """The config.json of a model's folder."""

    def __init__(self, folder: Path) -> None:
        """Read it.

        Raises:
            SmeltError: the folder has none, or one without the size of a vocabulary.
        """
        self.folder = folder
        self._written = read_json(folder / "config.json")
        if not isinstance(self._written.get("vocab_size"), int):
            raise SmeltError(folder / "config.json", "has no vocab_size: expected the configuration of an encoder")
        self.pieces: int = self._written["vocab_size"]
        self.padding: int | None = self._written.get("pad_token_id", 0)

    @property
    def compact(self) -> bool:
        """Whether this is a compact student."""
        return self._written.get("model_type") == COMPACT

    @property
    def longest(self) -> int | None:
        """Tokens that the encoder reads at once."""
        return longest(self._written.get("max_position_embeddings"), self._written.get("model_type"), self.padding)

    def parameters(self, encoder_only: bool = False) -> Parameters:
        """Return the parameters of the model that the configuration names, or of its bare encoder."""
        import torch

        with torch.device("meta"):
            model = self.bare() if encoder_only else self.named()
        return count(model)

    def operations(self, length: int) -> float:
        """Return the operations a token of the encoder, without a pooler, as torch counts products of matrices.

        2 for a multiply-add. Looking up, adding, normalising and activations are no products, and are left out.
        """
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        with torch.device("meta"):
            model, ids = self.bare().eval(), torch.zeros((1, length), dtype=torch.long)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(input_ids=ids)  # without a mask, which no kernel could look at without values
        return float(counter.get_total_flops()) / length

    def named(self) -> Any:
        """Return the model of the class that the configuration names, heads and all, with whatever weights."""
        import transformers

        if self.compact:
            return self.bare()
        named = self._written.get("architectures") or []
        kind = getattr(transformers, named[0], None) if named else None
        return self.bare() if kind is None else kind(self.read())

    def bare(self) -> Any:
        """Return what is timed, with whatever weights: an encoder without heads and pooler, or a compact student."""
        kind, options = self.kind_and_options()
        return kind(self.read(), **options)

    def kind_and_options(self) -> tuple[Any, dict[str, Any]]:
        """Return the class of what is timed, and what keeps an encoder from making up a pooler."""
        import inspect

        from transformers import AutoModel

        configuration = self.read()
        if self.compact:
            return self._compact_kind(), {}
        try:
            kind = AutoModel._model_mapping[type(configuration)]
        except KeyError:
            raise SmeltError(self.folder, f"no encoder of transformers is a {configuration.model_type}") from None
        pooled = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
        return kind, {"add_pooling_layer": False} if pooled else {}

    def _compact_kind(self) -> Any:
        """Return the class of a compact student, with the classifier that it was fine-tuned with."""
        import smelt.architectures as ours

        named = (self._written.get("architectures") or [""])[0]
        if not named.startswith("CompactFor"):
            raise SmeltError(self.folder, f"is a {named or 'compact model'}; expected one with its classifier")
        return getattr(ours, named)

    def read(self) -> Any:
        """Return the configuration as transformers reads it."""
        import smelt.architectures  # noqa: F401 - makes its own known to transformers

        return read_configuration(self.folder, self.folder)


def count(model: Any) -> Parameters:
    """Return the parameters of a model of transformers, on whatever device; tied ones count once."""
    parts = [model.base_model, *([model.projection] if hasattr(model, "projection") else [])]
    return Parameters(
        total=sum(weight.numel() for weight in model.parameters()),  # each of which torch names once
        encoder=sum(weight.numel() for part in parts for weight in part.parameters()),
        embedding=model.get_input_embeddings().weight.numel(),
    )
