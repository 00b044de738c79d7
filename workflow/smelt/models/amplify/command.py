"""`smelt amplify`: add pieces for some languages to a model, and prove that other texts are read as before.

IN   a model, as a folder or by its name on the hub; and either texts (--corpus), or documents.parquet of each
     language, in folders of its name (--documents)
OUT  a model's folder: config.json, model.safetensors, tokenizer, amplification.json (what was added, and the proof),
     README.md (its card), provenance.json
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from tokenizers import Tokenizer

from smelt.cli import KeyValues, add_examples, held_out_share, natural, positive, seed, settings_or_flags
from smelt.companions import find_companions
from smelt.disk import scratch_folder
from smelt.errors import SmeltError
from smelt.files import whole_folder
from smelt.model_families import max_positions
from smelt.model_folder import ModelSource, locate, publish_tokenizer, read_configuration
from smelt.models.amplify.growth import SPARE, Addition, Growth, grow, growth_of
from smelt.models.amplify.learning import Learnt, LineSample, WordCutter, draw, learn
from smelt.models.amplify.record import Amplification, write_amplified_card, write_record
from smelt.models.vocabulary.texts import CorpusTexts, documents_by_language, texts_by_language, write_languages
from smelt.models.vocabulary.tokenizer_files import (
    TOKENIZER,
    ids_outside_the_model,
    load_fast,
    write_file,
    write_settings,
)
from smelt.models.vocabulary.vocabulary import Vocabulary, read_vocabulary
from smelt.models.vocabulary.weights import check_places, reduce_weights
from smelt.provenance import write_provenance
from smelt.study.makers.amplify import AmplificationSettings, NewPieces

if TYPE_CHECKING:
    from smelt.models.vocabulary.equivalence import Extent

_TRIES = 4  # each asks for twice as many merges, where too few of them are new pieces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    starts = get_args(NewPieces.model_fields["start"].annotation)
    parser.add_argument("--model", required=True, help="a model's folder, or its name on the hub")
    parser.add_argument("--revision", default="main", help="commit of the hub's repository (main)")
    parser.add_argument(
        "--corpus",
        nargs="+",
        help="texts: sw.txt, sw=news/*.parquet, sw=news.jsonl:content, sw=org/name@commit/config/split:column",
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
    parser.add_argument(
        "--settings", action=KeyValues, kind=AmplificationSettings, help="all four together, in their place"
    )
    parser.add_argument("--proof-lines", type=positive, default=1000, help="held-out lines of a language to cut (1000)")
    parser.add_argument(
        "--proof-states", type=positive, default=16, help="lines without new pieces to run both models on (16)"
    )
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="CPU threads (all there are)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the amplified model")
    add_examples(
        parser,
        "--model mbert --corpus sw.txt --pieces 5000 --output mbert-more",
    )


def run(arguments: argparse.Namespace) -> None:
    """Amplify one model."""
    flags = {key: getattr(arguments, key) for key in ("pieces", "start", "sample", "seed")}
    settings = settings_or_flags(AmplificationSettings, arguments, flags)
    if bool(arguments.corpus) == bool(arguments.documents):
        raise SmeltError("amplify", "expected either --corpus or --documents")
    if arguments.documents and arguments.languages:
        raise SmeltError("--languages", "the folders of --documents say which languages they are of: name fewer files")
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)  # read when tokenizers first encodes
    from smelt.models.vocabulary.equivalence import Extent

    source = locate(arguments.model, arguments.revision)
    check_places(source, arguments.output)
    extent = Extent(arguments.proof_lines, arguments.proof_states, threads=arguments.threads)
    if arguments.documents:
        amplify(source, documents_by_language(arguments.documents, "--documents"), settings, extent, arguments.output)
        return
    with scratch_folder("amplify") as scratch:
        files = texts_by_language(arguments.corpus, arguments.languages)
        documents = write_languages(files, scratch, arguments.held_out_share, settings.seed)
        corpus = CorpusTexts(files, arguments.held_out_share, settings.seed)
        amplify(source, documents, settings, extent, arguments.output, corpus)


def amplify(
    source: ModelSource,
    documents: Mapping[str, Path],
    settings: AmplificationSettings,
    extent: "Extent",
    output: Path,
    corpus: CorpusTexts | None = None,
) -> None:
    """Write the folder of an amplified model.

    Args:
        source: the model.
        documents: documents.parquet of each language; pieces are learnt from those that are not held out.
        settings: how many pieces, and how their weights start.
        extent: how much of the held-out text the proof reads.
        output: the folder to make.
        corpus: texts that the documents were made from, if these are temporary.

    Raises:
        SmeltError: the model or its tokenizer cannot be amplified, a language has no text, the texts yield too few new
            pieces, or the proof fails; nothing is written then.
    """
    from smelt.models.amplify.proof import prove
    from smelt.models.amplify.weights import amplify_weights
    from smelt.models.vocabulary.equivalence import FolderPair

    began = time.monotonic()
    companions = find_companions(source.folder, source.where)
    vocabulary = read_vocabulary(source.folder, source.where)
    growth = growth_of(vocabulary)
    sample = draw(documents, settings.sample, settings.seed)
    words = count_words(vocabulary, growth, sample)
    addition, learnt = choose_pieces(growth, words, settings.pieces, source.where)
    with whole_folder(output) as folder:
        gathered = amplify_weights(source.folder, vocabulary.size, addition.pieces, settings, folder, source.where)
        write_vocabulary(vocabulary, growth, addition, folder)
        companions.copy(folder)
        publish_tokenizer(folder, max_positions(read_configuration(folder, source.where)))
        with scratch_folder("amplify") as scratch:
            old = trim(source, vocabulary, scratch) if gathered.padding_rows else source.folder
            ids = np.arange(vocabulary.size)
            proof = prove(FolderPair(folder, old, ids, output.name, growth.tightened), documents, extent)
        made = Amplification(vocabulary, addition, sample, len(learnt.merges), gathered, settings, proof)
        write_record(folder, made)
        write_amplified_card(folder, output.name, source, made, list(documents))
        hub = {"hub": source.hub, "commit": source.folder.name} if source.hub else {}
        texts: dict[str, Sequence[Path]] = (
            {"corpus": corpus.files} if corpus else {"documents": list(documents.values())}
        )
        inputs: dict[str, Path | Sequence[Path]] = {"source": source.folder, **texts}
        chosen_by = settings.model_dump() | hub | (corpus.record() if corpus else {})
        hours = (time.monotonic() - began) / 3600
        write_provenance(folder, "amplify", chosen_by, inputs, seeds=[settings.seed], hours=hours)
    print_summary(output, made)
    for line in corpus.rows_without_text() if corpus else []:
        print(line)


def count_words(vocabulary: Vocabulary, growth: Growth, sample: LineSample) -> Counter[str]:
    """Return how often each word of a sample occurs, as the vocabulary's tokenizer cuts it.

    Raises:
        SmeltError: the documents cannot be read.
    """
    tokenizer = load_fast(vocabulary.folder, vocabulary.where)
    encoder: Tokenizer = tokenizer.backend_tokenizer
    encoder.no_truncation()
    encoder.no_padding()
    encoder.encode_special_tokens = True
    excluded = {*growth.excluded, *ids_outside_the_model(vocabulary.tree), *tokenizer.all_special_ids}
    cutter = WordCutter(vocabulary, encoder, excluded)
    words = Counter[str]()
    for language in sample.documents:
        words.update(cutter.count(sample.of(language)))
    return words


def choose_pieces(growth: Growth, words: Counter[str], pieces: int, where: str) -> tuple[Addition, Learnt]:
    """Return the pieces to add, and the merges that they were chosen from.

    Raises:
        SmeltError: the words yield too few.
    """
    merges = int(pieces * SPARE)
    for _ in range(_TRIES):
        learnt = learn(words, merges)
        addition = growth.addition(learnt, pieces)
        if len(addition.pieces) == pieces or len(learnt.merges) < merges:
            break
        merges *= 2
    if len(addition.pieces) < pieces:
        found = f"{len(addition.pieces):,}"
        raise SmeltError(where, f"the texts yield {found} new pieces: expected pieces of at most {found}, or more text")
    return addition, learnt


def write_vocabulary(vocabulary: Vocabulary, growth: Growth, addition: Addition, output: Path) -> None:
    """Write every tokenizer file of the source with new pieces, and a tokenizer.json beside a SentencePiece model.

    A SentencePiece model alone is not enough if the class adds tokens behind its pieces (XLM-R's <mask>).

    Raises:
        SmeltError: the written files do not load as they should.
    """
    wanted = grow(vocabulary.tree, growth, addition)
    if vocabulary.file is not None:
        write_file(output / TOKENIZER, grow(vocabulary.file, growth, addition))
    elif vocabulary.protobufs:
        write_file(output / TOKENIZER, wanted)
    growth.write_files(vocabulary.folder, output, addition)
    ids = {piece: identity for identity, piece in enumerate(vocabulary.pieces)}
    write_settings(vocabulary.folder, output, ids, lambda identity: identity)
    vocabulary.check_written(output, wanted, vocabulary.size + len(addition.pieces))


def trim(source: ModelSource, vocabulary: Vocabulary, output: Path) -> Path:
    """Write a copy of the source without the rows of its embeddings that belong to no piece, and return its folder."""
    ids = np.arange(vocabulary.size)
    reduce_weights(source.folder, ids, output, vocabulary.size, source.where)
    vocabulary.write(ids, output)
    return output


def print_summary(output: Path, made: Amplification) -> None:
    """Print the number of new pieces, and the pieces a word before and after."""
    before = made.vocabulary.size
    print(f"{output}: {len(made.addition.pieces):,} pieces behind {before:,}, all else proven as it was")
    for language, row in made.proof["languages"].items():
        old, new = (row[when]["fertility"] for when in ("before", "after"))
        if old is not None:
            print(f"{output.name}: {language}: {old:.3f} pieces a word before, {new:.3f} after")
