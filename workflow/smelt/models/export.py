"""`python -m smelt export`: write a model for ONNX Runtime, in fp32 or with int8 weights.

Of an encoder the bare one is exported, from ids, mask and, where the model has them, token types to the last hidden
states: that is what classifiers are put on
and what the efficiency ruler times for every model alike, and a head for 119,547 pieces would be half of the arithmetic
of BERT-base. A compact student (`smelt.architectures`) is exported whole, up to its logits. The result has no weights
that torch could train: it is measured and deployed, not fine-tuned.
"""

import argparse
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from smelt.card import Card, write_card
from smelt.entry import check
from smelt.files import whole_folder
from smelt.flags import json_object
from smelt.models.adopt import TOKENIZER_FILES, check_folder, load_tokenizer, published_card
from smelt.models.difference import Difference, difference, refuse_unlike
from smelt.models.exported import LOGITS, Exported, load_exported
from smelt.models.graph import FILE, OPSET, write_graph, write_int8
from smelt.provenance import write_provenance
from smelt.study.makers import ExportSettings

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--source", type=Path, required=True, help="folder of the model")
    parser.add_argument("--settings", type=json_object("format"), required=True, help="JSON: format, onnx or int8")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Export one model."""
    settings = check(ExportSettings, arguments.settings, "--settings")
    found = export(arguments.source, settings, arguments.output)
    size = sum(file.stat().st_size for file in arguments.output.glob(f"{FILE}*")) / 1e6
    print(f"{arguments.output}: {settings.format}, {size:,.1f} MB; {found}")


def export(source: Path, settings: ExportSettings, output: Path) -> Difference:
    """Write the folder of an exported model, and return how it differs from its source.

    Raises:
        SmeltError: the source cannot be read or exported, or what was exported is not what it should be; nothing is
            left behind.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    start = time.monotonic()
    check_folder(source, str(source))
    exported = load_exported(source)
    tokenizer = load_tokenizer(source, str(source))
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
        for file in sorted({file for pattern in TOKENIZER_FILES for file in source.glob(pattern) if file.is_file()}):
            shutil.copy(file, folder / file.name)
        write_card(folder, _card(output.name, source, settings, exported, len(tokenizer), found))
        hours = (time.monotonic() - start) / 3600
        stated = settings.model_dump() | {"opset": OPSET}
        write_provenance(folder, "export", stated, {"source": source}, [], hours, checks=found.to_json())
    return found


def _card(
    name: str, source: Path, settings: ExportSettings, exported: Exported, pieces: int, found: Difference
) -> Card:
    published = published_card(source)
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
