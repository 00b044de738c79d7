import bz2
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from invented_corpus import ALPHABETS, settings, write_documents

from smelt.errors import SmeltError
from smelt.model_folder import read_tokenizer
from smelt.tokenizers import measure
from smelt.tokenizers.command import make
from smelt.tokenizers.unigram import BLANKS, SPECIAL_PIECES

DATA = os.environ.get("SMELT_DATA")


UPPER = "".join(ALPHABETS.values()).upper()


class Both:
    """The two readings of one folder."""

    def __init__(self, folder: Path) -> None:
        self.automatic = read_tokenizer(folder)
        self.sentencepiece = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))

    def ids(self, text: str) -> tuple[list[int], list[int]]:
        return self.automatic(text, add_special_tokens=False)["input_ids"], self.sentencepiece.encode(text)


@pytest.fixture(scope="module")
def both(tokenizer_folder: Path) -> Both:
    return Both(tokenizer_folder)


@pytest.fixture(scope="module")
def lower(corpus: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A tokenizer that lower-cases, trained on the corpus as it is written."""
    folder = tmp_path_factory.mktemp("tokenizers") / "lower-400"
    make(corpus, settings(lowercase=True), folder)
    return Both(folder)


KNOWN = "".join(ALPHABETS.values())
FRAGMENTS = st.one_of(
    st.text(st.sampled_from(KNOWN), max_size=12),
    st.text(st.sampled_from("ab"), min_size=5, max_size=40),
    st.sampled_from([chr(point) for point in BLANKS]),
    st.sampled_from(
        [*SPECIAL_PIECES, "[MASK", "``", "''", '"', "▅", "\0", "  ", "😀", "👩\u200d👩\u200d👧", "e\u0301", "\u0301"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)


@hypothesis_settings(max_examples=600, deadline=None)
@given(st.lists(FRAGMENTS, max_size=30).map("".join))
@example("")
@example("   ")
@example("\u00ad")
@example("[MA\u200bSK]")
@example("e" * 300)
@example("(`` x '' <unk> \t[SEP]\r\n)")
def test_any_text_gives_the_same_pieces_both_ways(both: Both, text: str) -> None:
    found, expected = both.ids(text)
    assert found == expected


CASED = st.one_of(
    FRAGMENTS,
    st.text(st.sampled_from(UPPER), max_size=12),
    st.sampled_from(["<PAD>", "<Unk>", "<UN\u212a>", "<unk>", "[mask]", "İ", "Σ", "ǅ", "\ua7cb", "\U00010d50"]),
)


@hypothesis_settings(max_examples=600, deadline=None)
@given(st.lists(CASED, max_size=30).map("".join))
@example("<PAD><pAd> <UN\u212a> [CLS] [cls]")
def test_any_text_gives_the_same_pieces_both_ways_lower_cased(lower: Both, text: str) -> None:
    found, expected = lower.ids(text)
    assert found == expected
    assert {0, 2, 3, 4}.isdisjoint(found)


@pytest.mark.slow
def test_every_character_is_lower_cased_alike(lower: Both) -> None:
    every = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    normal = lower.automatic.backend_tokenizer.normalizer.normalize_str
    texts = [f"a{char}b" for char in every]
    expected = ["▁" + normal(text).replace(" ", "▁") for text in texts]
    found = map(lower.sentencepiece.normalize, texts)
    assert [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]] == []


def test_case_does_not_matter_where_it_is_lower_cased(lower: Both) -> None:
    ids = [lower.ids(text)[0] for text in ("déσà Été", "DÉΣÀ ÉTÉ", "déσà été")]
    assert ids[0] == ids[1] == ids[2]
    assert 1 not in ids[0]
    assert lower.ids("été")[0] != lower.ids("ete")[0]


def test_offsets_are_those_of_the_text_as_it_is_written(lower: Both) -> None:
    text = "  DéNÀÉ,  NÉÀ [MASK] ΣΑ"
    encoding = lower.automatic(text, add_special_tokens=False, return_offsets_mapping=True)
    parts = [text[start:end] for start, end in encoding["offset_mapping"]]
    assert "".join("".join(parts).split()) == "".join(text.split())
    pieces = lower.automatic.convert_ids_to_tokens(encoding["input_ids"])
    known = [(part.strip().lower(), piece.strip("▁")) for part, piece in zip(parts, pieces, strict=True)]
    assert all(part == piece for part, piece in known if piece != "<unk>")


def test_a_saved_copy_that_lower_cases_cuts_alike(lower: Both, tmp_path: Path) -> None:
    lower.automatic.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    text = "Abc DÉS `` '' [MASK] <UNK> ΑΒΓ"
    assert read_tokenizer(tmp_path)(text, add_special_tokens=False)["input_ids"] == lower.ids(text)[1]


def test_special_pieces_in_a_text_are_text(both: Both) -> None:
    found, _ = both.ids("x <pad> [CLS][SEP] [MASK]")
    assert {0, 2, 3, 4}.isdisjoint(found)


def test_a_prompt_may_ask_for_its_mask(tokenizer_folder: Path) -> None:
    from transformers import AutoTokenizer

    prompting = AutoTokenizer.from_pretrained(tokenizer_folder)
    assert prompting("abc [MASK] dés")["input_ids"].count(4) == 1


def test_special_pieces_have_alberts_ids(both: Both) -> None:
    tokenizer = both.automatic
    ids = [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id]
    assert [*ids, tokenizer.mask_token_id] == [0, 1, 2, 3, 4]


def test_pairs_are_wrapped_as_albert_expects(both: Both) -> None:
    pair = both.automatic("a", "b")
    assert (pair["input_ids"][0], pair["input_ids"].count(3)) == (2, 2)
    assert set(pair["token_type_ids"]) == {0, 1}


def test_case_and_accents_are_kept(tmp_path: Path) -> None:
    file = write_documents(tmp_path / "corpus" / "xl", ["Été ÉTÉ ete Ete été\nbateau château Bateau"] * 20)
    make([file], settings(vocabulary=22), tmp_path / "cased")
    reader = Both(tmp_path / "cased")
    for word in ("Été", "ÉTÉ", "château"):
        assert reader.automatic.decode(reader.ids(word)[0]) == word


def test_words_given_one_by_one_are_cut_as_in_their_sentence(both: Both) -> None:
    words = ["abc", "dés", "αβγ", "ab"]
    whole, _ = both.ids(" ".join(words))
    apart = both.automatic(words, is_split_into_words=True, add_special_tokens=False)
    assert apart["input_ids"] == whole
    assert sorted(set(apart.word_ids())) == [0, 1, 2, 3]


def test_a_saved_copy_cuts_alike(both: Both, tmp_path: Path) -> None:
    both.automatic.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    text = "Abc  dés `` '' [MASK] <unk> αβγ"
    copy = read_tokenizer(tmp_path)
    assert copy(text, add_special_tokens=False)["input_ids"] == both.ids(text)[1]


def test_a_difference_on_a_held_out_line_fails_and_names_language_and_line(
    tokenizer_folder: Path, corpus: list[Path]
) -> None:
    readings = measure.TwoReadings(tokenizer_folder)
    readings.automatic.backend_tokenizer.normalizer = None
    readings.automatic.backend_tokenizer.pre_tokenizer = None
    with pytest.raises(SmeltError, match=r"^xl: AutoTokenizer cuts .* where SentencePiece has .* The line: "):
        readings.measure("xl", corpus[0])


def _real_lines() -> Iterator[tuple[str, str]]:
    assert DATA is not None
    for file in sorted(Path(DATA, "text").glob("*.txt")):
        with file.open(encoding="utf-8") as stream:
            paragraphs = (line.rstrip("\n") for line in stream if line.strip())
            yield from ((file.stem, line) for line, _ in zip(paragraphs, range(700), strict=False))
    for wiki in ("ja", "bn", "hy", "el"):
        for file in sorted(Path(DATA, "minidumps").glob(f"{wiki}wiki.xml.bz2")):
            lines = bz2.decompress(file.read_bytes()).decode().splitlines()
            yield from ((wiki, line) for line in lines[:700] if line.strip())


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="SMELT_DATA names no folder of real data")
def test_real_lines_of_fourteen_languages_give_the_same_pieces(tmp_path: Path) -> None:
    by_language: dict[str, list[str]] = {}
    for language, line in _real_lines():
        by_language.setdefault(language, []).append(line)
    files = [write_documents(tmp_path / "corpus" / name, lines, every=3) for name, lines in by_language.items()]
    make(files, settings(vocabulary=4000, sample=3000), tmp_path / "real")
    reader = Both(tmp_path / "real")
    different = [line for lines in by_language.values() for line in lines if len(set(map(tuple, reader.ids(line)))) > 1]
    assert len(by_language) == 14
    assert different == []
