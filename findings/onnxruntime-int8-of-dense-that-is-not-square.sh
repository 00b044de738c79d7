#!/usr/bin/env bash
# onnxruntime 1.31.1, onnx 1.23.2, Python 3.11
#
# `quantize_dynamic` replaces a Gemm whose weight is transposed (transB=1, as torch exports a linear layer) by a MatMul,
# and transposes the weight in the graph. Where the graph also lists the weight's shape under value_info, as torch's
# exporter writes it, that entry keeps the old shape. The inference of shapes that follows then fails, unless the
# weight is square.
#
# Seen:
#   weight 32 x 32, shape listed: written
#   weight 48 x 32, shape listed: InferenceError
#   weight 48 x 32, shape not listed: written
#
# Why it matters: embedding models with dense layers behind their pooling (EmbeddingGemma) cannot be quantised as
# exported; others can, so that tests with square layers pass.
#
# The script ends with 1 when the behaviour has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.31.1
FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import logging
import os
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

logging.disable(logging.WARNING)
folder = Path(os.environ["FOLDER"])


def outcome(rows: int, listed: bool) -> str:
    weight = numpy_helper.from_array(np.ones((rows, 32), np.float32), "weight")
    node = helper.make_node("Gemm", ["x", "weight"], ["y"], transB=1)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", width]) for n, width in (("x", 32), ("y", rows)))
    shape = [helper.make_tensor_value_info("weight", TensorProto.FLOAT, [rows, 32])] if listed else []
    graph = helper.make_graph([node], "dense", [x], [y], [weight], value_info=shape)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "dense.onnx")
    try:
        quantize_dynamic(folder / "dense.onnx", folder / "int8.onnx")
    except Exception as error:
        return type(error).__name__
    return "written"


found = [outcome(32, True), outcome(48, True), outcome(48, False)]
for what, how in zip(("32 x 32, shape listed", "48 x 32, shape listed", "48 x 32, shape not listed"), found, strict=True):
    print(f"weight {what}: {how}")
sys.exit(0 if found == ["written", "InferenceError", "written"] else "the behaviour has changed")
PYTHON
