import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_toy import LENGTH, RECIPE, Toy, toy_batches, write_documents

from smelt.__main__ import main
from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.sentences import sentence_ends
from smelt.tokenizers import byte_level_bpe, unigram, wordpiece
from smelt.tokenizers.folder import write_folder
from smelt.training.blocks import BlockWriter, TokenBlocks
from smelt.training.encoding import encode, encoded_parts_of
from smelt.training.known_words import LineEncoder
from smelt.training.pack import pack
from smelt.training.pieces import load_tokenizer, pieces_of
from smelt.training.recipes import RECIPES, Packing, Recipe


def stream_of(blocks: TokenBlocks) -> np.ndarray:
    numbers = np.arange(len(blocks))
    real = np.arange(blocks.content(numbers).shape[1]) < blocks.lengths(numbers)[:, None]
    return blocks.content(numbers)[real]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tokenizer of each kind, of a few words of several scripts."""
    lines = ["Kal dap mirt urm. 3.5 kal? [12] «Dap» é…", "カル。ダプ！ミルト", "Mirt! Vast kal."] * 30
    made = {
        "unigram": lambda: unigram.learn(lines, 45, 1.0, False, "test"),
        "wordpiece": lambda: wordpiece.learn(lines, 70, 1.0, wordpiece.LetterRules(lowercase=False), "test"),
        "byte-level BPE": lambda: byte_level_bpe.learn(lines, 270, "test"),
    }
    folders = {}
    for kind, learn in made.items():
        folders[kind] = tmp_path_factory.mktemp("tokenizer")
        write_folder(folders[kind], learn())
    return folders


def test_blocks_hold_the_token_stream_of_the_documents_and_nothing_else(toy: Toy) -> None:
    tokenizer = load_tokenizer(toy.tokenizer)
    import pyarrow.parquet as pq

    rows = pq.read_table(toy.documents / "bb.parquet").to_pylist()
    for split in ("train", "validation"):
        texts = [row["text"] for row in rows if row["held_out"] == (split == "validation")]
        expected = tokenizer(" ".join(texts).replace("\n", " "), add_special_tokens=False)["input_ids"]
        blocks = TokenBlocks(toy.blocks[1], split, toy.pieces, LENGTH)
        assert stream_of(blocks).tolist() == expected


def test_the_counts_of_blocks_json_account_for_every_token_and_document(toy: Toy) -> None:
    about = json.loads((toy.blocks[0] / "blocks.json").read_text())
    for split in ("train", "validation"):
        part = about[split]
        assert part["blocks"] * (LENGTH - 3) == part["tokens"] + part["padding"]
        assert part["dropped"] == 0
    assert about["train"]["documents"] + about["validation"]["documents"] == 180


def test_documents_are_known_by_their_first_token(toy: Toy) -> None:
    tokenizer = load_tokenizer(toy.tokenizer)
    stretch = encode(
        ["Kal dap.\nMirt urm.", "", "Vast."], LineEncoder(tokenizer.backend_tokenizer), pieces_of(tokenizer)
    )
    first = len(tokenizer("Kal dap. Mirt urm.", add_special_tokens=False)["input_ids"])
    assert stretch.documents.tolist() == [0, first]
    assert stretch.counts["paragraphs"] == 3


@pytest.mark.parametrize(("packing", "same"), [("stream", "Kal.\nDap\nMirt."), ("lines", "Kal.\nMirt.")])
def test_a_heading_is_words_of_the_stream_and_no_line(packing: Packing, same: str, toy: Toy) -> None:
    tokenizer = load_tokenizer(toy.tokenizer)
    marked, plain = (
        encode([text], LineEncoder(tokenizer.backend_tokenizer), pieces_of(tokenizer), packing)
        for text in ("Kal.\n## Dap\nMirt.", same)
    )
    assert marked.ids.tolist() == plain.ids.tolist()
    assert marked.counts["paragraphs"] == 2


def test_no_block_is_split_between_two_documents(tmp_path, toy: Toy) -> None:
    documents = write_documents(tmp_path / "documents.parquet", ["kal dap mirt."] * 40, held_out_every=40)
    pack(documents, toy.tokenizer, LENGTH, tmp_path / "blocks")
    blocks = TokenBlocks(tmp_path / "blocks", "train", toy.pieces, LENGTH)
    tokenizer = load_tokenizer(toy.tokenizer)
    first = tokenizer("kal dap mirt.", add_special_tokens=False)["input_ids"][0]
    for draw in np.linspace(0, 0.999, 60):
        numbers = np.arange(len(blocks))
        positions = blocks.split_positions(numbers, np.full(len(blocks), draw))
        known = positions >= 0
        assert (blocks.content(numbers)[numbers, positions.clip(0)][known] != first).all()


@pytest.mark.parametrize("packing", ["stream", "sentences", "lines"])
def test_the_blocks_that_are_counted_as_two_segments_are_those_that_some_draw_splits(
    packing: Packing, tmp_path: Path, toy: Toy
) -> None:
    texts = ["Kal dap.", "Kal dap. Mirt urm.", "Vast.", "k"] * 12 + ["k"] * 60 + ["Kal dap. " * 30]
    documents = write_documents(tmp_path / "documents.parquet", texts, held_out_every=200)
    about = pack(documents, toy.tokenizer, 16, tmp_path / "blocks", packing)
    blocks = TokenBlocks(tmp_path / "blocks", "train", toy.pieces, 16, packing)
    numbers, able = np.arange(len(blocks)), np.zeros(len(blocks), bool)
    for draw in np.linspace(0, 0.999, 200) if packing != "lines" else []:
        able |= blocks.split_positions(numbers, np.full(len(blocks), draw)) >= 0
    assert about["train"]["splittable_blocks"] == blocks.count_segmentable("order") == able.sum()
    assert packing == "lines" or 0 < able.sum() <= len(blocks)
    assert blocks.count_segmentable("next") <= able.sum()


def test_every_place_within_a_block_is_as_likely_to_split_it(toy: Toy) -> None:
    blocks = TokenBlocks(toy.blocks[0], "train", toy.pieces, LENGTH)
    draws = np.random.default_rng(1).random(20_000)
    positions = blocks.split_positions(np.zeros(20_000, np.int64), draws)
    content = LENGTH - 3
    assert set(positions.tolist()) <= {-1, *range(1, content)}
    found = positions[positions > 0]
    assert found.mean() == pytest.approx(content / 2, abs=1.0)


def test_text_that_looks_like_a_special_token_becomes_no_special_token(tmp_path, toy: Toy) -> None:
    documents = write_documents(tmp_path / "documents.parquet", ["kal"] + ["kal [SEP] dap [MASK] <pad>."] * 9, 99)
    pack(documents, toy.tokenizer, LENGTH, tmp_path / "blocks")
    pieces = toy.pieces
    ids = stream_of(TokenBlocks(tmp_path / "blocks", "train", pieces, LENGTH))
    assert set(ids[pieces.special[ids]]) <= {pieces.unknown}


def test_how_much_is_encoded_at_once_changes_nothing(tmp_path, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smelt.training.encoding.CHARACTERS_AT_ONCE", 100)
    pack(toy.documents / "bb.parquet", toy.tokenizer, LENGTH, tmp_path / "bb")
    for file in toy.blocks[1].iterdir():
        assert (tmp_path / "bb" / file.name).read_bytes() == file.read_bytes(), file.name


def test_empty_documents_are_counted(tmp_path, toy: Toy) -> None:
    documents = write_documents(tmp_path / "documents.parquet", ["", "kal dap.", "", "  \n ", "mirt."], 99)
    about = pack(documents, toy.tokenizer, LENGTH, tmp_path / "blocks")
    assert about["train"]["documents"] == 4
    assert about["train"]["empty_documents"] == 2


def test_documents_without_any_training_text_are_an_error_that_leaves_nothing(tmp_path, toy: Toy) -> None:
    documents = write_documents(tmp_path / "in" / "documents.parquet", ["kal"], 1)
    with pytest.raises(SmeltError, match="no text to train on"):
        pack(documents, toy.tokenizer, LENGTH, tmp_path / "out" / "blocks")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("pieces", "expected"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_ids_take_two_bytes_up_to_65535_pieces_and_four_above(toy: Toy, pieces: int, expected: type) -> None:
    from dataclasses import replace

    assert replace(toy.pieces, size=pieces).dtype is expected


def test_ids_above_two_bytes_come_back_as_they_were_written(tmp_path, toy: Toy) -> None:
    writer = BlockWriter(tmp_path, "train", 4, np.uint32, "stream")
    writer.add(np.array([70_000, 1, 2, 3, 100_000]), np.array([0]), np.array([0]))
    about = {
        "format": 3,
        "packing": "stream",
        "length": 7,
        "dtype": "uint32",
        "vocabulary": toy.pieces.size,
        "tokenizer": toy.pieces.digest,
    }
    (tmp_path / "blocks.json").write_text(json.dumps(about | {"train": writer.close()}))
    assert stream_of(TokenBlocks(tmp_path, "train", toy.pieces, 7)).tolist() == [70_000, 1, 2, 3, 100_000]


def sentence_blocks(tmp_path: Path, toy: Toy, texts: list[str]) -> TokenBlocks:
    documents = write_documents(tmp_path / "documents.parquet", texts, held_out_every=99)
    pack(documents, toy.tokenizer, LENGTH, tmp_path / "blocks", "sentences")
    return TokenBlocks(tmp_path / "blocks", "train", toy.pieces, LENGTH, "sentences")


def pieces_in(toy: Toy, text: str) -> list[int]:
    return load_tokenizer(toy.tokenizer)(text, add_special_tokens=False)["input_ids"]


def test_a_block_of_whole_sentences_takes_as_many_of_one_document_as_fit(tmp_path, toy: Toy) -> None:
    sentence = "kal dap mirt urm kal dap."
    size = len(pieces_in(toy, sentence))
    fitting = (LENGTH - 3) // size
    assert fitting > 1
    blocks = sentence_blocks(tmp_path, toy, ["vast.", " ".join([sentence] * (fitting + 1)), "kal!", sentence])
    lengths = blocks.lengths(np.arange(len(blocks))).tolist()
    assert lengths == [fitting * size, size, len(pieces_in(toy, "kal!")), size]  # the first document is held out
    assert stream_of(blocks).tolist() == [
        *pieces_in(toy, sentence) * (fitting + 1), *pieces_in(toy, "kal!"), *pieces_in(toy, sentence)
    ]  # fmt: skip


def test_a_sentence_longer_than_a_block_goes_on_in_the_next(tmp_path, toy: Toy) -> None:
    content = LENGTH - 3
    long = " ".join(["kal"] * 2 * content) + "."
    blocks = sentence_blocks(tmp_path, toy, ["vast.", f"{long} dap mirt."])
    total = len(pieces_in(toy, long)) + len(pieces_in(toy, "dap mirt."))
    lengths = blocks.lengths(np.arange(len(blocks)))
    assert lengths[:2].tolist() == [content, content]
    assert lengths.sum() == total == blocks.tokens


def test_a_block_of_whole_sentences_is_split_between_any_two_of_them_and_nowhere_else(tmp_path, toy: Toy) -> None:
    blocks = sentence_blocks(tmp_path, toy, ["vast.", "kal. dap mirt! urm? kal", "dap"])
    ends = np.cumsum([len(pieces_in(toy, part)) for part in ("kal.", "dap mirt!", "urm?")])
    positions = blocks.split_positions(np.zeros(3000, np.int64), np.random.default_rng(1).random(3000))
    found, times = np.unique(positions, return_counts=True)
    assert found.tolist() == ends.tolist()
    assert times.min() > 900
    assert blocks.split_positions(np.array([1]), np.array([0.5])).tolist() == [-1]  # one sentence has no second
    cut = blocks.split_positions(np.zeros(99, np.int64), np.linspace(0, 0.99, 99), np.full(99, ends[0] + 1))
    assert set(cut.tolist()) == {ends[0]}  # of a block cut short, only what is left of it counts


@pytest.mark.parametrize("kind", ["unigram", "wordpiece", "byte-level BPE"])
@pytest.mark.parametrize("text", ["Kal dap. Mirt  urm! 3.5 kal?", " カル。ダプ！ミルト", "Kal… «Dap.» [12] Kal é. Urm"])
def test_blocks_of_sentences_hold_the_ids_of_the_stream(kind: str, text: str, tokenizers: dict[str, Path]) -> None:
    tokenizer = load_tokenizer(tokenizers[kind])
    encoder, pieces = LineEncoder(tokenizer.backend_tokenizer), pieces_of(tokenizer)
    texts = [f"{text}\n{text}", text]
    stream, cut = (encode(texts, encoder, pieces, packing, "en") for packing in ("stream", "sentences"))
    assert cut.ids.tolist() == stream.ids.tolist()
    assert cut.counts == stream.counts
    for line in {line for text in texts for line in text.split("\n")}:
        encoded = encode([line], encoder, pieces, "sentences", "en")
        before = [line[:end].rstrip() for end in [0, *sentence_ends(line, "en")]]
        assert encoded.parts.tolist() == [len(encode([text], encoder, pieces).ids) for text in before]


def test_a_line_of_any_length_becomes_the_pieces_that_its_words_are(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = load_tokenizer(toy.tokenizer)
    encoder, pieces = LineEncoder(tokenizer.backend_tokenizer), pieces_of(tokenizer)
    line = "Kal dap mirt urm. Vast kal! " * 9
    for packing in ("stream", "sentences"):
        whole = encode([line, "kal"], encoder, pieces, packing)
        with monkeypatch.context() as patched:
            patched.setattr("smelt.training.encoding.LONGEST", 7)
            patched.setattr("smelt.training.encoding.ENCODED_AT_ONCE", 20)
            parts = encode([line, "kal"], encoder, pieces, packing)
        assert whole.ids.tolist() == parts.ids.tolist()
        assert whole.parts.tolist() == parts.parts.tolist()
        assert whole.documents.tolist() == parts.documents.tolist()


def test_a_line_without_blanks_is_encoded_in_parts_that_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smelt.training.encoding.LONGEST", 10)
    line = "雨が降った。傘がない。" * 3 + "あ" * 35 + " い"
    ends = list(sentence_ends(line, "ja"))
    shares = list(encoded_parts_of(line, ends))
    assert "".join(share.text for share in shares) == line
    assert [share.first for share in shares] == [True, *[False] * (len(shares) - 1)]
    assert max(len(share.text) for share in shares) <= 10
    begins = np.cumsum([0, *(len(share.text) for share in shares)])
    assert [begin + end for begin, share in zip(begins, shares, strict=False) for end in share.ends] == ends


PEAK = """
import sys
from pathlib import Path
from smelt.training.pack import pack
documents, tokenizer, output = map(Path, sys.argv[1:])
pack(documents, tokenizer, 32, output)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of a process's memory")
def test_a_document_of_millions_of_characters_takes_little_memory(tmp_path: Path, toy: Toy) -> None:
    peaks = []
    for times in (1, 100_000):
        text = "Kal dap mirt urm. Vast kal dap! " * times  # one line
        documents = write_documents(tmp_path / f"{times}.parquet", ["Vast.", text], held_out_every=99)
        words = [str(documents), str(toy.tokenizer), str(tmp_path / str(times))]
        done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 250, peaks  # MB, for 3.2 million characters


def test_blocks_json_says_how_the_text_is_cut(tmp_path: Path, toy: Toy) -> None:
    texts = ["vast.", "Kal dap. Mirt!\nUrm kal ☃.", "Dap."]
    documents = write_documents(tmp_path / "documents.parquet", texts, held_out_every=99)
    part = pack(documents, toy.tokenizer, LENGTH, tmp_path / "blocks", "sentences")["train"]
    assert (part["paragraphs"], part["sentences"], part["words"]) == (3, 4, 7)
    assert part["characters"] == len("Kal dap. Mirt!" + "Urm kal ☃." + "Dap.")
    assert part["fertility"] == part["tokens"] / 7
    assert part["characters_per_piece"] == part["characters"] / part["tokens"]
    assert part["unknown_share"] == part["unknown"] / part["tokens"] > 0


def test_a_split_without_text_has_no_rates(tmp_path: Path, toy: Toy) -> None:
    documents = write_documents(tmp_path / "documents.parquet", ["", "Kal dap mirt."], held_out_every=99)
    about = pack(documents, toy.tokenizer, LENGTH, tmp_path / "blocks")
    assert [about["validation"][name] for name in ("fertility", "characters_per_piece", "unknown_share")] == [None] * 3


def test_the_language_of_the_folder_decides_what_is_an_abbreviation(tmp_path: Path, toy: Toy) -> None:
    documents = write_documents(tmp_path / "documents.parquet", ["Vast.", "Kal bzw. Dap. Mirt."], held_out_every=99)
    words = ["blocks", "--documents", documents, "--tokenizer", toy.tokenizer, "--length", LENGTH]
    for language, sentences in (("de", 2), ("en", 3)):
        assert main([*map(str, words), "--output", str(tmp_path / language)]) == 0
        assert json.loads((tmp_path / language / "blocks.json").read_text())["train"]["sentences"] == sentences


def test_blocks_of_sentences_that_ended_elsewhere_are_refused(tmp_path: Path, toy: Toy) -> None:
    sentence_blocks(tmp_path, toy, ["vast.", "kal. dap."])
    about = json.loads((tmp_path / "blocks" / "blocks.json").read_text())
    (tmp_path / "blocks" / "blocks.json").write_text(
        json.dumps({key: about[key] for key in about if key != "sentences"})
    )
    with pytest.raises(SmeltError, match="blocks of another version of sentences: None, expected 3"):
        TokenBlocks(tmp_path / "blocks", "train", toy.pieces, LENGTH, "sentences")


def test_second_segments_from_elsewhere_need_a_stream() -> None:
    message = r"data\.packing: sentences goes with objective\.sentences: order or none; with next"
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(merge(RECIPES["albert"].model_dump(), {"objective": {"sentences": "next"}}))


def test_blocks_of_another_packing_than_the_recipes_are_refused(toy: Toy) -> None:
    with pytest.raises(SmeltError, match="blocks of another packing: stream, expected sentences"):
        TokenBlocks(toy.blocks[0], "train", toy.pieces, LENGTH, "sentences")


def test_a_token_file_cut_short_is_refused(tmp_path, toy: Toy) -> None:
    folder = shutil.copytree(toy.blocks[1], tmp_path / "bb")
    with (folder / "train.tokens").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(SmeltError, match=r"train\.tokens: holds 1,000 bytes, expected"):
        TokenBlocks(folder, "train", toy.pieces, LENGTH)


def test_a_token_file_with_a_changed_byte_fails_its_checksum(tmp_path, toy: Toy) -> None:
    folder = shutil.copytree(toy.blocks[1], tmp_path / "bb")
    with (folder / "train.tokens").open("r+b") as file:
        file.write(b"\x07\x07\x07")
    with pytest.raises(SmeltError, match="damaged: sha256"):
        TokenBlocks(folder, "train", toy.pieces, LENGTH).verify()


def test_blocks_of_another_tokenizer_or_length_are_refused(toy: Toy) -> None:
    from dataclasses import replace

    with pytest.raises(SmeltError, match="blocks of another tokenizer"):
        TokenBlocks(toy.blocks[0], "train", replace(toy.pieces, digest="other"), LENGTH)
    with pytest.raises(SmeltError, match="blocks of another length: 32, expected 64"):
        TokenBlocks(toy.blocks[0], "train", toy.pieces, 64)


def test_the_command_packs_and_says_how_much(tmp_path, toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["blocks", "--documents", toy.documents / "bb.parquet", "--tokenizer", toy.tokenizer, "--length", 32]
    assert main([*map(str, words), "--output", str(tmp_path / "bb")]) == 0
    assert "train: 52 documents" in capsys.readouterr().out
    assert (tmp_path / "bb" / "train.tokens").read_bytes() == (toy.blocks[1] / "train.tokens").read_bytes()


@pytest.mark.parametrize("broken", [b"", b"<html>not found</html>"])
def test_a_broken_documents_file_is_one_clear_line(
    tmp_path, toy: Toy, capsys: pytest.CaptureFixture[str], broken: bytes
) -> None:
    (tmp_path / "documents.parquet").write_bytes(broken)
    words = ["blocks", "--documents", tmp_path / "documents.parquet", "--tokenizer", toy.tokenizer, "--length", 32]
    assert main([*map(str, words), "--output", str(tmp_path / "out" / "bb")]) == 1
    assert "documents.parquet: is no Parquet file of documents" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def segments_by_order(toy: Toy) -> dict[int, list[tuple[list[str], list[str]]]]:
    """Return the pieces of the first and second segments of many examples, by whether they are swapped."""
    batch = toy_batches(toy, RECIPE.override({"data": {"batch": 2048}})).train(1)
    ids = batch.input_ids.numpy().copy()
    ids.ravel()[batch.masked.numpy()] = batch.labels.numpy()
    texts = np.array(load_tokenizer(toy.tokenizer).convert_ids_to_tokens(range(toy.pieces.size)))
    separator = toy.pieces.separator
    found: dict[int, list[tuple[list[str], list[str]]]] = {0: [], 1: []}
    for row, order in zip(ids, batch.sentence_labels.tolist(), strict=True):
        if order in found:
            middle, last = np.flatnonzero(row == separator)
            pieces = texts[row].tolist()
            found[order].append((pieces[1:middle], pieces[middle + 1 : last]))
    return found


def test_punctuation_and_length_do_not_give_away_the_order_of_segments(toy: Toy) -> None:
    found = segments_by_order(toy)
    ends = [np.mean([first[-1].endswith((".", "!")) for first, _ in found[order]]) for order in (0, 1)]
    begins = [np.mean([second[0].startswith("▁") for _, second in found[order]]) for order in (0, 1)]
    longer = [np.mean([len(first) > len(second) for first, second in found[order]]) for order in (0, 1)]
    for shares in (ends, begins, longer):
        assert abs(shares[0] - shares[1]) < 0.08, (ends, begins, longer)
