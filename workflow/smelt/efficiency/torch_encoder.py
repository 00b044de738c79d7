"""An encoder in a Hugging Face folder: counted from its config.json without weights, and run by torch for timing.

The bare encoder is timed, without heads and pooler: heads differ from task to task, a pooler reads one token, and every
use of an encoder waits for its last hidden states. A compact student (`smelt.architectures`) is timed whole, down to
the logits: an encoder lacks only its classifier, some thousand products a token beside its 85 million, while a student
without its head would also lack the projection to its teacher's width, which can be most of its work. Sizes on disk are
those of all weights in the folder, heads included, because these are shipped.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smelt.efficiency.subject import Ids, Parameters, RunOnce
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_families import COMPACT, max_positions
from smelt.model_folder import read_configuration
from smelt.pretrained import WEIGHTS


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
    def max_length(self) -> int | None:
        """Tokens that the encoder reads at once."""
        return max_positions(self._written)

    def parameters(self, encoder_only: bool = False) -> Parameters:
        """Return the parameters of the model that the configuration names, or of its bare encoder."""
        import torch

        with torch.device("meta"):
            model = self.make_bare() if encoder_only else self.make_named()
        return count_parameters(model)

    def operations(self, length: int) -> float:
        """Return the operations a token of the encoder, without a pooler, as torch counts products of matrices.

        A multiply-add counts as 2. Lookups, additions, normalisation and activations are not counted.
        """
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        with torch.device("meta"):
            model, ids = self.make_bare().eval(), torch.zeros((1, length), dtype=torch.long)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(input_ids=ids)  # without a mask, which no kernel could look at without values
        return float(counter.get_total_flops()) / length

    def make_named(self) -> Any:
        """Return the model of the class that the configuration names, heads and all, without trained weights."""
        import transformers

        if self.compact:
            return self.make_bare()
        named = self._written.get("architectures") or []
        kind = getattr(transformers, named[0], None) if named else None
        return self.make_bare() if kind is None else kind(self.read())

    def make_bare(self) -> Any:
        """Return the timed model without trained weights: an encoder without heads and pooler, or a compact student."""
        kind, options = self.kind_and_options()
        return kind(self.read(), **options)

    def kind_and_options(self) -> tuple[Any, dict[str, Any]]:
        """Return the class of the timed model, and the options that keep it from adding a pooler."""
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


def count_parameters(model: Any) -> Parameters:
    """Return the parameters of a model of transformers, on any device; tied ones count once."""
    parts = [model.base_model, *([model.projection] if hasattr(model, "projection") else [])]
    return Parameters(
        total=sum(weight.numel() for weight in model.parameters()),  # torch lists a tied one once
        encoder=sum(weight.numel() for part in parts for weight in part.parameters()),
        embedding=model.get_input_embeddings().weight.numel(),
    )


PAGE = 4096  # bytes, at the least


class TorchEncoder:
    """An encoder with safetensors weights, or a compact student with its head."""

    def __init__(self, folder: Path, precision: str) -> None:
        """Take a folder, and the precision of weights to time: fp32 or bf16."""
        self.folder = folder
        self._configuration = Configuration(folder)
        what = "compact student with its head" if self._configuration.compact else "encoder of transformers"
        self.kind = f"{what}, run by torch"
        self._precision = precision
        self._device = "cpu"
        self._encoder: Any = None
        self.pieces, self.padding = self._configuration.pieces, self._configuration.padding
        self.max_length = self._configuration.max_length

    def runs_on(self, device: str) -> bool:
        """Return whether torch has the device."""
        import torch

        return device == "cpu" or torch.cuda.is_available()

    def parameters(self) -> Parameters:
        """Return the parameters of the model that config.json names."""
        return self._configuration.parameters()

    def operations(self, length: int) -> float:
        """Return the operations a token of the encoder."""
        return self._configuration.operations(length)

    def bytes_on_disk(self, precision: str, scratch: Path) -> int | None:
        """Return the size of the folder's weights when written in fp32 or bf16; int8 exists for exports only."""
        if precision == "int8":
            return None
        import torch
        from safetensors.torch import save_file

        target = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        tensors = {name: _in(tensor, target) for name, tensor in _weights(self.folder).items()}
        path = scratch / "model.safetensors"
        save_file(tensors, path, metadata={"format": "pt"})
        size = path.stat().st_size
        path.unlink()
        return size

    def prepare(self, device: str, threads: int) -> None:
        """Import torch, transformers and the encoder's own module, and initialise a GPU."""
        self._device = device
        # transformers reads weights in four threads of its own, whatever `threads` is.
        if threads == 1:
            os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"
        import torch
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        torch.set_num_threads(threads)
        self._configuration.kind_and_options()
        if device == "cuda":
            torch.zeros(1, device=device)
            _wait(device)

    def load(self) -> RunOnce:
        """Load the encoder, and return its pass to the last hidden states; it waits for a GPU."""
        import torch

        kind, options = self._configuration.kind_and_options()
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[self._precision]
        device = self._device
        encoder = kind.from_pretrained(self.folder, dtype=dtype, **WEIGHTS, **options).eval().to(device)
        _wait(device)
        self._encoder = encoder

        def run(ids: Ids) -> None:
            with torch.inference_mode():
                rows = torch.from_numpy(ids).to(device)
                encoder(input_ids=rows, attention_mask=torch.ones_like(rows))
                _wait(device)

        return run

    def touch(self) -> None:
        """Read a number of every page of every weight: safetensors files are mapped, a row of a table at a time."""
        for weight in self._encoder.parameters():
            weight.detach().flatten()[:: PAGE // weight.element_size()].sum().item()

    def allocated(self) -> int | None:
        """Return the bytes that torch has allocated on the GPU."""
        import torch

        return torch.cuda.memory_allocated() if self._device == "cuda" else None

    def settings(self) -> Mapping[str, Any]:
        """Return the precision of the weights."""
        return {"precision": self._precision}


def _wait(device: str) -> None:
    """Wait until a GPU has finished; a CPU has."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def _in(tensor: Any, target: Any) -> Any:
    return tensor.to(target).contiguous() if tensor.is_floating_point() else tensor


def _weights(folder: Path) -> dict[str, Any]:
    """Return all tensors of a folder's safetensors files, as they are named there."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise SmeltError(folder, "has no weights: expected *.safetensors")
    try:
        return {name: tensor for file in files for name, tensor in load_file(file).items()}
    except SafetensorError as error:
        raise SmeltError(folder, f"its weights cannot be read ({error})") from None
