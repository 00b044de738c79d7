"""WordPiece and byte-level BPE: their folders, their files, and that they repeat themselves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from invented_corpus import ALPHABETS, settings, write_documents
from transformers import AutoTokenizer

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.tokenizers.command import TokenizerSettings, make
from smelt.tokenizers.measure import TwoReadings
from smelt.tokenizers.wordpiece import blank_rare_characters

DATA = os.environ.get("SMELT_DATA")
CHANGES: dict[str, dict[str, object]] = {
    "wordpiece": {"algorithm": "wordpiece", "lowercase": False},
    "bpe": {"algorithm": "bpe", "character_coverage": None},
}
FILES = {"wordpiece": ["vocab.txt"], "bpe": ["vocab.json", "merges.txt"]}
SPECIAL = {
    "wordpiece": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    "bpe": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
}

Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def folders(corpus: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("algorithms")
    for name, changes in CHANGES.items():
        make(corpus, settings(**changes), root / name)
    return lambda name: root / name


@pytest.fixture(scope="module", params=list(CHANGES))
def folder(request: pytest.FixtureRequest, folders: Folders) -> Path:
    return folders(request.param)


@pytest.fixture(scope="module")
def readings(folder: Path) -> TwoReadings:
    return TwoReadings(folder)


def ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def test_the_folder_has_the_files_that_the_algorithm_is_known_by(folder: Path) -> None:
    usual = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json", "statistics.json"]
    assert {path.name for path in folder.iterdir()} == {*usual, *FILES[folder.name]}


def test_special_pieces_come_first_with_the_familys_names(folder: Path, readings: TwoReadings) -> None:
    tokenizer = readings.automatic
    assert len(tokenizer) == 400
    assert tokenizer.convert_ids_to_tokens(range(5)) == SPECIAL[folder.name]
    assert tokenizer.mask_token_id == 4
    config = json.loads((folder / "config.json").read_text())
    assert (config["vocab_size"], config["pad_token_id"]) == (400, tokenizer.pad_token_id)


FRAGMENTS = st.one_of(
    st.text(st.sampled_from("".join(ALPHABETS.values())), max_size=12),
    st.sampled_from([*SPECIAL["wordpiece"], *SPECIAL["bpe"], "##a", "Ġ", "▁", "  ", "\t", "\u200d", "😀", "e\u0301"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=20).map("".join))
@example("")
@example("x [MASK]<mask> </s>[SEP]y")
@example("e" * 300)
def test_any_text_gives_the_same_pieces_from_tokenizer_json_and_from_the_algorithms_own_files(
    readings: TwoReadings, text: str
) -> None:
    assert ids(readings.automatic, text) == readings.own.encode(text)


def test_special_pieces_in_a_text_are_text(folder: Path, readings: TwoReadings) -> None:
    found = set(ids(readings.automatic, "x " + " ".join(SPECIAL[folder.name]) + " y"))
    assert found & {0, 2, 4} == set()


def test_a_mask_in_a_prompt_stands_for_a_word_with_the_blank_before_it(folder: Path) -> None:
    prompting = AutoTokenizer.from_pretrained(folder)
    found = prompting(f"abc {prompting.mask_token} abc", add_special_tokens=False)["input_ids"]
    word = ids(prompting, "abc")
    assert found == [*word, prompting.mask_token_id, *word]


def test_pairs_have_one_separator_and_token_types(readings: TwoReadings) -> None:
    tokenizer = readings.automatic
    pair = tokenizer("a", "b")
    separators = [number == tokenizer.sep_token_id for number in pair["input_ids"]]
    assert (pair["input_ids"][0], sum(separators)) == (tokenizer.cls_token_id, 2)
    assert pair["token_type_ids"] == [0] * (separators.index(True) + 1) + [1] * (
        len(separators) - 1 - separators.index(True)
    )


def test_words_given_one_by_one_are_cut_as_in_their_sentence(readings: TwoReadings) -> None:
    words = ["abc", "dés", "αβγ", "ab", "कख"]
    apart = readings.automatic(words, is_split_into_words=True, add_special_tokens=False)
    assert apart["input_ids"] == ids(readings.automatic, " ".join(words))
    assert sorted(set(apart.word_ids())) == [0, 1, 2, 3, 4]


def test_offsets_are_those_of_the_words_without_the_blank_before(readings: TwoReadings) -> None:
    found = readings.automatic("ab dés", add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert found[0][0] == 0
    assert {begin for begin, _ in found} >= {0, 3}
    assert 2 not in {begin for begin, _ in found}


def test_a_saved_copy_beside_a_models_configuration_cuts_alike(readings: TwoReadings, tmp_path: Path) -> None:
    text = "Abc  dés `` '' [MASK] <unk> αβγ"
    readings.automatic.save_pretrained(tmp_path)
    for family in ("albert", "bert", "distilbert"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
        assert ids(AutoTokenizer.from_pretrained(tmp_path), text) == ids(readings.automatic, text)


@pytest.mark.slow
def test_training_repeats_itself_in_another_process_with_other_threads(
    corpus: list[Path], folder: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "smelt", "tokenizer", "--documents", *map(str, corpus)]
    words += ["--settings", settings(**CHANGES[folder.name]).model_dump_json(exclude_none=True)]
    surroundings = os.environ | {"RAYON_NUM_THREADS": "3", "HF_HUB_OFFLINE": "1"}
    subprocess.run([*words, "--output", str(tmp_path / "again")], check=True, env=surroundings, capture_output=True)
    for name in ("tokenizer.json", *FILES[folder.name]):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_all_algorithms_learn_from_the_same_sample(folder: Path, tokenizer_folder: Path) -> None:
    samples = [
        json.loads((path / "statistics.json").read_text())["sample_sha256"] for path in (folder, tokenizer_folder)
    ]
    assert samples[0] == samples[1]


def test_a_vocabulary_too_large_is_refused_with_the_size_that_works(
    corpus: list[Path], folder: Path, tmp_path: Path
) -> None:
    changes = CHANGES[folder.name]
    with pytest.raises(SmeltError, match=r"tokenizer big: a vocabulary of 50000 is larger .* at most \d+") as caught:
        make(corpus, settings(**changes, vocabulary=50_000), tmp_path / "out" / "big")
    assert not (tmp_path / "out").exists()
    possible = int(caught.value.message.split("at most ")[1].split()[0])
    make(corpus, settings(**changes, vocabulary=possible), tmp_path / "possible")
    assert json.loads((tmp_path / "possible/config.json").read_text())["vocab_size"] == possible


def test_a_wordpiece_vocabulary_too_small_is_refused_with_the_number_of_pieces_its_characters_need(
    corpus: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(SmeltError, match=r"a vocabulary of 64 is smaller .* at least \d+ pieces") as caught:
        make(corpus, settings(**CHANGES["wordpiece"], vocabulary=64), tmp_path / "small")
    needed = int(caught.value.message.split("at least ")[1].split()[0])
    make(corpus, settings(**CHANGES["wordpiece"], vocabulary=needed), tmp_path / "least")
    pieces = (tmp_path / "least/vocab.txt").read_text(encoding="utf-8").splitlines()
    assert len(pieces) == needed
    assert {len(piece.removeprefix("##")) for piece in pieces[5:]} == {1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"algorithm": "bpe"}, "character_coverage: bpe has no use for it"),
        ({"algorithm": "bpe", "character_coverage": None, "lowercase": True}, "lowercase: bpe has no use for it"),
        ({"algorithm": "wordpiece"}, "lowercase: wordpiece needs it"),
        ({"strip_accents": True}, "strip_accents: unigram has no use for it"),
        ({"character_coverage": None}, "character_coverage: unigram needs it"),
    ],
)
def test_settings_that_an_algorithm_has_no_use_for_are_refused(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        settings(**changes)


def test_a_command_with_settings_of_another_algorithm_gives_one_line(
    corpus: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = settings().model_dump(exclude_none=True) | {"algorithm": "bpe"}
    words = ["tokenizer", "--documents", *map(str, corpus), "--settings", json.dumps(wrong)]
    assert main([*words, "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == "smelt: --settings: character_coverage: bpe has no use for it\n"
    assert not (tmp_path / "out").exists()


def french(tmp_path: Path, **changes: object) -> Any:
    texts = ["Été ÉTÉ ete Ete été\nbateau château Bateau"] * 20
    if not (tmp_path / "corpus").exists():
        write_documents(tmp_path / "corpus/xl", texts)
    make([tmp_path / "corpus/xl/documents.parquet"], settings(**changes), tmp_path / "out")
    return TwoReadings(tmp_path / "out").automatic


def test_wordpiece_keeps_case_and_accents_by_default(tmp_path: Path) -> None:
    cased = french(tmp_path, **CHANGES["wordpiece"], vocabulary=40)
    assert cased.decode(ids(cased, "Été château")) == "Été château"


def test_wordpiece_in_lower_case_reads_capitals_and_accents_as_their_letters(tmp_path: Path) -> None:
    lower = french(tmp_path, algorithm="wordpiece", lowercase=True, vocabulary=25)
    assert ids(lower, "Été CHÂTEAU") == ids(lower, "ete chateau")
    assert lower.decode(ids(lower, "Été CHÂTEAU")) == "ete chateau"


def test_wordpiece_in_lower_case_may_keep_accents(tmp_path: Path) -> None:
    lower = french(tmp_path, algorithm="wordpiece", lowercase=True, strip_accents=False, vocabulary=30)
    assert lower.decode(ids(lower, "Été CHÂTEAU")) == "été château"


def test_a_word_with_a_character_too_rare_is_unknown_to_wordpiece_and_nothing_is_to_bytes(
    tmp_path: Path, folders: Folders
) -> None:
    file = write_documents(tmp_path / "corpus/xl", ["common words come again and again"] * 200 + ["rare ჟ", "rare ჟ"])
    make([file], settings(**CHANGES["wordpiece"] | {"character_coverage": 0.999}, vocabulary=40), tmp_path / "out")
    tokenizer = TwoReadings(tmp_path / "out").automatic
    assert tokenizer.unk_token_id in ids(tokenizer, "rare ჟ")
    assert "ჟ" not in tokenizer.get_vocab()
    anything = TwoReadings(folders("bpe")).automatic
    text = "ჟ 😀 \x07 \u0301x"
    assert anything.unk_token_id not in ids(anything, text)
    assert anything.decode(ids(anything, text)) == " " + text


def test_the_share_of_characters_covered_is_at_least_the_one_asked_for() -> None:
    line = "a" * 90 + " " + "b" * 8 + "c" * 2
    assert blank_rare_characters([line], 0.9) == ["a" * 90 + " " * 11]
    assert blank_rare_characters([line], 0.901) == ["a" * 90 + " " + "b" * 8 + " " * 2]
    assert blank_rare_characters([line], 0.98) == ["a" * 90 + " " + "b" * 8 + " " * 2]
    assert blank_rare_characters([line], 1.0) == [line]


def test_statistics_say_what_the_training_rested_on(folder: Path) -> None:
    statistics = json.loads((folder / "statistics.json").read_text())
    assert TokenizerSettings.model_validate(statistics["settings"]) == settings(**CHANGES[folder.name])
    assert statistics["least_occurrences"] == 2
    assert statistics["tokenizers"]
    assert set(statistics["languages"]) == set(ALPHABETS)
    assert all(entry["fertility"] >= 1 for entry in statistics["languages"].values())
    if folder.name == "bpe":
        assert {entry["unknown_share"] for entry in statistics["languages"].values()} == {0}
        assert statistics["merges"] == 400 - 256 - 5


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="SMELT_DATA names no folder of real data")
@pytest.mark.parametrize("name", list(CHANGES))
def test_real_lines_of_ten_languages_give_the_same_pieces_from_all_files(name: str, tmp_path: Path) -> None:
    files = []
    for file in sorted(Path(str(DATA), "text").glob("*.txt")):
        with file.open(encoding="utf-8") as stream:
            lines = [line.rstrip("\n") for line, _ in zip(stream, range(600), strict=False) if line.strip()]
        files.append(write_documents(tmp_path / "corpus" / file.stem, lines, every=2))
    make(files, settings(**CHANGES[name], vocabulary=4000, sample=3000), tmp_path / "real")
    languages = json.loads((tmp_path / "real/statistics.json").read_text())["languages"]
    assert len(languages) == 10
    assert all(entry["held_out_lines"] >= 150 for entry in languages.values())
    assert max(entry["unknown_share"] for entry in languages.values()) < (0.02 if name == "wordpiece" else 1e-9)
