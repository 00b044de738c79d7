"""`python -m smelt reduce`: the same model with only the pieces that some languages use, proven exact.

IN   a model, as a folder or by its name on the hub; and either text files (--corpus), or counts of its tokenizer's
     pieces (`python -m smelt count`) with documents.parquet of the same languages (--counts and --held-out)
OUT  a model's folder: config.json, model.safetensors, tokenizer, reduction.json (what was kept, and the proof),
     README.md (its card), provenance.json
"""

import argparse
import contextlib
import os
import tempfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.entry import check
from smelt.errors import SmeltError
from smelt.flags import held_out_share, json_object, natural, positive, seed
from smelt.study.selection import ReductionSettings

if TYPE_CHECKING:
    from smelt.models.reduction.reduced import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--model", required=True, help="a model's folder, or its name on the hub")
    parser.add_argument("--revision", default="main", help="commit of the hub's repository (main)")
    _add_texts(parser)
    _add_rule(parser)
    parser.add_argument("--proof-lines", type=positive, default=1000, help="held-out lines of a language to cut (1000)")
    parser.add_argument(
        "--proof-states", type=positive, default=16, help="of those, lines of kept pieces to run both models on (16)"
    )
    parser.add_argument("--threads", type=positive, default=_cores(), help="CPU threads (all there are)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the reduced model")


def _add_texts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus", nargs="+", help="text files, a paragraph a line: sw.txt, news.sw.txt or sw=<any name>"
    )
    parser.add_argument("--languages", nargs="+", help="languages of the corpus to keep (all)")
    parser.add_argument(
        "--held-out-share", type=held_out_share, default=0.02, help="of --corpus's lines, for the proof (0.02)"
    )
    parser.add_argument("--seed", type=seed, default=1, help="of the lines that are held out (1)")
    parser.add_argument("--counts", type=Path, nargs="+", help="counts of the model's pieces, one a language")
    parser.add_argument("--held-out", type=Path, nargs="+", help="documents.parquet in folders named as the languages")


def _add_rule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threshold", help="share of a language's lines: a number, paper (0.0005) or code (0.00005)")
    parser.add_argument("--size", type=natural, help="pieces of the reduced model, in place of a threshold")
    parser.add_argument("--of", choices=["lines", "documents", "occurrences"], help="what shares are of (lines)")
    parser.add_argument("--keep", nargs="+", help="pieces to keep in any case")
    parser.add_argument("--settings", type=json_object(), help="all of these as JSON, in their place")


def run(arguments: argparse.Namespace) -> None:
    """Reduce one model."""
    settings = check(ReductionSettings, _settings(arguments), "--settings" if arguments.settings else "reduce")
    if bool(arguments.corpus) == bool(arguments.counts) or bool(arguments.counts) != bool(arguments.held_out):
        raise SmeltError("reduce", "expected either --corpus, or --counts with --held-out")
    if arguments.counts and arguments.languages:
        raise SmeltError("--languages", "the files of --counts say which languages they are of: name fewer files")
    from smelt.models.reduction.proof import Extent
    from smelt.models.reduction.reduced import Corpus, Texts, check_places, located, reduce
    from smelt.models.reduction.texts import texts_by_language, write_languages

    source = located(arguments.model, arguments.revision)
    check_places(source, arguments.output)
    extent = Extent(arguments.proof_lines, arguments.proof_states, threads=arguments.threads)
    if arguments.counts:
        held_out = {path.resolve().parent.name: path for path in arguments.held_out}
        if len(held_out) < len(arguments.held_out):
            raise SmeltError("--held-out", "two files lie in folders of one name: expected one file a language")
        reduce(source, Texts(arguments.counts, held_out), settings, extent, arguments.output)
        return
    with tempfile.TemporaryDirectory(prefix="smelt-reduce-") as scratch:
        files = texts_by_language(arguments.corpus, arguments.languages)
        held_out = write_languages(files, Path(scratch), arguments.held_out_share, arguments.seed)
        counts = _count(source, held_out, Path(scratch), arguments.threads)
        corpus = Corpus(list(chain.from_iterable(files.values())), arguments.held_out_share, arguments.seed)
        reduce(source, Texts(counts, held_out, corpus), settings, extent, arguments.output)


def _count(source: "Source", documents: dict[str, Path], scratch: Path, processes: int) -> list[Path]:
    from smelt.models.count import count

    written = []
    for language, path in documents.items():
        written.append(scratch / f"{language}.parquet")
        count(path, source.folder, language, scratch / "shards" / language, written[-1], processes, source.where)
    return written


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    flags = {key: getattr(arguments, key) for key in ("threshold", "size", "of", "keep")}
    given: dict[str, Any] = {key: value for key, value in flags.items() if value is not None}
    if arguments.settings is not None and given:
        raise SmeltError(f"--{next(iter(given))}", "stands in --settings already: give either")
    if isinstance(text := given.get("threshold"), str) and text not in ("paper", "code"):
        given["threshold"] = _threshold(text)
    return given if arguments.settings is None else arguments.settings


def _threshold(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) <= 1:
            return value
    raise SmeltError("--threshold", f"expected a number above 0 and up to 1, paper or code, found {text!r}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
