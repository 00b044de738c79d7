"""Ways to run a compact student and the BERT that it is compared with; all take ids and give logits.

Each is a function of ids, (batch, length), none of them padding; a mask of ones goes with them, as tokenizers give it.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import BertConfig, BertForTokenClassification

from smelt.architectures import CompactConfig, CompactForTokenClassification
from smelt.models.onnx_graph import LOGITS, Exported, write_graph, write_int8

TensorWay = Callable[[Tensor], Tensor]
SEED = 1
TORCH, ONNX = "torch", "onnx"
INT8 = "onnx-int8"  # the only one that is not exact


@dataclass(frozen=True)
class Shapes:
    """What is run: pieces, rows and width are mBERT's and those that Table 16's parameters imply."""

    pieces: int = 119_547
    rows: int = 88_500
    width: int = 768
    labels: int = 7
    bert: Mapping[str, int] = field(default_factory=dict)
    """What is not BERT-base's of the teacher."""


def bert_ways(shapes: Shapes, device: str, folder: Path) -> dict[str, TensorWay]:
    """Return the ways to run a BERT with its head for tokens: by torch, and on the CPU by ONNX Runtime too.

    Args:
        shapes: its numbers.
        device: where torch runs it.
        folder: where its graph is written.
    """
    torch.manual_seed(SEED)
    config = BertConfig(vocab_size=shapes.pieces, num_labels=shapes.labels, **shapes.bert)
    model = BertForTokenClassification(config).eval()
    if device != "cpu":
        return {TORCH: by_torch(model.to(device))}
    folder.mkdir(parents=True)
    graph = folder / "model.onnx"
    write_graph(Exported(model, LOGITS), graph)
    ways = {TORCH: by_torch(model), ONNX: _by_onnx(graph)}
    graph.unlink()
    return ways


def student(shapes: Shapes, embedding: int, hidden: int) -> Any:
    """A BiLSTM with projection and head, random weights."""
    torch.manual_seed(SEED)
    config = CompactConfig(
        vocab_size=shapes.pieces,
        rows=shapes.rows,
        embedding_size=embedding,
        hidden_size=hidden,
        projection_size=shapes.width,
        num_labels=shapes.labels,
    )
    return CompactForTokenClassification(config).eval()


def student_ways(model: Any, folder: Path, shape: tuple[int, int] | None) -> dict[str, TensorWay]:
    """Return the ways to run a student on the CPU in one thread; all its weights' copies stay in memory.

    Args:
        model: the student.
        folder: where graphs are written.
        shape: of the ids; with it, two further ways of torch's, one of them for this shape alone.
    """
    folder.mkdir(parents=True)
    graph = folder / "model.onnx"
    write_graph(Exported(model, LOGITS), graph)
    ways = {TORCH: by_torch(model), ONNX: _by_onnx(graph)}
    write_int8(graph, reduce_range=False)
    ways[INT8] = _by_onnx(graph)
    graph.unlink()
    return ways if shape is None else ways | {"torch-packed": _packed(model), "torch-frozen": _frozen(model, shape)}


def by_torch(model: Any) -> TensorWay:
    """A model as torch runs it, on whatever device."""

    def run(ids: Tensor) -> Tensor:
        logits: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        return logits

    return run


def _packed(model: Any) -> TensorWay:
    """The same on torch's packed sequences, in one bidirectional LSTM with the same weights."""
    (onward,), (back,) = model.compact.encoder.onward, model.compact.encoder.back
    lstm = nn.LSTM(onward.input_size, onward.hidden_size, batch_first=True, bidirectional=True).eval()
    lstm.load_state_dict(onward.state_dict() | {f"{name}_reverse": part for name, part in back.state_dict().items()})

    def run(ids: Tensor) -> Tensor:
        lengths = torch.ones_like(ids).sum(1)
        packed = pack_padded_sequence(model.compact.embeddings(ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
        logits: Tensor = model.classifier(nn.functional.gelu(model.projection(states)))
        return logits

    return run


def _frozen(model: Any, shape: tuple[int, int]) -> TensorWay:
    """The same traced by torch.jit at one shape, with weights as constants and whatever it fuses."""

    class ToLogits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Tensor, mask: Tensor) -> Any:
            return self.model(ids, mask).logits

    ids = torch.ones(shape, dtype=torch.long)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that it is deprecated, and that a mask's check becomes a constant
        traced = torch.jit.trace(ToLogits().eval(), (ids, ids), check_trace=False)
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return lambda ids: frozen(ids, torch.ones_like(ids))


def _by_onnx(graph: Path) -> TensorWay:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    wanted = {given.name for given in session.get_inputs()}

    def run(ids: Tensor) -> Tensor:
        rows = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
        (logits,) = session.run(None, {name: rows[name].numpy() for name in wanted})
        return torch.from_numpy(logits)

    return run
