"""An exported model as the benchmark's subject: model.onnx, run by ONNX Runtime on the CPU, without torch."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smelt.efficiency.subject import Ids, Parameters, RunOnce
from smelt.efficiency.torch_encoder import Configuration
from smelt.errors import SmeltError, first_line
from smelt.files import read_json

FILE = "model.onnx"
EMBEDDINGS = "sentence_embedding"


class OnnxEncoder:
    """A folder that `smelt export` wrote."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that holds model.onnx and config.json."""
        self.folder = folder
        self._configuration = Configuration(folder)
        what = "compact student with its head" if self._configuration.compact else "encoder"
        # Of an embedding model pooling and dense layers are timed, too: a few operations of each text's millions.
        self._embeds = EMBEDDINGS in read_json(folder / "provenance.json").get("checks", {})
        self.kind = f"exported {'embedding model' if self._embeds else what}, run by ONNX Runtime"
        self._format = str(read_json(folder / "provenance.json").get("settings", {}).get("format", "onnx"))
        self._threads = 1
        self.pieces, self.padding = self._configuration.pieces, self._configuration.padding
        self.max_length = self._configuration.max_length

    def runs_on(self, device: str) -> bool:
        """Return whether this is the CPU: GPUs need another package of the library, which smelt does not install."""
        return device == "cpu"

    def parameters(self) -> Parameters:
        """Return the parameters of the encoder that was exported, whatever their precision."""
        return self._configuration.parameters(encoder_only=True)

    def operations(self, length: int) -> float:
        """Return the operations of the encoder that was exported; in int8 they are integer operations."""
        return self._configuration.operations(length)

    def bytes_on_disk(self, precision: str, scratch: Path) -> int | None:  # noqa: ARG002 - it is written already
        """Return the size of the model's files, in the one precision that they have."""
        if precision != ("int8" if self._format == "int8" else "fp32"):
            return None
        return sum(file.stat().st_size for file in self.folder.glob(f"{FILE}*"))

    def prepare(self, device: str, threads: int) -> None:  # noqa: ARG002 - there is but the CPU
        """Import ONNX Runtime."""
        import onnxruntime

        self._threads = threads
        onnxruntime.set_default_logger_severity(3)

    def load(self) -> RunOnce:
        """Open a session, and return the function that runs a pass."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # As for OpenMP: waiting threads do not spin, because the models alternate.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = os.fspath(self.folder / FILE)
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's errors have no base of their own
            raise SmeltError(path, f"ONNX Runtime cannot open it ({first_line(error)})") from None

        wanted = [EMBEDDINGS] if self._embeds else None
        types = {"token_type_ids"} & {given.name for given in session.get_inputs()}

        def run(ids: Ids) -> None:
            given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            session.run(wanted, given | {name: np.zeros_like(ids) for name in types})

        return run

    def touch(self) -> None:
        """Do nothing: a session has read and copied all weights."""

    def allocated(self) -> int | None:
        """Return None: it runs on the CPU."""
        return None

    def settings(self) -> Mapping[str, Any]:
        """Return the precision of the weights."""
        return {"precision": "int8" if self._format == "int8" else "fp32"}
