"""Keys that choose pieces do what they say on real texts of five languages and three scripts, with each algorithm."""

import json
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reducible import bert_like
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, BertModel, PreTrainedTokenizerFast

from smelt.__main__ import main
from smelt.models.vocabulary.texts import texts_by_language, training_lines, write_languages

DATA = os.environ.get("SMELT_DATA")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="SMELT_DATA names no folder of real data"),
]
LANGUAGES = ("sw", "en", "hi", "he", "es")
CHARACTERS = 150_000  # of each language
HELD_OUT = 0.2
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = 6000
MARKS = {"WordPiece": "##", "Unigram": "\u2581", "BPE": "\u0120"}


def wordpiece() -> tuple[Tokenizer, Any]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False)


def unigram() -> tuple[Tokenizer, Any]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    settings = {"special_tokens": SPECIAL, "unk_token": "[UNK]", "show_progress": False}
    return tokenizer, trainers.UnigramTrainer(vocab_size=VOCABULARY, **settings)


def byte_pairs() -> tuple[Tokenizer, Any]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    settings = {"special_tokens": SPECIAL, "initial_alphabet": alphabet, "show_progress": False}
    return tokenizer, trainers.BpeTrainer(vocab_size=VOCABULARY, **settings)


ALGORITHMS = {"WordPiece": wordpiece, "Unigram": unigram, "BPE": byte_pairs}


@dataclass(frozen=True)
class Real:
    """A model with a tokenizer of five languages, and their texts."""

    algorithm: str
    source: Path
    texts: dict[str, Path]
    counts: dict[str, Counter[int]]
    """How often each piece occurs in the lines that are not held out, by a loop over them."""

    def reduce(self, output: Path, *words: str, languages: tuple[str, ...] = LANGUAGES) -> "Made":
        """Reduce it to some of the languages."""
        corpus = ["--corpus", *(str(self.texts[language]) for language in languages)]
        held_out = ["--held-out-share", str(HELD_OUT), "--threads", "1"]
        assert main(["reduce", "--model", str(self.source), *corpus, *held_out, *words, "--output", str(output)]) == 0
        return Made(json.loads((output / "reduction.json").read_text()), AutoTokenizer.from_pretrained(output))

    @property
    def whole(self) -> Any:
        return AutoTokenizer.from_pretrained(self.source)

    def bare(self, piece: str) -> str:
        """Return the text of a piece."""
        if self.algorithm == "BPE":
            return decoders.ByteLevel().decode([piece]).strip()
        return piece.removeprefix(MARKS[self.algorithm])


@dataclass(frozen=True)
class Made:
    """A reduced model's record and tokenizer."""

    record: dict[str, Any]
    tokenizer: Any

    @property
    def pieces(self) -> set[str]:
        return set(self.tokenizer.get_vocab())


@pytest.fixture(scope="module", params=ALGORITHMS)
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Real:
    """A tokenizer that is trained on all five, and a BERT around it."""
    folder = tmp_path_factory.mktemp("real")
    texts = {language: folder / f"{language}.txt" for language in LANGUAGES}
    for path in texts.values():
        text = Path(str(DATA), "text", path.name).read_text(encoding="utf-8")[:CHARACTERS]
        path.write_text(re.sub(r"(?<=[.!?\u0964]) ", "\n", text), encoding="utf-8")  # a sentence a line
    tokenizer, trainer = ALGORITHMS[request.param]()
    tokenizer.train([str(path) for path in texts.values()], trainer)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    bert_like(BertModel)(len(whole)).save_pretrained(folder / "source")
    whole.save_pretrained(folder / "source")
    # The same lines are held out as by the command, from its seed.
    documents = write_languages(texts_by_language([str(path) for path in texts.values()], None), folder, HELD_OUT, 1)
    counts = {}
    for language, path in documents.items():
        lines = [line for line in training_lines(path) if len(line.strip()) > 5]
        counts[language] = Counter(
            piece for ids in whole(lines, add_special_tokens=False)["input_ids"] for piece in ids
        )
    return Real(request.param, folder / "source", texts, counts)


def test_a_coverage_is_reached_by_each_language_with_its_fewest_pieces(real: Real, tmp_path: Path) -> None:
    made = real.reduce(tmp_path / "out", "--coverage", "0.98", languages=("sw", "hi", "he"))
    old = real.whole.get_vocab()
    kept = {old[piece] for piece in made.pieces}
    for language, selected in made.record["kept"]["selected_by_language"].items():
        counts = real.counts[language]
        total = counts.total()
        falling = sorted(counts.values(), reverse=True)
        assert sum(falling[:selected]) >= 0.98 * total > sum(falling[: selected - 1])
        share = sum(count for piece, count in counts.items() if piece in kept) / total
        assert made.record["coverage"][language] == share >= 0.98
    assert set(made.record["coverage"]) == {"sw", "hi", "he"}


def test_a_multiple_is_filled_with_the_most_used_of_the_pieces_left(real: Real, tmp_path: Path) -> None:
    plain = real.reduce(tmp_path / "plain", "--threshold", "0.02")
    made = real.reduce(tmp_path / "filled", "--threshold", "0.02", "--multiple-of", "256")
    assert len(made.pieces) % 256 == 0
    assert 0 < len(made.pieces) - len(plain.pieces) < 256
    assert plain.pieces < made.pieces
    old, spelt = real.whole.get_vocab(), real.whole.convert_ids_to_tokens
    in_lines = {language: lines_with(real, language) for language in LANGUAGES}
    share = {
        piece: max(counts[old[piece]] / lines for counts, lines in in_lines.values())
        for piece in map(spelt, range(len(old)))
    }
    filled, left = made.pieces - plain.pieces, old.keys() - made.pieces
    if real.algorithm == "WordPiece":  # nothing that was filled in needs others
        assert min(map(share.__getitem__, filled)) >= max(map(share.__getitem__, left))
    else:
        best = sorted(map(share.__getitem__, filled | left), reverse=True)[: len(filled)]
        assert sum(map(share.__getitem__, filled)) > 0.9 * sum(best)


def lines_with(real: Real, language: str) -> tuple[Counter[int], int]:
    """Return how many of a language's lines hold each piece, and how many lines there are."""
    folder = real.source.parent / "corpora" / language / "documents.parquet"
    lines = [line for line in training_lines(folder) if len(line.strip()) > 5]
    cut = real.whole(lines, add_special_tokens=False)["input_ids"]
    return Counter(piece for ids in cut for piece in set(ids)), len(lines)


def test_sets_keep_the_letters_of_languages_that_are_not_there(real: Real, tmp_path: Path) -> None:
    sets = ["digits", "hebrew-letters", "devanagari-letters"]
    without = real.reduce(tmp_path / "without", "--coverage", "0.95", languages=("sw", "en"))
    made = real.reduce(tmp_path / "with", "--coverage", "0.95", "--keep-sets", *sets, languages=("sw", "en"))
    letters = {
        piece
        for piece in real.whole.get_vocab()
        if len(text := real.bare(piece)) == 1
        and unicodedata.name(text, "").startswith(("HEBREW LETTER", "DEVANAGARI LETTER"))
    }
    digits = {piece for piece in real.whole.get_vocab() if real.bare(piece).isdecimal()}
    assert len(letters) > 50
    assert letters | digits <= made.pieces
    assert not letters <= without.pieces
    assert made.record["kept"]["always_kept_by_reason"]["of the set digits"] >= len(digits)


def test_texts_of_another_language_are_cut_as_before(real: Real, tmp_path: Path) -> None:
    texts = ["\u0916\u094b\u091c: ", "\u05d7\u05d9\u05e4\u05d5\u05e9: "]  # search, in Hindi and Hebrew
    rule = ["--size", "2000"]
    made = real.reduce(tmp_path / "with", *rule, "--keep-texts", *texts, languages=("sw", "es"))
    without = real.reduce(tmp_path / "without", *rule, languages=("sw", "es"))
    assert len(made.pieces) <= 2000
    for text in texts:
        before = real.whole.tokenize(text)
        assert made.tokenizer.tokenize(text) == before
        assert without.tokenizer.tokenize(text) != before


def test_a_weight_moves_pieces_to_its_language(real: Real, tmp_path: Path) -> None:
    even = real.reduce(tmp_path / "even", "--size", "2500")
    made = real.reduce(tmp_path / "weighted", "--size", "2500", "--weights", "sw=5")
    assert len(even.pieces) <= 2500 >= len(made.pieces)
    before, after = even.record["coverage"], made.record["coverage"]
    assert after["sw"] > before["sw"]
    assert all(after[language] <= before[language] for language in LANGUAGES if language != "sw")
    changed = [
        record["proof"]["languages"]["sw"]["share_of_lines_that_tokenise_differently"]
        for record in (made.record, even.record)
    ]
    assert changed[0] < changed[1]


def test_all_keys_together_are_exact_and_as_the_dry_run_said(real: Real, tmp_path: Path) -> None:
    words = ["--size", "3072", "--of", "occurrences", "--multiple-of", "128", "--weights", "he=2", "hi=1.5"]
    words += ["--keep-sets", "digits", "punctuation", "latin-letters", "--keep-texts", "query: ", "passage: "]
    made = real.reduce(tmp_path / "out", *words)
    assert len(made.pieces) == made.record["pieces"] == 3072
    proof = made.record["proof"]["languages"]
    assert all(row["lines_whose_pieces_are_all_kept"] > 0 for row in proof.values())
    corpus = ["--corpus", *map(str, real.texts.values()), "--held-out-share", str(HELD_OUT)]
    dry = ["reduce", "--model", str(real.source), *corpus, *words, "--dry-run", "--output", str(tmp_path / "sizes")]
    assert main(dry) == 0
    (own,) = [row for row in json.loads((tmp_path / "sizes/sizes.json").read_text())["rungs"] if row["given"]]
    assert (own["pieces"], own["weights"]["parameters"]) == (3072, made.record["parameters"])
    assert own["weights"]["bytes"] == (tmp_path / "out/model.safetensors").stat().st_size
    for language, row in proof.items():
        cut = own["by_language"][language]
        assert cut["changed"] / cut["lines"] == row["share_of_lines_that_tokenise_differently"]
        assert cut["coverage"] == made.record["coverage"][language]
