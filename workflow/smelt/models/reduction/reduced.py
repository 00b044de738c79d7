"""A reduced model's folder, from a source, counts and held-out documents: chosen, written, proven, or not there."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import whole_folder
from smelt.model_families import longest_of
from smelt.models.adopt import configuration_of_folder
from smelt.models.reduction.choice import Choice, choose, named_pieces
from smelt.models.reduction.counts import read_counts
from smelt.models.reduction.proof import Extent, Reduction, prove, unproven
from smelt.models.reduction.record import Made, write_record, write_reduced_card
from smelt.models.reduction.vocabulary import Vocabulary, read_vocabulary
from smelt.models.reduction.weights import Gathered, check_checkpoint, ids_of_model, reduce_weights
from smelt.provenance import write_provenance
from smelt.study.selection import ReductionSettings
from smelt.training.pieces import publish_tokenizer


@dataclass(frozen=True)
class Source:
    """A model to reduce."""

    folder: Path
    where: str
    """What to call it in messages."""
    hub: str | None = None
    """Its name on the hub."""


@dataclass(frozen=True)
class Texts:
    """What languages use, and what the reduction is proven on."""

    counts: Sequence[Path]
    """Counts of the source's pieces, one file a language."""
    held_out: Mapping[str, Path]
    """documents.parquet of the same languages."""
    corpus: "Corpus | None" = None
    """What both were made from, where they are gone when the reduction is done."""

    def inputs(self) -> dict[str, Path | Sequence[Path]]:
        """Return what the reduction was made from, as provenance names it."""
        if self.corpus is not None:
            return {"corpus": self.corpus.files}
        return {"counts": self.counts, "held_out": list(self.held_out.values())}


@dataclass(frozen=True)
class Corpus:
    """Text files, and how lines of them were drawn to be held out."""

    files: Sequence[Path]
    held_out_share: float
    seed: int


def located(model: str, revision: str) -> Source:
    """Return where a model lies, fetched from the hub where it is no folder.

    Raises:
        SmeltError: it is neither, or cannot be fetched.
    """
    if Path(model).is_dir():
        return Source(Path(model), model)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise SmeltError(model, "no such folder, and no name on the hub (organisation/model)")
    from smelt.models.hub import fetch

    return Source(fetch(model, revision), f"{model} at {revision}", model)


def check_places(source: Source, output: Path) -> None:
    """Check before anything takes long that there is a model to reduce, and that its reduction overwrites nothing.

    Raises:
        SmeltError: the checkpoint is not whole, or `output` is a file or a folder with something in it.
    """
    check_checkpoint(source.folder, source.where)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise SmeltError(output, "exists: expected an --output that is not there yet; remove it, or name another")


def reduce(source: Source, texts: Texts, settings: ReductionSettings, extent: Extent, output: Path) -> None:
    """Write the folder of a reduced model.

    Raises:
        SmeltError: the model, its tokenizer or the counts do not fit, a rule keeps nothing, or the proof fails; then
            nothing is written.
    """
    start = time.monotonic()
    vocabulary = read_vocabulary(source.folder, source.where)
    counts = [read_counts(path, vocabulary.digest) for path in texts.counts]
    check_languages([part.language for part in counts], texts.held_out)
    choice = choose(vocabulary, counts, settings, kept_anyway(vocabulary, source, settings))
    with whole_folder(output) as folder:
        gathered = write_model(folder, source, vocabulary, choice)
        to_prove = Reduction(source.folder, folder, choice.ids, output.name, len(choice.closure.loosened) > 0)
        proof = prove(to_prove, texts.held_out, extent)
        made = Made(vocabulary, choice, counts, gathered, rule_of(settings), proof)
        write_record(folder, made)
        write_reduced_card(folder, output.name, source.folder, source.hub, made)
        _write_provenance(folder, source, texts, settings, (time.monotonic() - start) / 3600)
    tell(output, vocabulary, choice, proof)


def kept_anyway(vocabulary: Vocabulary, source: Source, settings: ReductionSettings) -> dict[str, Any]:
    """Return ids that the model or its user needs besides the vocabulary's own, by reason."""
    return {
        "named by the configuration": ids_of_model(source.folder, source.where),
        "named by the user": named_pieces(vocabulary, settings.keep),
    }


def write_model(folder: Path, source: Source, vocabulary: Vocabulary, choice: Choice) -> Gathered:
    """Write configuration, weights and tokenizer of the pieces that are kept."""
    gathered = reduce_weights(source.folder, choice.ids, folder, vocabulary.size, source.where)
    vocabulary.write(choice.ids, folder)
    publish_tokenizer(folder, longest_of(configuration_of_folder(folder, source.where)))
    return gathered


def rule_of(settings: ReductionSettings) -> dict[str, Any]:
    """Return the rule with its threshold as a number."""
    given = settings.model_dump(include={"threshold", "size", "of", "keep"}, exclude_none=True)
    return given if settings.size else given | {"threshold": settings.share}


def _write_provenance(folder: Path, source: Source, texts: Texts, settings: ReductionSettings, hours: float) -> None:
    hub = {"hub": source.hub, "commit": source.folder.name} if source.hub else {}
    drawn = {"held_out_share": texts.corpus.held_out_share} if texts.corpus else {}
    seeds = [texts.corpus.seed] if texts.corpus else []
    inputs = {"source": source.folder} | texts.inputs()
    write_provenance(folder, "reduce", settings.model_dump() | hub | drawn, inputs, seeds=seeds, hours=hours)


def check_languages(counted: Sequence[str], held_out: Mapping[str, Path]) -> None:
    """Check that counts and held-out documents are of the same languages.

    Raises:
        SmeltError: a language has one and not the other.
    """
    for language in [*counted, *held_out]:
        if language not in held_out:
            raise SmeltError(language, "is counted but has no documents among --held-out to prove the reduction on")
        if language not in counted:
            raise SmeltError(language, "has held-out documents but no counts among --counts")


def tell(output: Path, vocabulary: Vocabulary, choice: Choice, proof: Mapping[str, Any]) -> None:
    """Print what was made, and of which languages nothing was proven."""
    for language in unproven(proof):
        lines = proof["languages"][language]["lines"]
        print(f"{output.name}: {language}: none of its {lines} held-out lines has all its pieces kept: nothing proven")
    print(f"{output}: {len(choice.ids):,} of {vocabulary.size:,} pieces, proven exact on held-out lines")
