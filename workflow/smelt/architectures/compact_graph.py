"""A compact BiLSTM as an ONNX graph, written operator by operator.

torch's exporter unrolls an LSTM for one length. ONNX has an operator for both directions that takes each row's length,
which is what this architecture means; ONNX Runtime has a kernel for it and one with int8 weights.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from smelt.architectures.compact import BiLstm, CompactForSequenceClassification

IR = 10  # of ONNX's format: the newest that every opset below goes with
INPUTS = ("input_ids", "attention_mask")


def bilstm_graph(model: Any, opset: int) -> onnx.ModelProto:
    """Return the graph from ids and mask, int64, (batch, length) each, to logits, float32.

    Args:
        model: a CompactForTokenClassification, whose logits are (batch, length, labels), or a
            CompactForSequenceClassification, (batch, labels); of kind bilstm.
        opset: version of ONNX's operators, from 14.
    """
    by_row = isinstance(model, CompactForSequenceClassification)
    graph = _Graph()
    states, last = _states(graph, model)
    if by_row:
        turned = graph.add("Transpose", last, perm=[1, 0, 2])  # (batch, directions, hidden)
        features = graph.add("Reshape", turned, graph.keep("row", np.array([0, model.config.state_size])))
    else:
        features = states
    if model.config.projection_size:
        features = _gelu(graph, _linear(graph, "projection", features, model.projection))
    _linear(graph, "classifier", features, model.classifier, output="logits")
    shape = ["batch", *([] if by_row else ["length"]), model.config.num_labels]
    return graph.model("logits", shape, opset)


class _Graph:
    """Nodes and weights in the order in which they were added."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def keep(self, name: str, value: Tensor | NDArray[Any]) -> str:
        """Keep a weight or a number, and return its name."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        name = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def add_lstm(self, *inputs: str, hidden: int) -> tuple[str, str]:
        """Add an LSTM of two directions, and return the names of all states and of each direction's last one."""
        names = [f"states_{len(self._nodes)}", f"last_{len(self._nodes)}"]
        node = helper.make_node("LSTM", inputs, names, hidden_size=hidden, direction="bidirectional")
        self._nodes.append(node)
        return names[0], names[1]

    def model(self, output: str, shape: list[str | int], opset: int) -> onnx.ModelProto:
        """Return the whole, checked."""
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in INPUTS]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self._nodes, "compact", inputs, outputs, self._weights)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR)
        onnx.checker.check_model(made)
        return made


def _states(graph: _Graph, model: Any) -> tuple[str, str]:
    """Add embeddings and encoder; return states, (batch, length, 2 hidden), and the last, (directions, batch, hidden).

    ONNX's LSTM reads (length, batch, width): ids are turned before they are looked up, which moves the least.
    """
    embeddings, encoder = model.compact.embeddings, model.compact.encoder
    assert isinstance(encoder, BiLstm)
    ids = graph.add("Transpose", "input_ids", perm=[1, 0])
    rows = graph.add("Gather", graph.keep("row_of_piece", embeddings.row_of_piece), ids)
    states = graph.add("Gather", graph.keep("pieces", embeddings.pieces.weight), rows)
    counted = graph.add("ReduceSum", "attention_mask", graph.keep("along", np.array([1])), keepdims=0)
    lengths = graph.add("Cast", counted, to=TensorProto.INT32)
    width = graph.keep("width", np.array([0, 0, model.config.state_size]))
    last = ""
    for number, layers in enumerate(zip(encoder.onward, encoder.back, strict=True)):
        weights = _lstm_weights(graph, number, *layers)
        found, last = graph.add_lstm(states, *weights, lengths, hidden=model.config.hidden_size)
        final = number == len(encoder.onward) - 1
        # from (length, directions, batch, hidden)
        turned = graph.add("Transpose", found, perm=[2, 0, 1, 3] if final else [0, 2, 1, 3])
        states = graph.add("Reshape", turned, width)
    return states, last


def _lstm_weights(graph: _Graph, number: int, onward: Any, back: Any) -> list[str]:
    """Keep W, R and B of both directions; torch's gates are input, forget, cell, output, ONNX's another order."""
    both = (onward, back)
    arrays = {
        "W": [_gates(part.weight_ih_l0) for part in both],
        "R": [_gates(part.weight_hh_l0) for part in both],
        "B": [np.concatenate([_gates(part.bias_ih_l0), _gates(part.bias_hh_l0)]) for part in both],
    }
    return [graph.keep(f"{name}_{number}", np.stack(value)) for name, value in arrays.items()]


def _gates(weight: Any) -> NDArray[np.float32]:
    """Return a weight, (4 hidden, ...), with gates in ONNX's order: input, output, forget, cell."""
    entry, forget, cell, out = weight.detach().cpu().numpy().reshape(4, -1, *weight.shape[1:])
    return np.concatenate([entry, out, forget, cell])


def _linear(graph: _Graph, name: str, states: str, layer: nn.Linear, output: str | None = None) -> str:
    product = graph.add("MatMul", states, graph.keep(f"{name}.weight", layer.weight.T))
    return graph.add("Add", product, graph.keep(f"{name}.bias", layer.bias), output=output)


def _gelu(graph: _Graph, states: str) -> str:
    """Add x (1 + erf(x / sqrt 2)) / 2, in the form that ONNX Runtime knows for GELU and fuses."""
    divided = graph.add("Div", states, graph.keep("root", np.array(np.sqrt(2.0), dtype=np.float32)))
    raised = graph.add("Add", graph.add("Erf", divided), graph.keep("one", np.array(1, dtype=np.float32)))
    return graph.add("Mul", graph.add("Mul", states, raised), graph.keep("half", np.array(0.5, dtype=np.float32)))
