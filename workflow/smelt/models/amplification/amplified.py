"""An amplified model's folder, from a source and documents: pieces learnt, written, proven, or not there."""

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from smelt.errors import SmeltError
from smelt.files import whole_folder
from smelt.model_families import longest_of
from smelt.models.adopt import configuration_of_folder
from smelt.models.amplification.growth import SPARE, Addition, Growth, grown, growth_of
from smelt.models.amplification.learning import Learnt, learn
from smelt.models.amplification.proof import prove
from smelt.models.amplification.record import Made, write_amplified_card, write_record
from smelt.models.amplification.sample import Sample, draw
from smelt.models.amplification.weights import amplify_weights
from smelt.models.amplification.words import Words
from smelt.models.reduction.loading import TOKENIZER, load_fast
from smelt.models.reduction.proof import Extent, Reduction
from smelt.models.reduction.reduced import Corpus, Source
from smelt.models.reduction.settings import write_settings
from smelt.models.reduction.tokenizer_json import ids_outside_the_model, write_file
from smelt.models.reduction.vocabulary import Vocabulary, read_vocabulary
from smelt.models.reduction.weights import reduce_weights
from smelt.provenance import write_provenance
from smelt.study.new_pieces import AmplificationSettings
from smelt.training.pieces import publish_tokenizer

_TRIES = 4  # each asks for twice as many merges, where too few of them are new pieces


def amplify(
    source: Source,
    documents: Mapping[str, Path],
    settings: AmplificationSettings,
    extent: Extent,
    output: Path,
    corpus: Corpus | None = None,
) -> None:
    """Write the folder of an amplified model.

    Args:
        source: the model.
        documents: documents.parquet of each language; pieces are learnt from those that are not held out.
        settings: how many pieces, and what their weights start as.
        extent: how much of what is held out the proof looks at.
        output: the folder to make.
        corpus: text files that the documents were made from, where these are gone when it is done.

    Raises:
        SmeltError: the model or its tokenizer cannot be amplified, a language has no text, the texts yield too few new
            pieces, or the proof fails; then nothing is written.
    """
    began = time.monotonic()
    vocabulary = read_vocabulary(source.folder, source.where)
    growth = growth_of(vocabulary)
    sample = draw(documents, settings.sample, settings.seed)
    words = counted_words(vocabulary, growth, sample)
    addition, learnt = chosen(growth, words, settings.pieces, source.where)
    with whole_folder(output) as folder:
        gathered = amplify_weights(source.folder, vocabulary.size, addition.pieces, settings, folder, source.where)
        write_vocabulary(vocabulary, growth, addition, folder)
        publish_tokenizer(folder, longest_of(configuration_of_folder(folder, source.where)))
        with tempfile.TemporaryDirectory(prefix="smelt-amplify-") as scratch:
            old = trimmed(source, vocabulary, Path(scratch)) if gathered.padding_rows else source.folder
            ids = np.arange(vocabulary.size)
            proof = prove(Reduction(folder, old, ids, output.name, growth.tightened), documents, extent)
        made = Made(vocabulary, addition, sample, len(learnt.merges), gathered, settings, proof)
        write_record(folder, made)
        write_amplified_card(folder, output.name, source, made, list(documents))
        hub = {"hub": source.hub, "commit": source.folder.name} if source.hub else {}
        texts: dict[str, Sequence[Path]] = (
            {"corpus": corpus.files} if corpus else {"documents": list(documents.values())}
        )
        inputs: dict[str, Path | Sequence[Path]] = {"source": source.folder, **texts}
        chosen_by = settings.model_dump() | hub | ({"held_out_share": corpus.held_out_share} if corpus else {})
        hours = (time.monotonic() - began) / 3600
        write_provenance(folder, "amplify", chosen_by, inputs, seeds=[settings.seed], hours=hours)
    tell(output, made)


def counted_words(vocabulary: Vocabulary, growth: Growth, sample: Sample) -> Counter[str]:
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
    cutter = Words(vocabulary, encoder, excluded)
    words = Counter[str]()
    for language in sample.documents:
        words.update(cutter.count(sample.of(language)))
    return words


def chosen(growth: Growth, words: Counter[str], pieces: int, where: str) -> tuple[Addition, Learnt]:
    """Return the pieces to add, and what they were chosen from.

    Raises:
        SmeltError: the words yield fewer.
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
    """Write every tokenizer file of the source with new pieces, and tokenizer.json in any case where it alone can tell.

    SentencePiece's protobuf alone cannot where a class puts tokens of its own behind its pieces (XLM-R's <mask>).

    Raises:
        SmeltError: what was written does not load as it should.
    """
    wanted = grown(vocabulary.tree, growth, addition)
    if vocabulary.file is not None:
        write_file(output / TOKENIZER, grown(vocabulary.file, growth, addition))
    elif vocabulary.protobufs:
        write_file(output / TOKENIZER, wanted)
    growth.write_files(vocabulary.folder, output, addition)
    ids = {piece: identity for identity, piece in enumerate(vocabulary.pieces)}
    write_settings(vocabulary.folder, output, ids, lambda identity: identity)
    vocabulary.check_written(output, wanted, vocabulary.size + len(addition.pieces))


def trimmed(source: Source, vocabulary: Vocabulary, output: Path) -> Path:
    """Return a copy of the source without rows of its embeddings that belong to no piece."""
    ids = np.arange(vocabulary.size)
    reduce_weights(source.folder, ids, output, vocabulary.size, source.where)
    vocabulary.write(ids, output)
    return output


def tell(output: Path, made: Made) -> None:
    """Print what was made, and how many pieces a word takes now."""
    before = made.vocabulary.size
    print(f"{output}: {len(made.addition.pieces):,} pieces behind {before:,}, all else proven as it was")
    for language, row in made.proof["languages"].items():
        old, new = (row[when]["fertility"] for when in ("before", "after"))
        if old is not None:
            print(f"{output.name}: {language}: {old:.3f} pieces a word before, {new:.3f} after")
