"""The encoder as an ONNX graph, and its int8 form (dynamic quantisation, weights and embeddings)."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line

FILE = "model.onnx"
OPSET = 18  # the one that torch's exporter writes without converting
INPUTS = ("input_ids", "attention_mask")
OUTPUT = "last_hidden_state"
# Of one file, by the format of ONNX; larger weights go to a second one beside it.
LARGEST = 1_900_000_000
# Models whose positions are numbered from the padding's id on (fairseq's convention).
OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert"}


def write_graph(encoder: Any, path: Path) -> None:
    """Write an encoder as a graph from ids and mask, (batch, length) each, to hidden states; both sizes are free.

    Args:
        encoder: a model of transformers in evaluation mode, on the CPU.
        path: the file.

    Raises:
        SmeltError: torch's exporter cannot follow the model.
    """
    import torch
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass, DeduplicateInitializersPass

    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=longest(encoder.config))}
    ids = torch.full((2, 16), 5 % encoder.config.vocab_size)
    with _quiet():
        try:
            program = torch.onnx.export(
                _to_hidden_states(encoder),
                (ids, torch.ones_like(ids)),
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_shapes=(sizes, sizes),
                dynamo=True,
                verbose=False,
            )
        except Exception as error:  # the exporter's errors have no base of their own
            raise SmeltError(
                path.parent, f"{type(encoder).__name__} cannot be exported ({first_line(error)})"
            ) from None
        assert program is not None
        # ALBERT's layers share their weights; the exporter writes each layer's transposed ones anew.
        DeduplicateInitializersPass(size_limit=2**63)(program.model)
        ClearMetadataAndDocStringPass()(program.model)
        program.save(str(path), external_data=4 * encoder.num_parameters() > LARGEST)


def write_int8(path: Path, reduce_range: bool) -> None:
    """Put in the place of a graph the one whose weights are int8, one scale a column, one for a table of embeddings.

    Activations are quantised to eight bits as they come. Sums of products of unsigned by signed bytes saturate on x86
    processors without VNNI; those of weights of seven bits (reduce_range) do not, at twice the rounding.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    draft = path.with_name(f"int8-{path.name}")
    beside = path.with_name(f"{path.name}.data")
    with _quiet():
        quantize_dynamic(
            path,
            draft,
            per_channel=True,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            use_external_data_format=False,  # a quarter of the size: up to 7.6 GB of fp32 fit one file
        )
    beside.unlink(missing_ok=True)
    draft.replace(path)


def longest(config: Any) -> int:
    """Return how many tokens an encoder reads at once."""
    offset = config.pad_token_id + 1 if config.model_type in OFFSET_POSITIONS else 0
    return int(config.max_position_embeddings) - offset


def _to_hidden_states(encoder: Any) -> Any:
    """Return the encoder as a module from ids and mask to the last hidden states, (batch, length, hidden)."""
    import torch

    class ToHiddenStates(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    return ToHiddenStates().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep exporter and quantiser from telling of what this project cannot change."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
