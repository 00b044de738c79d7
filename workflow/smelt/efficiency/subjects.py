"""Which kind of subject lies in a folder."""

from pathlib import Path

from smelt.efficiency.encoder import TorchEncoder
from smelt.efficiency.onnx_encoder import FILE, OnnxEncoder
from smelt.efficiency.subject import Subject
from smelt.errors import SmeltError


def subject_in(folder: Path, precision: str) -> Subject:
    """Return the subject of a model's folder.

    Args:
        folder: a model of the study, of whatever maker.
        precision: of the weights that torch loads.

    Raises:
        SmeltError: nothing that can be measured lies there.
    """
    if not folder.is_dir():
        raise SmeltError(folder, "no such folder: expected a model")
    return OnnxEncoder(folder) if (folder / FILE).is_file() else TorchEncoder(folder, precision)
