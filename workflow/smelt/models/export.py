"""`python -m smelt export`: write a model for ONNX Runtime, in fp32 or with int8 weights.

An encoder is exported without its head: from ids, mask and, if the model has them, token types to the last hidden
states. Classifiers stand on these, and the efficiency benchmark times them for every model alike; a head for 119,547
pieces would be half of the arithmetic of BERT-base. A compact student (`smelt.architectures`) is exported whole, up to
its logits. The result has no weights that torch could train: it is measured and deployed, not fine-tuned.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smelt.card import Card, write_card
from smelt.cli import json_entry
from smelt.errors import SmeltError, first_line
from smelt.files import whole_folder
from smelt.model_folder import check_folder, copy_tokenizer, load_published_tokenizer, read_published_card
from smelt.models.onnx_graph import FILE, LOGITS, OPSET, Exported, load_exported, write_graph, write_int8
from smelt.provenance import write_provenance
from smelt.study.makers.export import ExportSettings

LIMITS = {
    "onnx": "Those of its source. What it gives is its source's to rounding; to fine-tune, take the source.",
    "int8": "Those of its source, and what int8 changes: what it gives is near its source's, not equal to rounding. "
    "How predictions bear that was not measured here.",
}
USE = """\
```python
import numpy, onnxruntime
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("path/to/{name}")
session = onnxruntime.InferenceSession("path/to/{name}/model.onnx")
rows = tokenizer(["a text", "and another"], padding=True, return_token_type_ids=True, return_tensors="np")
inputs = {{given.name: rows[given.name].astype(numpy.int64) for given in session.get_inputs()}}
({output},) = session.run(None, inputs)
```"""
SEED = 1
# Of the largest number: products of matrices add up in another order.
TOLERANCE = 1e-4
# Below this an int8 model is broken, not only rounded.
LEAST_COSINE = 0.9
LONGEST = 512  # tokens that are compared at most, of a model without a limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--source", type=Path, required=True, help="folder of the model")
    parser.add_argument("--settings", type=json_entry(ExportSettings), required=True, help="JSON: format, onnx or int8")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Export one model."""
    settings: ExportSettings = arguments.settings
    found = export(arguments.source, settings, arguments.output)
    size = sum(file.stat().st_size for file in arguments.output.glob(f"{FILE}*")) / 1e6
    print(f"{arguments.output}: {settings.format}, {size:,.1f} MB; {found}")


@dataclass(frozen=True)
class Difference:
    """How far an exported model is from its source: in hidden states of all tokens but padding, or in logits."""

    largest: float
    """Largest absolute difference of a number."""
    largest_of_source: float
    """Largest absolute value of the source's."""
    mean_cosine: float
    """Between the two hidden states of a token."""
    least_cosine: float
    shapes: list[tuple[int, int]]
    """The batch sizes and lengths that were compared."""
    of: str = "hidden states"

    def __str__(self) -> str:
        """The line that the log shows."""
        cosine = f"cosine {self.mean_cosine:.6f} in the mean and {self.least_cosine:.6f} at the least"
        return f"{self.of} differ by at most {self.largest:.2e}, {cosine}"

    def to_json(self, shapes: bool = True) -> dict[str, Any]:
        """Return the figures by name."""
        found = asdict(self)
        return found if shapes else {name: value for name, value in found.items() if name not in ("shapes", "of")}


def export(source: Path, settings: ExportSettings, output: Path) -> Difference:
    """Write the folder of an exported model, and return how it differs from its source.

    Raises:
        SmeltError: the source cannot be read or exported, or the export is not equivalent to it; nothing is written
            then.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    start = time.monotonic()
    check_folder(source, str(source))
    exported = load_exported(source)
    tokenizer = load_published_tokenizer(source, str(source))
    with whole_folder(output) as folder:
        graph = folder / FILE
        write_graph(exported, graph)
        found = difference(exported, graph)
        refuse_unlike(found, source)
        if settings.format == "int8":
            write_int8(graph, settings.reduce_range)
            found = difference(exported, graph)
            refuse_unlike(found, source, exact=False)
        exported.config.architectures = [type(exported.model).__name__]
        exported.config.save_pretrained(folder)
        copy_tokenizer(source, folder)
        write_card(folder, _card(output.name, source, settings, exported, len(tokenizer), found))
        hours = (time.monotonic() - start) / 3600
        stated = settings.model_dump() | {"opset": OPSET}
        write_provenance(folder, "export", stated, {"source": source}, [], hours, checks=found.to_json())
    return found


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
    max_length = source.max_length or LONGEST
    shapes = [(1, 2), (3, 17), (2, min(128, max_length)), (1, max_length)]
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
    """Refuse an export that differs from its source: by more than rounding if `exact`, otherwise in direction.

    Raises:
        SmeltError: it differs.
    """
    allowed = TOLERANCE * max(1.0, found.largest_of_source)
    if exact and not found.largest <= allowed:
        raise SmeltError(source, f"its export is not it: {found}; allowed are {allowed:.1e}. Nothing is written")
    if not found.mean_cosine >= LEAST_COSINE:
        raise SmeltError(source, f"int8 breaks it: {found}; expected a mean cosine from {LEAST_COSINE}")


def _card(
    name: str, source: Path, settings: ExportSettings, exported: Exported, pieces: int, found: Difference
) -> Card:
    published = read_published_card(source)
    languages = published.get("language", [])
    weights = "fp32" if settings.format == "onnx" else f"int8{' of seven bits' if settings.reduce_range else ''}"
    with_head = exported.output == LOGITS
    part = f"{source.name} with its classifier" if with_head else f"The encoder of {source.name}, without heads"
    summary = f"{part}, for ONNX Runtime: {weights} weights, opset {OPSET}."
    if settings.format == "int8":
        summary += " Activations are quantised as they come (dynamic quantisation), embeddings too are kept as int8."
    facts: Mapping[str, str | int | float] = {
        "inputs": f"{', '.join(exported.inputs)}: int64, (batch, length)",
        "output": f"{exported.output}: float32, {exported.shape}",
        "pieces": pieces,
        "parameters": exported.model.num_parameters(),
    }
    return Card(
        name=name,
        summary=summary,
        languages=[languages] if isinstance(languages, str) else [str(language) for language in languages],
        facts=facts,
        tables={"Against its source, on random ids": [found.to_json(shapes=False)]},
        limits=LIMITS[settings.format],
        fills_masks=False,
        licence=str(published["license"]) if "license" in published else None,
        use=USE.format(name=name, output="logits" if with_head else "hidden"),
        library="onnx",
    )


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
