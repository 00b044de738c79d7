"""How far what an exported model gives is from what the model gives that it was made from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line
from smelt.models.exported import LOGITS, Exported

SEED = 1
# Of the largest number: products of matrices add up in another order.
TOLERANCE = 1e-4
# Below this an int8 model is broken, not rounded.
LEAST_COSINE = 0.9
LONGEST = 512  # tokens that are compared at the most of a model that knows no limit


@dataclass(frozen=True)
class Difference:
    """Of hidden states over all tokens that are not padding, or of the logits of tokens or rows."""

    largest: float
    """Largest absolute difference of a number."""
    largest_of_source: float
    """Largest absolute value of the source's."""
    mean_cosine: float
    """Between the two hidden states of a token."""
    least_cosine: float
    shapes: list[tuple[int, int]]
    """Batches and lengths that were compared."""
    of: str = "hidden states"

    def __str__(self) -> str:
        """The line that the log shows."""
        cosine = f"cosine {self.mean_cosine:.6f} in the mean and {self.least_cosine:.6f} at the least"
        return f"{self.of} differ by at most {self.largest:.2e}, {cosine}"

    def to_json(self, shapes: bool = True) -> dict[str, Any]:
        """Return the figures by name."""
        found = asdict(self)
        return found if shapes else {name: value for name, value in found.items() if name not in ("shapes", "of")}


def difference(source: Exported, path: Path) -> Difference:
    """Compare on random ids of several shapes, the last row of each padded to half its length.

    Args:
        source: what was exported.
        path: the graph.

    Raises:
        SmeltError: ONNX Runtime cannot run the graph at one of the shapes.
    """
    import numpy as np
    import torch

    session = _session(path)
    longest = source.longest or LONGEST
    shapes = [(1, 2), (3, 17), (2, min(128, longest)), (1, longest)]
    largest, highest, cosines = 0.0, 0.0, []
    for number, shape in enumerate(shapes):
        rows = _rows(shape, source.config, SEED + number)[: len(source.inputs)]
        mask = rows[1]
        with torch.inference_mode():
            ours = source(*rows).numpy()
        theirs = _run(session, path, {name: row.numpy() for name, row in zip(source.inputs, rows, strict=True)})
        if theirs.shape != ours.shape:
            raise SmeltError(path, f"gives an output of shape {theirs.shape}; expected {ours.shape}")
        words = mask.numpy().astype(bool) if ours.ndim == 3 else slice(None)
        one, other = ours[words].astype(np.float64), theirs[words].astype(np.float64)  # (tokens or rows, width)
        largest = float(np.fmax(largest, np.abs(one - other).max())) if np.isfinite(other).all() else float("inf")
        highest = max(highest, float(np.abs(one).max()))
        norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosines.append((one * other).sum(1) / np.maximum(norms, 1e-12))
    together = np.concatenate(cosines)
    of = "logits" if source.output == LOGITS else "hidden states"
    return Difference(largest, highest, float(together.mean()), float(together.min()), shapes, of)


def refuse_unlike(found: Difference, source: Path, exact: bool = True) -> None:
    """Refuse an export that is not its source, to rounding where it has to be exact, else to its direction.

    Raises:
        SmeltError: it differs.
    """
    allowed = TOLERANCE * max(1.0, found.largest_of_source)
    if exact and not found.largest <= allowed:
        raise SmeltError(source, f"its export is not it: {found}; allowed are {allowed:.1e}. Nothing is written")
    if not found.mean_cosine >= LEAST_COSINE:
        raise SmeltError(source, f"int8 breaks it: {found}; expected a mean cosine from {LEAST_COSINE}")


def _rows(shape: tuple[int, int], config: Any, seed: int) -> tuple[Any, Any, Any]:
    """Return ids, mask and types, (batch, length) each; the last of several rows ends half-way in padding.

    The second half of what is no padding is of type 1, as the second text of a pair is.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, config.vocab_size - 1, shape, generator=generator)
    padding = config.pad_token_id or 0
    ids += ids >= padding  # the padding's id means padding, and moves positions in some models
    mask = torch.ones_like(ids)
    if shape[0] > 1:
        mask[-1, shape[1] // 2 :] = 0
        ids[mask == 0] = padding
    place, real = torch.arange(shape[1]), mask.sum(1, keepdim=True)
    return ids, mask, ((2 * place >= real) & (place < real)).long()


def _session(path: Path) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors have no base of their own
        raise SmeltError(path, f"ONNX Runtime cannot open it ({first_line(error)})") from None


def _run(session: Any, path: Path, rows: Mapping[str, Any]) -> Any:
    try:
        (hidden,) = session.run(None, dict(rows))
    except Exception as error:  # as above
        raise SmeltError(
            path, f"ONNX Runtime cannot run it on ids of shape {rows['input_ids'].shape} ({first_line(error)})"
        ) from None
    return hidden
