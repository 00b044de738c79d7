"""`smelt export`: write a model for ONNX Runtime, in fp32 or with int8 weights.

An encoder is exported without its head: from ids, mask and, if the model has them, token types to the last hidden
states. Classifiers stand on these, and the efficiency benchmark times them for every model alike; a head for 119,547
pieces would be half of the arithmetic of BERT-base. A compact student (`smelt.architectures`) is exported whole, up to
its logits. A model of sentence-transformers is exported with its pooling, dense layers and normalisation as a second
output, and with the files by which the library loads it. The result has no weights that torch could train: it is
measured and deployed, not fine-tuned.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from smelt.card import Card, CardValue, place_of, write_card
from smelt.cli import KeyValues, add_examples, settings_or_flags
from smelt.companions import find_companions, is_sentence_model
from smelt.errors import SmeltError, first_line
from smelt.files import whole_folder
from smelt.model_folder import (
    check_folder,
    copy_tokenizer,
    load_published_tokenizer,
    read_citation,
    read_inherited,
    read_published_card,
)
from smelt.models.onnx_graph import (
    FILE,
    HIDDEN,
    LOGITS,
    OPSET,
    SENTENCE,
    Exported,
    load_exported,
    write_graph,
    write_int8,
)
from smelt.provenance import write_provenance
from smelt.study.makers.export import ExportSettings

LIMITS = {
    "onnx": "Those of its source. What it gives is its source's to rounding; to fine-tune, take the source.",
    "int8": "Those of its source, and what int8 changes: what it gives is near its source's, not equal to rounding. "
    "How predictions bear that was not measured here.",
}
USE = """\
```python
import onnxruntime
from transformers import AutoTokenizer
from transformers.utils import cached_file

session = onnxruntime.InferenceSession([cached_file("{place}", name) for name in {files}][0])
tokenizer = AutoTokenizer.from_pretrained("{place}")
rows = tokenizer(["A text.", "Another one."], padding=True, return_token_type_ids=True, return_tensors="np")
inputs = {{given.name: rows[given.name].astype("int64") for given in session.get_inputs()}}
print([(made.name, values.shape) for made, values in zip(session.get_outputs(), session.run(None, inputs))])
```"""
USE_SENTENCES = """

`sentence_embedding` has the embeddings of the texts. Prompts, if the model has any, are put before the texts by hand.
sentence-transformers' own ONNX backend, where it can be installed, reads the folder, too:
`SentenceTransformer("{place}", backend="onnx")`."""
SEED = 1
# Of the largest number: products of matrices add up in another order.
TOLERANCE = 1e-4
# Below this an int8 model is broken, not only rounded.
LEAST_COSINE = 0.9
LONGEST = 512  # tokens that are compared at most, of a model without a limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--source", type=Path, required=True, help="folder of the model")
    formats = get_args(ExportSettings.model_fields["format"].annotation)
    parser.add_argument("--format", choices=formats, help="weights in fp32 (onnx), or in int8")
    parser.add_argument(
        "--reduce-range", action="store_const", const=True, help="int8 of seven bits, for x86 processors without VNNI"
    )
    parser.add_argument(
        "--no-pooling",
        action="store_const",
        const=False,
        dest="pooling",
        help="leave out what sentence-transformers does with the states",
    )
    parser.add_argument("--settings", action=KeyValues, kind=ExportSettings, help="all three together, in their place")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--source mbert --format int8 --output mbert-int8",
    )


def run(arguments: argparse.Namespace) -> None:
    """Export one model."""
    flags = {key: getattr(arguments, key) for key in ExportSettings.model_fields}
    settings = settings_or_flags(ExportSettings, arguments, flags)
    found = export(arguments.source, settings, arguments.output)
    size = size_of(arguments.output) / 1e6
    print(f"{arguments.output}: {settings.format}, {size:,.1f} MB; {'; '.join(map(str, found))}")


def size_of(folder: Path) -> int:
    """Return the bytes of a graph with its weights."""
    return sum(file.stat().st_size for file in folder.glob(f"{FILE}*"))


@dataclass(frozen=True)
class Difference:
    """How far an output is from the source's: hidden states of all tokens but padding, embeddings, or logits."""

    largest: float
    """Largest absolute difference of a number."""
    largest_of_source: float
    """Largest absolute value of the source's."""
    mean_cosine: float
    """Between the two hidden states of a token, or the two vectors of a row."""
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


def export(source: Path, settings: ExportSettings, output: Path) -> list[Difference]:
    """Write the folder of an exported model, and return how each of its outputs differs from its source's.

    Raises:
        SmeltError: the source cannot be read or exported, or the export is not equivalent to it; nothing is written
            then.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    start = time.monotonic()
    check_folder(source, str(source))
    companions = find_companions(source, str(source)) if is_sentence_model(source) else None
    if companions is None and not settings.pooling:
        raise SmeltError(source, "is no folder of sentence-transformers: pooling: false has no effect on it")
    exported = load_exported(source, settings.pooling)
    tokenizer = load_published_tokenizer(source, str(source))
    with whole_folder(output) as folder:
        graph = folder / FILE
        write_graph(exported, graph)
        found = differences(exported, graph)
        refuse_unlike(found, source)
        if settings.format == "int8":
            write_int8(graph, settings.reduce_range)
            found = differences(exported, graph)
            refuse_unlike(found, source, exact=False)
        exported.config.architectures = [type(exported.model).__name__]
        exported.config.save_pretrained(folder)
        copy_tokenizer(source, folder)
        if companions:
            companions.copy(folder)
        size = size_of(folder)
        write_card(folder, _card(output.name, source, settings, exported, len(tokenizer), found, folder))
        hours = (time.monotonic() - start) / 3600
        stated = settings.model_dump() | {"opset": OPSET}
        write_provenance(folder, "export", stated, {"source": source}, [], hours, checks=_checks(found, size))
    return found


def _checks(found: Sequence[Difference], size: int) -> dict[str, Any]:
    """Return the differences for provenance, with the embeddings' and the size behind those of the states."""
    states, *embeddings = found
    more = {SENTENCE: embeddings[0].to_json(), "bytes": size} if embeddings else {}
    return states.to_json() | more


def differences(source: Exported, path: Path) -> list[Difference]:
    """Compare each output on random ids of several shapes, the last row of each padded to half its length.

    Embeddings of sentences are compared with padding before the ids, too.

    Args:
        source: what was exported.
        path: the graph.

    Raises:
        SmeltError: ONNX Runtime cannot run the graph at one of the shapes.
    """
    import torch

    session = _session(path)
    max_length = source.max_length or LONGEST
    shapes = [(1, 2), (3, 17), (2, min(128, max_length)), (1, max_length)]
    pairs: list[list[tuple[Any, Any]]] = [[] for _ in source.outputs]
    for number, shape in enumerate(shapes):
        rows = _rows(shape, source.config, SEED + number)[: len(source.inputs)]
        for given in (rows, tuple(row.flip(1) for row in rows)) if source.modules else (rows,):
            with torch.inference_mode():
                ours = [output.numpy() for output in source(*given)]
            named = {name: row.numpy() for name, row in zip(source.inputs, given, strict=True)}
            theirs = _run(session, path, named, len(ours))
            for output, pair in zip(pairs, zip(ours, theirs, strict=True), strict=True):
                output.append(_vectors(*pair, given[1].numpy().astype(bool), path))
    of = {HIDDEN: "hidden states", LOGITS: "logits", SENTENCE: "sentence embeddings"}
    return [_difference(each, shapes, of[name]) for name, each in zip(source.outputs, pairs, strict=True)]


def _vectors(ours: Any, theirs: Any, mask: Any, path: Path) -> tuple[Any, Any]:
    """Return what is compared of an output, (tokens or rows, width): of states those of no padding."""
    import numpy as np

    if theirs.shape != ours.shape:
        raise SmeltError(path, f"gives an output of shape {theirs.shape}; expected {ours.shape}")
    words = mask if ours.ndim == 3 else slice(None)
    return ours[words].astype(np.float64), theirs[words].astype(np.float64)


def _difference(pairs: Sequence[tuple[Any, Any]], shapes: list[tuple[int, int]], of: str) -> Difference:
    import numpy as np

    largest, highest, cosines = 0.0, 0.0, []
    for one, other in pairs:
        largest = float(np.fmax(largest, np.abs(one - other).max())) if np.isfinite(other).all() else float("inf")
        highest = max(highest, float(np.abs(one).max()))
        norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosines.append((one * other).sum(1) / np.maximum(norms, 1e-12))
    together = np.concatenate(cosines)
    return Difference(largest, highest, float(together.mean()), float(together.min()), shapes, of)


def refuse_unlike(found: Sequence[Difference], source: Path, exact: bool = True) -> None:
    """Refuse an export that differs from its source: by more than rounding if `exact`, otherwise in direction.

    Raises:
        SmeltError: it differs.
    """
    for each in found:
        allowed = TOLERANCE * max(1.0, each.largest_of_source)
        if exact and not each.largest <= allowed:
            raise SmeltError(source, f"its export is not it: {each}; allowed are {allowed:.1e}. Nothing is written")
        if not each.mean_cosine >= LEAST_COSINE:
            raise SmeltError(source, f"int8 breaks it: {each}; expected a mean cosine from {LEAST_COSINE}")


def _card(
    name: str,
    source: Path,
    settings: ExportSettings,
    exported: Exported,
    pieces: int,
    found: Sequence[Difference],
    folder: Path,
) -> Card:
    published, inherited = read_published_card(source), read_inherited([source])
    languages = published.get("language", [])
    weights = "fp32" if settings.format == "onnx" else f"int8{' of seven bits' if settings.reduce_range else ''}"
    with_head = exported.output == LOGITS
    part = f"{source.name} with its classifier" if with_head else f"The encoder of {source.name}, without heads"
    if exported.modules:
        kinds = ", ".join(type(module).__name__ for module in exported.modules)
        part = f"{source.name} with what makes embeddings of its states ({kinds})"
    summary = f"{part}, for ONNX Runtime: {weights} weights, opset {OPSET}."
    if settings.format == "int8":
        summary += " Activations are quantised as they come (dynamic quantisation), embeddings too are kept as int8."
    facts: dict[str, CardValue] = {
        "inputs": f"{', '.join(exported.inputs)}: int64, (batch, length)",
        "output": f"{exported.output}: float32, {exported.shape}",
        "pieces": pieces,
        "parameters": exported.model.num_parameters(),
    }
    use = USE.format(place=place_of(name), files=sorted(file.name for file in folder.glob(f"{FILE}*")))
    rows: list[Mapping[str, CardValue]] = [found[0].to_json(shapes=False)]
    if exported.modules:
        facts |= {"second output": f"{SENTENCE}: float32, (batch, width)", "megabytes": round(size_of(folder) / 1e6, 1)}
        use += USE_SENTENCES.format(place=place_of(name))
        rows = [{"of": each.of, **each.to_json(shapes=False)} for each in found]
    return Card(
        name=name,
        summary=summary,
        languages=[languages] if isinstance(languages, str) else [str(language) for language in languages],
        facts=facts,
        tables={"Against its source, on random ids": rows},
        limits=LIMITS[settings.format],
        fills_masks=False,
        relation="quantized" if settings.format == "int8" and inherited["base_models"] else None,
        citation=read_citation(source),
        **inherited,
        use=use,
        library="sentence-transformers" if exported.modules else "onnx",
        pipeline="sentence-similarity" if exported.modules else None,
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


def _run(session: Any, path: Path, rows: Mapping[str, Any], outputs: int) -> list[Any]:
    try:
        found: list[Any] = session.run(None, dict(rows))
    except Exception as error:  # as above
        raise SmeltError(
            path, f"ONNX Runtime cannot run it on ids of shape {rows['input_ids'].shape} ({first_line(error)})"
        ) from None
    if len(found) != outputs:
        raise SmeltError(path, f"has {len(found)} outputs; expected {outputs}")
    return found
