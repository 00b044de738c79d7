"""An encoder as its config.json describes it: parameters and operations, counted without any weights."""

from pathlib import Path
from typing import Any

from smelt.efficiency.subject import Parameters
from smelt.errors import SmeltError, first_line
from smelt.files import read_json

# Models whose positions are numbered from the padding's id on (fairseq's convention).
OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert"}


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
    def longest(self) -> int | None:
        """Tokens that the encoder reads at once."""
        positions = self._written.get("max_position_embeddings")
        offset = (self.padding or 0) + 1 if self._written.get("model_type") in OFFSET_POSITIONS else 0
        return None if positions is None else int(positions) - offset

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

        named = self._written.get("architectures") or []
        kind = getattr(transformers, named[0], None) if named else None
        return self.bare() if kind is None else kind(self.read())

    def bare(self) -> Any:
        """Return the encoder without heads and pooler, with whatever weights."""
        kind, options = self.kind_and_options()
        return kind(self.read(), **options)

    def kind_and_options(self) -> tuple[Any, dict[str, Any]]:
        """Return the encoder's class, and what keeps it from making up a pooler."""
        import inspect

        from transformers import AutoModel

        configuration = self.read()
        try:
            kind = AutoModel._model_mapping[type(configuration)]
        except KeyError:
            raise SmeltError(self.folder, f"no encoder of transformers is a {configuration.model_type}") from None
        pooled = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
        return kind, {"add_pooling_layer": False} if pooled else {}

    def read(self) -> Any:
        """Return the configuration as transformers reads it."""
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(self.folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise SmeltError(self.folder, f"its config.json cannot be read ({first_line(error)})") from None


def count(model: Any) -> Parameters:
    """Return the parameters of a model of transformers, on whatever device; tied ones count once."""
    encoder = model.base_model
    return Parameters(
        total=sum(weight.numel() for weight in model.parameters()),  # each of which torch names once
        encoder=sum(weight.numel() for weight in encoder.parameters()),
        embedding=model.get_input_embeddings().weight.numel(),
    )
