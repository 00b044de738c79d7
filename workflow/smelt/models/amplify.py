"""`python -m smelt amplify`: the same model with more pieces for some languages, proven the same without them.

IN   a model, as a folder or by its name on the hub; and either text files (--corpus), or documents.parquet of each
     language, in folders of its name (--documents)
OUT  a model's folder: config.json, model.safetensors, tokenizer, amplification.json (what was added, and the proof),
     README.md (its card), provenance.json
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from smelt.entry import check
from smelt.errors import SmeltError
from smelt.flags import held_out_share, json_object, natural, positive, seed
from smelt.study.new_pieces import AmplificationSettings, NewPieces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    starts = get_args(NewPieces.model_fields["start"].annotation)
    parser.add_argument("--model", required=True, help="a model's folder, or its name on the hub")
    parser.add_argument("--revision", default="main", help="commit of the hub's repository (main)")
    parser.add_argument(
        "--corpus", nargs="+", help="text files, a paragraph a line: sw.txt, news.sw.txt or sw=<any name>"
    )
    parser.add_argument("--languages", nargs="+", help="languages of the corpus that gain pieces (all)")
    parser.add_argument(
        "--held-out-share", type=held_out_share, default=0.02, help="of --corpus's lines, for the proof (0.02)"
    )
    parser.add_argument("--documents", type=Path, nargs="+", help="documents.parquet in folders named as the languages")
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
    if bool(arguments.corpus) == bool(arguments.documents):
        raise SmeltError("amplify", "expected either --corpus or --documents")
    if arguments.documents and arguments.languages:
        raise SmeltError("--languages", "the folders of --documents say which languages they are of: name fewer files")
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)  # read when tokenizers first encodes
    from smelt.models.amplification.amplified import amplify
    from smelt.models.reduction.proof import Extent
    from smelt.models.reduction.reduced import Corpus, check_places, located
    from smelt.models.reduction.texts import texts_by_language, write_languages

    source = located(arguments.model, arguments.revision)
    check_places(source, arguments.output)
    extent = Extent(arguments.proof_lines, arguments.proof_states, threads=arguments.threads)
    if arguments.documents:
        amplify(source, _documents(arguments.documents), settings, extent, arguments.output)
        return
    with tempfile.TemporaryDirectory(prefix="smelt-amplify-") as scratch:
        files = texts_by_language(arguments.corpus, arguments.languages)
        documents = write_languages(files, Path(scratch), arguments.held_out_share, settings.seed)
        corpus = Corpus(list(chain.from_iterable(files.values())), arguments.held_out_share, settings.seed)
        amplify(source, documents, settings, extent, arguments.output, corpus)


def _documents(paths: Sequence[Path]) -> dict[str, Path]:
    documents = {path.resolve().parent.name: path for path in paths}
    if len(documents) < len(paths):
        raise SmeltError("--documents", "two files lie in folders of one name: expected one file a language")
    return documents


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    flags = {key: getattr(arguments, key) for key in ("pieces", "start", "sample", "seed")}
    given = {key: value for key, value in flags.items() if value is not None}
    if arguments.settings is not None and given:
        raise SmeltError(f"--{next(iter(given))}", "stands in --settings already: give either")
    return given if arguments.settings is None else dict(arguments.settings)
