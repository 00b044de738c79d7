"""`smelt reduce`: keep only the pieces of a model that some languages use, and prove that this is exact.

IN   a model, as a folder or by its name on the hub; and either texts (--corpus), or counts of its tokenizer's
     pieces (`smelt job count`) with documents.parquet of the same languages (--counts and --held-out)
OUT  a model's folder: config.json, model.safetensors, tokenizer, reduction.json (what was kept, and the proof),
     README.md (its card), provenance.json; with --dry-run only the sizes that rules around the chosen one would give
"""

import argparse
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.allocator import return_freed_memory
from smelt.cli import KeyValues, add_examples, held_out_share, natural, positive, seed, settings_or_flags
from smelt.companions import Companions, find_companions
from smelt.disk import scratch_folder
from smelt.errors import SmeltError
from smelt.files import whole_folder
from smelt.model_families import max_positions
from smelt.model_folder import ModelSource, locate, name_of, publish_tokenizer, read_configuration
from smelt.models.reduce.choice import Choice, choose
from smelt.models.reduce.count import count_languages
from smelt.models.reduce.record import Reduction, write_record, write_reduced_card
from smelt.models.reduce.selection import PieceCounts, read_counts
from smelt.models.reduce.sets import pieces_to_keep
from smelt.models.vocabulary.texts import CorpusTexts, documents_by_language, texts_by_language, write_languages
from smelt.models.vocabulary.vocabulary import Vocabulary, read_vocabulary
from smelt.models.vocabulary.weights import RewrittenWeights, check_places, ids_of_model, reduce_weights
from smelt.provenance import write_provenance
from smelt.study.makers.reduce import THRESHOLDS, KeptPiecesRule, ReductionSettings

if TYPE_CHECKING:
    from smelt.models.vocabulary.equivalence import Extent


@dataclass(frozen=True)
class Texts:
    """Counts of the languages' pieces, and the text that the reduction is proven on."""

    counts: Sequence[PieceCounts]
    """One of each language."""
    held_out: Mapping[str, Path]
    """documents.parquet of the same languages."""
    inputs: Mapping[str, Path | Sequence[Path]]
    """The files that both were made from, by their names in provenance."""
    corpus: CorpusTexts | None = None
    """How lines were held out, where the inputs are those of --corpus."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--model", required=True, help="a model's folder, or its name on the hub")
    parser.add_argument("--revision", default="main", help="commit of the hub's repository (main)")
    _add_texts(parser)
    _add_rule(parser)
    parser.add_argument("--proof-lines", type=positive, default=1000, help="held-out lines of a language to cut (1000)")
    parser.add_argument(
        "--proof-states", type=positive, default=2, help="of those, lines of kept pieces to run both models on (2)"
    )
    parser.add_argument("--threads", type=positive, default=_cores(), help="CPU threads (all there are)")
    parser.add_argument(
        "--dry-run", action="store_true", help="print sizes for ten rules around the chosen one, and reduce nothing"
    )
    parser.add_argument(
        "--output", type=Path, help="folder of the reduced model; with --dry-run, of the figures, if they are wanted"
    )
    add_examples(
        parser,
        "--model mbert --corpus sw.txt --coverage 0.999 --dry-run",
        "--model mbert --corpus sw.txt en=news.txt --size 20000 --output mbert-sw",
    )


def _add_texts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus",
        nargs="+",
        help="texts: sw.txt, sw=news/*.parquet, sw=news.jsonl:content, sw=org/name@commit/config/split:column",
    )
    parser.add_argument("--languages", nargs="+", help="languages of the corpus to keep (all)")
    parser.add_argument(
        "--held-out-share", type=held_out_share, default=0.02, help="of --corpus's lines, for the proof (0.02)"
    )
    parser.add_argument("--seed", type=seed, default=1, help="of the lines that are held out (1)")
    parser.add_argument("--counts", type=Path, nargs="+", help="counts of the model's pieces, one a language")
    parser.add_argument("--held-out", type=Path, nargs="+", help="documents.parquet in folders named as the languages")


def _add_rule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold", type=_threshold, help="share of a language's lines: a number, paper (0.0005) or code (0.00005)"
    )
    parser.add_argument(
        "--coverage", type=float, help="in its place: share of each language's occurrences of pieces, such as 0.9999"
    )
    parser.add_argument("--size", type=natural, help="in its place: pieces of the reduced model")
    parser.add_argument("--of", choices=["lines", "documents", "occurrences"], help="what shares are of (lines)")
    parser.add_argument(
        "--weights", nargs="+", type=_weight, help="of languages for --size: sw=2 multiplies the shares of Swahili"
    )
    parser.add_argument("--multiple-of", type=natural, help="fill the number of pieces up to a multiple: 8, 64, 128")
    parser.add_argument("--keep", nargs="+", help="pieces to keep in any case")
    parser.add_argument(
        "--keep-sets", nargs="+", help="digits, punctuation, symbols, emoji, a script (cyrillic), latin-letters"
    )
    parser.add_argument("--keep-texts", nargs="+", help="texts whose pieces are kept, such as prompts")
    parser.add_argument(
        "--settings", action=KeyValues, kind=ReductionSettings, help="all of these together, in their place"
    )


def _weight(text: str) -> tuple[str, float]:
    language, _, number = text.partition("=")
    with contextlib.suppress(ValueError):
        return language, float(number)
    raise SmeltError("--weights", f"expected a language and its weight, such as sw=2, found {text!r}")


def _threshold(text: str) -> float | str:
    if text in THRESHOLDS:
        return text
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) <= 1:
            return value
    raise SmeltError("--threshold", f"expected a number above 0 and up to 1, paper or code, found {text!r}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(arguments: argparse.Namespace) -> None:
    """Reduce one model."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait for others would use as much as at work
    rule = {key: getattr(arguments, key) for key in KeptPiecesRule.model_fields}
    rule["weights"] = dict(arguments.weights) if arguments.weights else None
    settings = settings_or_flags(ReductionSettings, arguments, rule)
    if bool(arguments.corpus) == bool(arguments.counts) or bool(arguments.counts) != bool(arguments.held_out):
        raise SmeltError("reduce", "expected either --corpus, or --counts with --held-out")
    if arguments.counts and arguments.languages:
        raise SmeltError("--languages", "the files of --counts say which languages they are of: name fewer files")
    if not (arguments.output or arguments.dry_run):
        raise SmeltError("--output", "expected the folder of the reduced model; only --dry-run does without")
    from smelt.models.vocabulary.equivalence import Extent

    source = locate(arguments.model, arguments.revision)
    companions = find_companions(source.folder, source.where)  # before anything takes long: it refuses some folders
    check_places(source, arguments.output)
    extent = Extent(arguments.proof_lines, arguments.proof_states, threads=arguments.threads)
    with scratch_folder("reduce") as scratch:
        read = partial(_read_pieces, arguments, source, scratch)
        if arguments.dry_run:
            _show(source, *read(), companions, settings, extent.lines, arguments.output)
        else:
            reduce(source, read, companions, settings, extent, arguments.output)


def _read_pieces(arguments: argparse.Namespace, source: ModelSource, scratch: Path) -> tuple[Vocabulary, Texts]:
    vocabulary = read_vocabulary(source.folder, source.where)
    return vocabulary, _count(arguments, vocabulary, scratch) if arguments.corpus else _read(arguments, vocabulary)


def _count(arguments: argparse.Namespace, vocabulary: Vocabulary, scratch: Path) -> Texts:
    files = texts_by_language(arguments.corpus, arguments.languages)
    held_out = write_languages(files, scratch, arguments.held_out_share, arguments.seed)
    counts = count_languages(vocabulary, held_out, scratch, arguments.threads)
    corpus = CorpusTexts(files, arguments.held_out_share, arguments.seed)
    return Texts(counts, held_out, {"corpus": corpus.files}, corpus)


def _read(arguments: argparse.Namespace, vocabulary: Vocabulary) -> Texts:
    counts = [read_counts(path, vocabulary.digest) for path in arguments.counts]
    held_out = documents_by_language(arguments.held_out, "--held-out")
    return Texts(counts, held_out, {"counts": arguments.counts, "held_out": arguments.held_out})


def _show(
    source: ModelSource,
    vocabulary: Vocabulary,
    texts: Texts,
    companions: Companions,
    settings: ReductionSettings,
    lines: int,
    output: Path | None,
) -> None:
    """Print what rules around the chosen one would make of a model, and write it to a folder, if one is named."""
    from smelt.models.reduce.dry_run import preview
    from smelt.models.reduce.preview_files import print_preview, write_preview

    check_languages([part.language for part in texts.counts], texts.held_out)
    always = ids_to_keep(vocabulary, source, settings, companions)
    found = preview(source, vocabulary, texts.counts, texts.held_out, settings, always, lines)
    if output:
        write_preview(output, found)
    print_preview(found)
    for line in texts.corpus.rows_without_text() if texts.corpus else []:
        print(line)


def reduce(
    source: ModelSource,
    read: Callable[[], tuple[Vocabulary, Texts]],
    companions: Companions,
    settings: ReductionSettings,
    extent: "Extent",
    output: Path,
) -> None:
    """Write the folder of a reduced model.

    Args:
        source: the model.
        read: returns its vocabulary and the counts. Both are asked for here, so that the vocabulary, which takes as
            much memory as the models do, is gone before these are loaded.
        companions: the other files of its folder.
        settings: the rule.
        extent: of the proof.
        output: the folder.

    Raises:
        SmeltError: the model, its tokenizer or the counts do not fit, a rule keeps nothing, or the proof fails;
            nothing is written then.
    """
    from smelt.models.reduce.proof import prove_tokens
    from smelt.models.vocabulary.equivalence import FolderPair
    from smelt.models.vocabulary.states import prove_states

    vocabulary, texts = read()
    start = time.monotonic()
    check_languages([part.language for part in texts.counts], texts.held_out)
    choice = choose(vocabulary, texts.counts, settings, ids_to_keep(vocabulary, source, settings, companions))
    with whole_folder(output) as folder:
        gathered = write_model(folder, source, vocabulary, choice)
        companions.copy(folder)
        pair = FolderPair(source.folder, folder, choice.ids, output.name, len(choice.closure.loosened) > 0)
        lines = prove_tokens(replace(pair, vocabulary=vocabulary), texts.held_out, extent)
        pieces = vocabulary.size
        del vocabulary
        return_freed_memory()
        proof = prove_states(pair, lines, extent.threads)
        companions.check(folder, output.name)
        made = Reduction(pieces, choice, texts.counts, gathered, companions, rule_of(settings), proof)
        write_record(folder, source, made)
        write_reduced_card(folder, name_of(output), source, made)
        _write_provenance(folder, source, texts, settings, (time.monotonic() - start) / 3600)
    print_summary(output, pieces, choice, proof)
    for line in texts.corpus.rows_without_text() if texts.corpus else []:
        print(line)
    if companions.left:
        print(f"{output}: left behind of its source: {', '.join(companions.left)}")


def ids_to_keep(
    vocabulary: Vocabulary, source: ModelSource, settings: ReductionSettings, companions: Companions
) -> dict[str, Any]:
    """Return the ids that the model or its user needs, in addition to those of the vocabulary, by reason."""
    return {
        "named by the configuration": ids_of_model(source.folder, source.where),
        **pieces_to_keep(vocabulary, settings),
        **{name: vocabulary.ids_of_texts(texts) for name, texts in companions.texts().items()},
    }


def write_model(folder: Path, source: ModelSource, vocabulary: Vocabulary, choice: Choice) -> RewrittenWeights:
    """Write configuration, weights and tokenizer of the kept pieces."""
    gathered = reduce_weights(source.folder, choice.ids, folder, vocabulary.size, source.where)
    vocabulary.write(choice.ids, folder)
    publish_tokenizer(folder, max_positions(read_configuration(folder, source.where)))
    return gathered


def rule_of(settings: ReductionSettings) -> dict[str, Any]:
    """Return the rule with its threshold as a number."""
    given = settings.model_dump(exclude={"version"}, exclude_none=True)
    match settings.named_by:
        case "threshold":
            return given | {"threshold": settings.share}
        case "coverage":
            return given | {"of": "occurrences"}
        case "size":
            return given


def _write_provenance(
    folder: Path, source: ModelSource, texts: Texts, settings: ReductionSettings, hours: float
) -> None:
    hub = {"hub": source.hub, "commit": source.folder.name} if source.hub else {}
    drawn = texts.corpus.record() if texts.corpus else {}
    seeds = [texts.corpus.seed] if texts.corpus else []
    inputs = {"source": source.folder, **texts.inputs}
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


def print_summary(output: Path, pieces: int, choice: Choice, proof: Mapping[str, Any]) -> None:
    """Print the number of kept pieces, and the languages for which nothing was proven."""
    from smelt.models.reduce.proof import unproven_languages

    for language in unproven_languages(proof):
        lines = proof["languages"][language]["lines"]
        print(f"{output.name}: {language}: none of its {lines} held-out lines has all its pieces kept: nothing proven")
    print(f"{output}: {len(choice.ids):,} of {pieces:,} pieces, proven exact on held-out lines")
