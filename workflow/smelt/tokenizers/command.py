"""`smelt job tokenizer`: sample, train, write, and check what was written."""

import argparse
import time
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from smelt.cli import KeyValues, add_examples
from smelt.files import whole_folder, write_json
from smelt.mixture import Mixture
from smelt.numbers import PieceCount, PositiveShare, RowCount, Seed
from smelt.study.tokenizers import Algorithm
from smelt.tokenizers import byte_level_bpe, unigram, wordpiece
from smelt.tokenizers.folder import TrainedTokenizer, write_folder
from smelt.tokenizers.measure import TwoReadings
from smelt.tokenizers.sample import Sample, draw

_NEEDED: dict[Algorithm, set[str]] = {
    "unigram": {"character_coverage"},
    "wordpiece": {"character_coverage", "lowercase"},
    "bpe": set(),
}
_OPTIONAL: dict[Algorithm, set[str]] = {"unigram": {"lowercase"}, "wordpiece": {"strip_accents"}, "bpe": set()}


class TokenizerSettings(Mixture):
    """All settings that determine a tokenizer, apart from its documents."""

    algorithm: Algorithm
    vocabulary: PieceCount
    sample: RowCount
    character_coverage: PositiveShare | None = None
    lowercase: bool | None = None
    strip_accents: bool | None = None
    seed: Seed

    @model_validator(mode="after")
    def _has_what_its_algorithm_needs(self) -> Self:
        needed, optional = _NEEDED[self.algorithm], _OPTIONAL[self.algorithm]
        for key in ("character_coverage", "lowercase", "strip_accents"):
            given = getattr(self, key) is not None
            if key in needed and not given:
                raise ValueError(f"{key}: {self.algorithm} needs it")
            if given and key not in needed | optional:
                raise ValueError(f"{key}: {self.algorithm} has no use for it")
        return self


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--documents", nargs="+", type=Path, required=True, help="documents.parquet of each language")
    parser.add_argument(
        "--settings", action=KeyValues, kind=TokenizerSettings, required=True, help="algorithm, vocabulary, ..., alpha"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    add_examples(
        parser,
        "--documents sw.parquet --settings algorithm=bpe vocabulary=8000 sample=100000 seed=1 --output tokenizer",
    )


def run(arguments: argparse.Namespace) -> None:
    """Train one tokenizer and write its folder."""
    make(arguments.documents, arguments.settings, arguments.output)


def make(documents: list[Path], settings: TokenizerSettings, output: Path) -> None:
    """Write the folder of a tokenizer trained on a sample of the documents.

    Raises:
        SmeltError: see sample.draw, the algorithm's `learn` and TwoReadings.measure; no folder is left behind.
    """
    start = time.monotonic()
    sample = draw(documents, settings.sample, settings, settings.seed)
    _report(sample, settings)
    trained = learn(sample, settings, f"tokenizer {output.name}")
    with whole_folder(output) as folder:
        write_folder(folder, trained)
        readings = TwoReadings(folder)
        languages = {name: _language(readings, sample, name) for name in sample.shares}
        seconds = round(time.monotonic() - start, 1)
        write_json(folder / "statistics.json", _statistics(settings, sample, trained, languages, seconds))
    print(
        f"{output}: {settings.vocabulary} pieces in {seconds} s, read alike by AutoTokenizer and {readings.own.reader}"
    )


def learn(sample: Sample, settings: TokenizerSettings, where: str) -> TrainedTokenizer:
    """Return a tokenizer trained by the settings' algorithm; `where` names it in messages."""
    lines, vocabulary = sample.lines, settings.vocabulary
    coverage, lowercase = settings.character_coverage or 1.0, bool(settings.lowercase)
    match settings.algorithm:
        case "unigram":
            return unigram.learn(lines, vocabulary, coverage, lowercase, where)
        case "wordpiece":
            letters = wordpiece.LetterRules(lowercase, settings.strip_accents)
            return wordpiece.learn(lines, vocabulary, coverage, letters, where)
        case "bpe":
            return byte_level_bpe.learn(lines, vocabulary, where)


def _report(sample: Sample, settings: TokenizerSettings) -> None:
    drawn = sum(share.drawn for share in sample.shares.values())
    print(
        f"{drawn} lines drawn of {sum(share.lines for share in sample.shares.values())} ({settings.sample} asked for)"
    )
    for language, share in sample.shares.items():
        note = " (all there are)" if share.drawn == share.lines else ""
        print(f"  {language}: {share.drawn} of {share.lines} lines{note}", flush=True)


def _language(readings: TwoReadings, sample: Sample, name: str) -> dict[str, Any]:
    share = sample.shares[name]
    drawn = {"characters": share.characters, "lines": share.lines, "sampled_lines": share.drawn}
    return drawn | readings.measure(name, share.documents)


def _statistics(
    settings: TokenizerSettings, sample: Sample, trained: TrainedTokenizer, languages: Any, seconds: float
) -> dict[str, Any]:
    return {
        "settings": settings.model_dump(exclude_none=True),
        "sampled_lines": sum(share.drawn for share in sample.shares.values()),
        "sample_sha256": sample.sha256,
        "lines_split_for_length": sample.split,
        **trained.facts,
        "seconds": seconds,
        "languages": languages,
    }
