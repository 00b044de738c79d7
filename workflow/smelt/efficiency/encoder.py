"""A Hugging Face folder as the ruler's subject: its encoder, run by torch without heads and pooler.

Heads differ from task to task, and a pooler looks at one token: the last hidden states are what every use of an encoder
waits for. A compact student is timed whole (see smelt.efficiency.configuration). Sizes on disk are those of all weights
in the folder, heads included, since that is what is shipped.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smelt.efficiency.configuration import Configuration
from smelt.efficiency.subject import Ids, Parameters, Pass
from smelt.errors import SmeltError

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
        self.longest = self._configuration.longest

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
        """Return the size of the folder's weights written anew in fp32 or bf16; int8 is an export's, not this one's."""
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
        """Import torch, transformers and the encoder's own module, and wake a GPU."""
        self._device = device
        # transformers reads weights in four threads of its own, whatever number was asked for.
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

    def load(self) -> Pass:
        """Load the encoder, and return its pass to the last hidden states; a GPU is waited for."""
        import torch

        kind, options = self._configuration.kind_and_options()
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[self._precision]
        device = self._device
        encoder = kind.from_pretrained(self.folder, dtype=dtype, local_files_only=True, **options).eval().to(device)
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
    """Wait for what a GPU was asked to do; a CPU has done it."""
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
