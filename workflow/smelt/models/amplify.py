"""`python -m smelt amplify`: the same model with more pieces for some languages, proven the same without them.

IN   a model, as a folder or by its name on the hub, and documents.parquet of each language, in folders of its name
OUT  a model's folder: config.json, model.safetensors, tokenizer, amplification.json (what was added, and the proof),
     README.md (its card), provenance.json
"""

import argparse
import os
from pathlib import Path
from typing import Any, get_args

from smelt.errors import SmeltError
from smelt.flags import json_object, natural, positive, seed
from smelt.study.load import check
from smelt.study.new_pieces import AmplificationSettings, NewPieces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    starts = get_args(NewPieces.model_fields["start"].annotation)
    parser.add_argument("--model", required=True, help="a model's folder, or its name on the hub")
    parser.add_argument("--revision", default="main", help="commit of the hub's repository (main)")
    parser.add_argument(
        "--documents", type=Path, nargs="+", required=True, help="documents.parquet in folders named as the languages"
    )
    parser.add_argument("--pieces", type=natural, help="how many to add (5000)")
    parser.add_argument("--start", choices=starts, help="what their weights start as (mean)")
    parser.add_argument("--sample", type=natural, help="lines to learn them from at the most, drawn (1000000)")
    parser.add_argument("--seed", type=seed, help="of lines and weights that are drawn (1)")
    parser.add_argument("--settings", type=json_object(), help="all four as JSON, in their place")
    parser.add_argument("--proof-lines", type=positive, default=1000, help="held-out lines of a language to cut (1000)")
    parser.add_argument(
        "--proof-states", type=positive, default=16, help="lines without new pieces to run both models on (16)"
    )
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="CPU threads (all there are)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the amplified model")


def run(arguments: argparse.Namespace) -> None:
    """Amplify one model."""
    settings = check(AmplificationSettings, _settings(arguments), "--settings" if arguments.settings else "amplify")
    documents = {path.resolve().parent.name: path for path in arguments.documents}
    if len(documents) < len(arguments.documents):
        raise SmeltError("--documents", "two files lie in folders of one name: expected one file a language")
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)  # read when tokenizers first encodes
    from smelt.models.amplification.amplified import amplify
    from smelt.models.reduction.proof import Extent
    from smelt.models.reduction.reduced import check_places, located

    source = located(arguments.model, arguments.revision)
    check_places(source, arguments.output)
    extent = Extent(arguments.proof_lines, arguments.proof_states, threads=arguments.threads)
    amplify(source, documents, settings, extent, arguments.output)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    flags = {key: getattr(arguments, key) for key in ("pieces", "start", "sample", "seed")}
    given = {key: value for key, value in flags.items() if value is not None}
    if arguments.settings is not None and given:
        raise SmeltError(f"--{next(iter(given))}", "stands in --settings already: give either")
    return given if arguments.settings is None else dict(arguments.settings)
