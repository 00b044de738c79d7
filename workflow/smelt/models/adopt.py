"""`smelt job adopt`: bring in a published model, from the hub at a pinned revision or from a folder.

The result is a folder like any other maker's: configuration, weights as safetensors, tokenizer, card, provenance.
The masked-language-model head stays where the checkpoint has one, because distillation and reduction need it.
"""

import argparse
import shutil
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from smelt.card import Card, write_card
from smelt.cli import KeyValues, add_examples
from smelt.companions import find_companions, is_sentence_model
from smelt.environment import fill_in
from smelt.errors import SmeltError, absent, first_line
from smelt.files import whole_folder
from smelt.licences import licence_of_card
from smelt.model_families import fills_masks, max_positions, number_of
from smelt.model_folder import (
    TOKENIZER_FILES,
    check_folder,
    copy_tokenizer,
    fetch,
    load_as,
    load_model,
    load_published_tokenizer,
    publish_tokenizer,
    read_citation,
    read_published_card,
    record_of,
)
from smelt.models.segmentation import LINES, Cutting, cuttings, faithful
from smelt.pretrained import CLASSES, say_code_is_left
from smelt.provenance import write_provenance
from smelt.study.makers.adopt import PINNED, Adopt

MOST_LINES = 10_000  # of each file of --text
HINT = "adopt it with `tokenizer: faithful` for one that cuts text as the SentencePiece model does"
LOWER_CASE = "it lower-cases what it reads, which the SentencePiece model does not: `tokenizer: published` keeps that"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--source",
        action=KeyValues,
        kind=Adopt,
        fixed={"maker": "adopt"},
        required=True,
        help="hub and revision, or folder; tokenizer",
    )
    parser.add_argument("--text", type=Path, nargs="+", default=[], help="text files whose lines are compared too")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--source hub=google-bert/bert-base-multilingual-cased revision=3f076fd --output mbert",
        "--source folder=my-model --output model",
    )


def run(arguments: argparse.Namespace) -> None:
    """Adopt one model."""
    adopt(arguments.source, arguments.output, arguments.text)


def adopt(source: Adopt, output: Path, texts: Sequence[Path] = ()) -> None:
    """Write the folder of an adopted model.

    Args:
        source: where it comes from, and which tokenizer it gets.
        output: the folder to make.
        texts: files of lines to compare the tokenizer on, in addition to those that are always compared.

    Raises:
        SmeltError: the source cannot be fetched, is no model with a tokenizer or lacks weights, or no faithful
            tokenizer can be made; nothing is written then.
    """
    start = time.monotonic()
    lines = [line for path in texts for line in _lines(path)]
    found = _locate(source)
    where = source.hub or str(found)
    if not found.is_dir():
        raise absent(found, "folder", "a model as save_pretrained writes it")
    check_folder(found, where)
    say_code_is_left(found, where)
    companions = find_companions(found, where)
    model = load_model(found, where)
    tokenizer = load_published_tokenizer(found, where)
    held = cuttings(found, tokenizer, lines)
    for cutting in held:
        print(f"tokenizer: {cutting.sentence()}")
    if source.tokenizer == "faithful":
        tokenizer, cutting = faithful(found, tokenizer, where, lines)
        print(f"tokenizer: {cutting.sentence()}")
    elif any(cutting.otherwise for cutting in held):
        print(f"tokenizer: {LOWER_CASE if _lower_cases(tokenizer) else HINT}")
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise SmeltError(where, f"its tokenizer has {len(tokenizer)} pieces but its embeddings only {rows} rows")
    model.config.__dict__.pop(CLASSES, None)  # of files that stay behind
    with whole_folder(output) as folder:
        model.save_pretrained(folder)
        copy_tokenizer(found, folder, TOKENIZER_FILES if source.tokenizer == "published" else ["*.model"])
        if record := record_of(found):  # without which untrained pieces would be taken for trained ones
            shutil.copy(record, folder / record.name)
        companions.copy(folder)
        if source.tokenizer == "faithful":
            tokenizer.save_pretrained(folder)
            held = cuttings(folder, load_published_tokenizer(folder, where), lines)
        publish_tokenizer(folder, max_positions(model.config))
        check_copy(folder, model, tokenizer)
        write_card(folder, _card(output.name, source, found, model, len(tokenizer), held))
        commit = {"commit": found.name} if source.hub else {}
        hours = (time.monotonic() - start) / 3600
        inputs: dict[str, Path | Sequence[Path]] = {"source": found} | ({"text": texts} if texts else {})
        checks = {"cutting": [cutting.record() for cutting in held]} if held else None
        write_provenance(folder, "adopt", source.chosen() | commit, inputs, seeds=[], hours=hours, checks=checks)
    print(f"{output}: {type(model).__name__}, {model.num_parameters():,} parameters, {len(tokenizer):,} pieces")


def check_copy(folder: Path, model: Any, tokenizer: Any) -> None:
    """Check that the written folder loads to the same weights and the same pieces.

    Raises:
        SmeltError: it does not.
    """
    import torch

    copy, missing = load_as(type(model), folder, str(folder))
    weights, written = model.state_dict(), copy.state_dict()
    changed = [name for name, tensor in weights.items() if not torch.equal(tensor, written[name])]
    if missing or changed:
        raise SmeltError(folder, f"does not load as it was written: {(missing + changed)[0]} differs")
    if load_published_tokenizer(folder, str(folder)).get_vocab() != tokenizer.get_vocab():
        raise SmeltError(folder, "does not load as it was written: its tokenizer has other pieces than the source's")
    ours, theirs = (
        each(list(LINES))["input_ids"] for each in (load_published_tokenizer(folder, str(folder)), tokenizer)
    )
    if cut_otherwise := [line for line, one, other in zip(LINES, ours, theirs, strict=True) if one != other]:
        raise SmeltError(folder, f"does not load as it was written: its tokenizer cuts {cut_otherwise[0]!r} otherwise")


def _lower_cases(tokenizer: Any) -> bool:
    """Return whether a tokenizer takes capitals for small letters, as those of uncased ALBERT models do."""
    return all(tokenizer.tokenize(letter.upper()) == tokenizer.tokenize(letter) for letter in "aeiou")


def _locate(source: Adopt) -> Path:
    if source.folder is not None:
        return Path(fill_in(source.folder))
    assert source.hub is not None
    assert source.revision is not None
    if source.revision == PINNED:
        raise SmeltError(source.hub, "no commit of it is pinned yet: `smelt pin <study file>` looks it up on the hub")
    return fetch(source.hub, source.revision)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not blank, up to the number that is compared.

    Raises:
        SmeltError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            return list(islice((line.rstrip("\n") for line in stream if line.strip()), MOST_LINES))
    except (OSError, UnicodeDecodeError) as error:
        raise SmeltError(path, f"cannot be read as text in UTF-8 ({first_line(error)})") from None


def _card(name: str, source: Adopt, found: Path, model: Any, pieces: int, held: Sequence[Cutting]) -> Card:
    published = read_published_card(found)
    languages = published.get("language", [])
    origin = f"[{source.hub}](https://huggingface.co/{source.hub})" if source.hub else f"the folder `{source.folder}`"
    pinned = f", commit {found.name}" if source.hub else ""
    files = f"https://huggingface.co/{source.hub}/blob/{found.name}" if source.hub else ""
    changed = "unchanged" if source.tokenizer == "published" else "with a tokenizer made of its SentencePiece model"
    cut = {f"lines that {one.reader} cuts otherwise than {one.model}": _share(one) for one in held}
    differing = [f"{one.sentence()}." for one in held if one.otherwise]
    return Card(
        name=name,
        summary=f"A published model, adopted {changed} from {origin}{pinned}.",
        languages=[languages] if isinstance(languages, str) else [str(language) for language in languages],
        facts={
            "architecture": type(model).__name__,
            "parameters": model.num_parameters(),
            "pieces": pieces,
            "layers": number_of(model.config, "layers") or 0,
            "hidden size": number_of(model.config, "hidden") or 0,
        }
        | cut,
        limits=" ".join(["Those that its publishers state.", *differing]),
        fills_masks=fills_masks(type(model).__name__),
        base_models=[source.hub] if source.hub else [],
        licence=licence_of_card(published, files),
        citation=read_citation(found),
        library="sentence-transformers" if is_sentence_model(found) else "transformers",
        pipeline="sentence-similarity" if is_sentence_model(found) else None,
    )


def _share(cutting: Cutting) -> str:
    return f"{cutting.otherwise:,} of {cutting.lines:,} ({cutting.share:.1%})"
