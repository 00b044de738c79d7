"""A model as an ONNX graph, and its int8 form (dynamic quantisation, weights and embeddings).

The graph of an encoder ends in the hidden states, because its classifier is small and differs from task to task. That
of a model that embeds sentences has a second output, what sentence-transformers' modules make of the states. The graph
of a compact student ends in the logits, because its projection is a large part of it and already fine-tuned.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line
from smelt.model_families import COMPACT, max_positions, token_types
from smelt.model_folder import incomplete, load_as, load_model, read_configuration
from smelt.models.sentence_modules import load_modules

INPUTS, TYPES = ("input_ids", "attention_mask"), "token_type_ids"
HIDDEN, LOGITS, SENTENCE = "last_hidden_state", "logits", "sentence_embedding"
FILE = "model.onnx"
OPSET = 18  # the one that torch's exporter writes without converting
# Of one file, by the format of ONNX; larger weights go to a second one beside it.
LARGEST = 1_900_000_000


@dataclass(frozen=True)
class Exported:
    """A model of transformers in evaluation mode, on the CPU, and the output that the graph ends in."""

    model: Any
    output: str = HIDDEN
    modules: tuple[Any, ...] = ()
    """Of sentence-transformers: pooling and what follows."""

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Return the outputs, (batch, length, width), (batch, labels) or (batch, width), for `inputs`, (batch, length).

        Token types may be left out; then all are 0, as in a single text.
        """
        import torch

        named = dict(zip(self.inputs, inputs, strict=False))
        found = getattr(self.model(**named), self.output)
        if not self.modules:
            return (found,)
        # ONNX Runtime looks for the first and last token in integers of 32 bits only.
        features = {"token_embeddings": found, "attention_mask": named["attention_mask"].to(torch.int32)}
        for module in self.modules:
            features = module(features)
        return found, features[SENTENCE]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the graph's outputs."""
        return (self.output, SENTENCE) if self.modules else (self.output,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The graph's inputs: ids, mask, and token types if they separate the two texts of a pair."""
        return (*INPUTS, TYPES) if token_types(self.config) > 1 else INPUTS

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    @property
    def shape(self) -> str:
        """The output's shape, in words."""
        if self.output != LOGITS:
            return f"(batch, length, {self.config.hidden_size})"
        of_rows = type(self.model).__name__.endswith("ForSequenceClassification")
        return f"(batch{'' if of_rows else ', length'}, {self.config.num_labels})"

    @property
    def max_length(self) -> int | None:
        """How many tokens the model reads at once; None where there is no such limit."""
        return max_positions(self.config)


def load_exported(source: Path, pooling: bool = True) -> Exported:
    """Return the part of a folder's model that is exported, in single precision.

    Args:
        source: the folder.
        pooling: whether a graph of sentence-transformers' models pools.

    Raises:
        SmeltError: the folder holds no model that loads, or one that needs more than a text, as T5 does; or a module
            that needs more than its states and mask.
    """
    import smelt.architectures as ours  # which makes them known to transformers

    configuration = read_configuration(source, str(source))
    if configuration.model_type != COMPACT:
        modules = load_modules(source) if pooling else ()
        exported = Exported(load_model(source, str(source)).base_model.eval(), modules=modules)
        _try(exported, source)
        return exported
    named = (configuration.architectures or [""])[0]
    if not named.startswith("CompactFor"):
        raise SmeltError(source, f"is a {named or 'compact model'} without a classifier: there is nothing to export")
    model, missing = load_as(getattr(ours, named), source, str(source))
    if missing:
        raise incomplete(missing, source)
    return Exported(model.eval(), LOGITS)


def _try(exported: Exported, source: Path) -> None:
    """Run a model on two pieces, before a long export.

    Raises:
        SmeltError: it cannot read ids and mask alone.
    """
    import torch

    ids = torch.full((1, 2), 5 % exported.config.vocab_size)
    try:
        with torch.inference_mode():
            exported(ids, torch.ones_like(ids))
    except Exception as error:
        with_modules = " with its modules" if exported.modules else ""
        reason = f"cannot read a text alone ({first_line(error)}); expected an encoder"
        problem = f"{type(exported.model).__name__}{with_modules} {reason}"
        raise SmeltError(source, problem) from None


def write_graph(exported: Exported, path: Path) -> None:
    """Write a model as a graph from its inputs, (batch, length) each, to its output; both sizes are free.

    Args:
        exported: a model in evaluation mode, on the CPU.
        path: the file.

    Raises:
        SmeltError: torch's exporter cannot follow the model.
    """
    if exported.config.model_type == COMPACT and exported.config.kind == "bilstm":
        import onnx

        from smelt.architectures.compact_graph import bilstm_graph

        large = 4 * exported.model.num_parameters() > LARGEST
        onnx.save(bilstm_graph(exported.model, OPSET), path, save_as_external_data=large, location=f"{path.name}.data")
    else:
        _follow(exported, path)


def _follow(exported: Exported, path: Path) -> None:
    """Let torch's exporter trace the model."""
    import torch
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass, DeduplicateInitializersPass

    model = exported.model
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=exported.max_length)}
    ids = torch.full((2, 16), 5 % exported.config.vocab_size)
    with _quiet():
        try:
            program = torch.onnx.export(
                _to_output(exported),
                (ids, torch.ones_like(ids), torch.zeros_like(ids))[: len(exported.inputs)],
                input_names=list(exported.inputs),
                output_names=list(exported.outputs),
                opset_version=OPSET,
                dynamic_shapes=(sizes,) * len(exported.inputs),
                dynamo=True,
                verbose=False,
            )
        except Exception as error:  # the exporter's errors have no base of their own
            where = model.config.name_or_path or path.parent
            reason = first_line(error.__cause__ if isinstance(error.__cause__, Exception) else error)
            raise SmeltError(where, f"{type(model).__name__} cannot be exported ({reason})") from None
        assert program is not None
        # ALBERT's layers share their weights; the exporter writes them transposed once for each layer.
        DeduplicateInitializersPass(size_limit=2**63)(program.model)
        ClearMetadataAndDocStringPass()(program.model)
        program.save(str(path), external_data=4 * model.num_parameters() > LARGEST)


def write_int8(path: Path, reduce_range: bool) -> None:
    """Replace a graph by one with int8 weights: a scale for each column, and one for each table of embeddings.

    Activations are quantised to eight bits as they come. Sums of products of unsigned by signed bytes saturate on x86
    processors without VNNI; those of weights of seven bits (reduce_range) do not, at twice the rounding.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    _forget_shapes_of_weights(path)
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


def _forget_shapes_of_weights(path: Path) -> None:
    """Drop shapes that a graph states twice: the quantiser transposes dense layers, and changes one of the two."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    weights = {weight.name for weight in model.graph.initializer}
    kept = [value for value in model.graph.value_info if value.name not in weights]
    if len(kept) < len(model.graph.value_info) and any(node.op_type == "Gemm" for node in model.graph.node):
        del model.graph.value_info[:]
        model.graph.value_info.extend(kept)
        onnx.save(model, path)


def _to_output(exported: Exported) -> Any:
    """Return the model as a module from its inputs to its outputs."""
    import torch

    class ToOutput(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = exported.model
            self.pooling = torch.nn.ModuleList(exported.modules)

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None) -> Any:
            return exported(ids, mask) if types is None else exported(ids, mask, types)

    return ToOutput().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of exporter and quantiser that this project cannot act on."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
