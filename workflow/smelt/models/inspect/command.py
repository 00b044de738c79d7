"""`smelt inspect`: what scripts and kinds of pieces a tokenizer has, who uses them, and what another shares.

IN   a tokenizer: a folder, a tokenizer.json or a name on the hub; another one, if two are to be compared; texts of
     some languages (--corpus), if their use is to be shown
OUT  tables on the screen; with --output a folder: inspection.json, and as CSV kinds, scripts, lengths, languages,
     comparison (of two) and pieces, a row each
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from smelt.cli import add_examples, positive
from smelt.disk import scratch_folder
from smelt.errors import SmeltError
from smelt.models.inspect.comparison import ComparedTokenizers, compare
from smelt.models.inspect.inspection_files import print_inspection, write_inspection
from smelt.models.inspect.pieces import InspectedTokenizer, read_tokenizer_of
from smelt.models.inspect.usage import Usage, usage_of
from smelt.models.vocabulary.texts import CorpusTexts, texts_by_language, write_languages

_HALF, _SEED = 0.5, 1  # all lines are read, so that it does not matter which of them are held out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `inspect`."""
    parser.add_argument("tokenizer", help="a folder, a tokenizer.json, or a name on the hub")
    parser.add_argument("other", nargs="?", help="another one, to compare it with the first")
    parser.add_argument("--revision", default="main", help="commit of the hub's repository (main)")
    parser.add_argument("--other-revision", default="main", help="the same of the other one (main)")
    parser.add_argument(
        "--corpus", nargs="+", help="texts by language, as smelt reduce takes them: sw.txt, en=news/*.parquet"
    )
    parser.add_argument("--languages", nargs="+", help="languages of the corpus to look at (all)")
    parser.add_argument(
        "--lines",
        type=positive,
        default=1000,
        help="lines of a language whose cuts by two tokenizers are compared (1000)",
    )
    parser.add_argument("--output", type=Path, help="folder for the same as JSON and CSV")
    add_examples(
        parser,
        "results/my-study/models/mbert",
        "google-bert/bert-base-multilingual-cased --revision 3f076fd --corpus sw.txt en=news.txt",
    )


def run(arguments: argparse.Namespace) -> None:
    """Show what a tokenizer has, or what two have."""
    if arguments.languages and not arguments.corpus:
        raise SmeltError("--languages", "has no effect without --corpus: name texts, or leave it out")
    if arguments.output and arguments.output.exists():
        raise SmeltError(arguments.output, "exists: expected an --output that is not there yet")
    named = [(arguments.tokenizer, arguments.revision)]
    named += [(arguments.other, arguments.other_revision)] if arguments.other else []
    tokenizers = [read_tokenizer_of(name, revision) for name, revision in named]
    with scratch_folder("inspect") as scratch:
        sources = texts_by_language(arguments.corpus, arguments.languages) if arguments.corpus else {}
        documents = write_languages(sources, scratch, _HALF, _SEED)
        uses = [usage_of(tokenizer, documents) for tokenizer in tokenizers]
        compared = _compare(tokenizers, uses, documents, arguments.lines)
    if arguments.output:
        write_inspection(arguments.output, tokenizers, uses, compared)
    print_inspection(tokenizers, uses, compared)
    for line in CorpusTexts(sources, _HALF, _SEED).rows_without_text():
        print(line)


def _compare(
    tokenizers: list[InspectedTokenizer], uses: list[Usage], documents: Mapping[str, Path], lines: int
) -> ComparedTokenizers | None:
    if len(tokenizers) == 1:
        return None
    first, other = tokenizers
    return compare(first, other, (uses[0], uses[1]), documents, lines)
