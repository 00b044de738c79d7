"""Which further pieces a choice of pieces needs, on vocabularies small enough to see why."""

from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from bench.tokenizer_layouts import albert, bert, llama, roberta, write_json
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers

from smelt.models.vocabulary.vocabulary import Closure, Vocabulary, read_vocabulary


def vocabulary_of(model: Any, folder: Path, of_bytes: bool = False) -> Vocabulary:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel() if of_bytes else pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    return read_vocabulary(folder, "model")


def closed(vocabulary: Vocabulary, *pieces: str, **options: bool) -> Closure:
    ids = [vocabulary.pieces.index(piece) for piece in pieces]
    return vocabulary.closure(np.array(ids, dtype=np.int64), **options)


def spelt(vocabulary: Vocabulary, closure: Closure) -> dict[str, set[str]]:
    """Return what the closure added, by reason."""
    return {reason: {vocabulary.pieces[place] for place in ids} for reason, ids in closure.added.items()}


def reduced(vocabulary: Vocabulary, closure: Closure, folder: Path) -> Path:
    folder.mkdir()
    vocabulary.write(closure.ids, folder)
    return folder


def test_bpe_keeps_the_way_to_a_piece_and_no_other(tmp_path: Path) -> None:
    listed = ["a", "b", "c", "d", "ab", "bc", "abc", "abcd", "cd"]
    merges = [("a", "b"), ("c", "d"), ("b", "c"), ("ab", "c"), ("a", "bc"), ("abc", "d")]
    vocabulary = vocabulary_of(models.BPE({piece: place for place, piece in enumerate(listed)}, merges), tmp_path)
    assert spelt(vocabulary, closed(vocabulary, "abc")) == {"merges": {"ab"}, "characters": {"a", "b", "c"}}
    # abcd is never built: c goes with d before ab takes it.
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("abcd").tokens == ["ab", "cd"]
    small = reduced(vocabulary, closed(vocabulary, "abc", "d"), tmp_path / "small")
    assert Tokenizer.from_file(str(small / "tokenizer.json")).encode("abc d").tokens == ["abc", "d"]


def test_bpe_merges_the_leftmost_of_equal_pairs(tmp_path: Path) -> None:
    listed = ["a", "b", "aa", "ab", "aab", "aaab"]
    merges = [("a", "a"), ("a", "b"), ("aa", "b"), ("aa", "ab"), ("a", "aab")]
    vocabulary = vocabulary_of(models.BPE({piece: place for place, piece in enumerate(listed)}, merges), tmp_path)
    assert spelt(vocabulary, closed(vocabulary, "aaab")) == {"merges": {"aa", "ab"}, "characters": {"a", "b"}}


def test_byte_level_bpe_keeps_all_256_bytes(tmp_path: Path) -> None:
    roberta(tmp_path)
    vocabulary = read_vocabulary(tmp_path, "model")
    closure = vocabulary.closure(np.array([], dtype=np.int64))
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    assert (
        alphabet <= spelt(vocabulary, closure)["always kept"] == alphabet | {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}
    )


def test_byte_level_bpe_keeps_bytes_at_ends_of_words_too(tmp_path: Path) -> None:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces = [*alphabet, *(f"{byte}</w>" for byte in alphabet), "ab</w>"]
    model = models.BPE({piece: number for number, piece in enumerate(pieces)}, [("a", "b</w>")])
    model.end_of_word_suffix = "</w>"
    vocabulary = vocabulary_of(model, tmp_path, of_bytes=True)
    assert len(closed(vocabulary).ids) == 512
    assert len(closed(vocabulary, "ab</w>").ids) == 513


def test_pieces_of_bytes_are_always_kept(tmp_path: Path) -> None:
    llama(tmp_path)
    vocabulary = read_vocabulary(tmp_path, "model")
    kept = {vocabulary.pieces[place] for place in vocabulary.always}
    assert kept == {f"<0x{byte:02X}>" for byte in range(256)} | {"<s>", "</s>", "<unk>"}


def test_unigram_keeps_characters_of_kept_pieces(tmp_path: Path) -> None:
    scored = [("<unk>", 0.0), ("a", -9.0), ("b", -9.0), ("c", -9.0), ("ab", -2.0), ("bc", -2.0)]
    vocabulary = vocabulary_of(models.Unigram(scored, unk_id=0, byte_fallback=False), tmp_path)
    assert spelt(vocabulary, closed(vocabulary, "ab")) == {
        "always kept": {"<unk>"},
        "lowest score": {"a"},
        "characters": {"b"},
    }


def test_unigram_keeps_the_lowest_score_that_the_unknown_piece_counts_from(tmp_path: Path) -> None:
    scored = [("<unk>", 0.0), ("ab", -20.0), ("cd", -20.0), ("abc", -1.0), ("d", -100.0), ("z", -200.0)]
    vocabulary = vocabulary_of(models.Unigram(scored, unk_id=0, byte_fallback=False), tmp_path)
    closure = closed(vocabulary, "ab", "cd", "abc", characters=False)
    assert spelt(vocabulary, closure) == {"always kept": {"<unk>"}, "lowest score": {"z"}}
    small = reduced(vocabulary, closure, tmp_path / "small")
    assert Tokenizer.from_file(str(small / "tokenizer.json")).encode("abcd").tokens == ["ab", "cd"]
    # Without z, abc and the unknown piece would be better than ab and cd.
    without = Tokenizer(models.Unigram(scored[:4], unk_id=0, byte_fallback=False))
    assert without.encode("abcd").tokens == ["abc", "d"]
    assert without.encode("abcd").ids == [3, 0]


def test_pieces_spelt_the_same_stay_together(tmp_path: Path) -> None:
    scored = [("<unk>", 0.0), ("a", -1.0), ("b", -3.0), ("a", -2.0)]
    vocabulary = vocabulary_of(models.Unigram(scored, unk_id=0, byte_fallback=False), tmp_path)
    closure = vocabulary.closure(np.array([3]))
    assert closure.added["same spelling"].tolist() == [1]
    assert closure.ids.tolist() == [0, 1, 2, 3]


def protobuf(folder: Path, kind: int, model_type: str, name: str, pieces: list[tuple[str, float, int]]) -> Path:
    proto = sentencepiece_model_pb2.ModelProto()
    for piece, score, type_ in [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), *pieces]:
        proto.pieces.add(piece=piece, score=score, type=type_)
    proto.trainer_spec.model_type = kind
    proto.normalizer_spec.add_dummy_prefix = False
    # A field of older versions, a sentence to test the file by: number 4, two bytes long, with no text in it.
    (folder / name).write_bytes(proto.SerializeToString() + b"\x22\x02\x0a\x00")
    write_json(folder / "config.json", {"model_type": model_type})
    return folder / name


def test_sentencepiece_keeps_its_own_lowest_and_highest_scores(tmp_path: Path) -> None:
    listed = [("ab", -20.0, 1), ("cd", -20.0, 1), ("abc", -1.0, 1), ("d", -99.0, 1), ("z", -99.5, 1)]
    listed += [("e", -5.0, 1), ("f", -5.0, 1), ("ef", 0.0, 4), ("y", -0.5, 1)]
    # CamemBERT's <unk>NOTUSED has -100, so that transformers' own form needs no other piece of a low score.
    path = protobuf(tmp_path, 1, "camembert", "sentencepiece.bpe.model", listed)
    vocabulary = read_vocabulary(tmp_path, "model")
    closure = closed(vocabulary, "ab", "cd", "abc", "e", "f", characters=False)
    added = spelt(vocabulary, closure)
    assert (added["lowest score"], added["highest score"]) == ({"z"}, {"y"})
    small = sentencepiece.SentencePieceProcessor(
        model_file=str(reduced(vocabulary, closure, tmp_path / "small") / path.name)
    )
    full = sentencepiece.SentencePieceProcessor(model_file=str(path))
    for line, pieces in (("abcd", ["ab", "cd"]), ("ef", ["ef"])):
        assert full.encode(line, out_type=str) == small.encode(line, out_type=str) == pieces


def test_sentencepiece_merges_by_score_where_transformers_merges_by_id(tmp_path: Path) -> None:
    listed = [("ab", -2.0, 1), ("bc", -1.0, 1), ("abc", -3.0, 1), ("a", -9.0, 1), ("b", -9.0, 1), ("c", -9.0, 1)]
    protobuf(tmp_path, 2, "llama", "tokenizer.model", listed)
    vocabulary = read_vocabulary(tmp_path, "model")
    added = spelt(vocabulary, closed(vocabulary, "abc"))
    assert added["merges"] == {"ab", "bc"}
    assert added["characters"] == {"a", "b", "c"}


def test_sentences_that_test_a_protobuf_are_left_out(tmp_path: Path) -> None:
    path = protobuf(tmp_path, 1, "xlm-roberta", "sentencepiece.bpe.model", [("a", -1.0, 1), ("b", -1.0, 1)])
    vocabulary = read_vocabulary(tmp_path, "model")
    small = reduced(vocabulary, closed(vocabulary, "a"), tmp_path / "small") / path.name
    assert path.read_bytes().endswith(b"\x22\x02\x0a\x00")
    assert b"\x22\x02\x0a\x00" not in small.read_bytes()


def test_wordpiece_needs_nothing_but_characters_where_they_are_asked_for(tmp_path: Path) -> None:
    bert(tmp_path)
    vocabulary = read_vocabulary(tmp_path, "model")
    long = next(piece for piece in vocabulary.pieces if piece.startswith("##") and len(piece) > 4)
    always = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"[unused{number}]" for number in range(1, 10))}
    assert spelt(vocabulary, closed(vocabulary, long)) == {"always kept": always}
    characters = {form for letter in long[2:] for form in (letter, f"##{letter}")} & {*vocabulary.pieces}
    assert spelt(vocabulary, closed(vocabulary, long, characters=True)) == {
        "always kept": always,
        "characters": characters,
    }


def test_wordpiece_names_pieces_that_may_make_unknown_words_known(tmp_path: Path) -> None:
    listed = {piece: place for place, piece in enumerate(["[UNK]", "ab", "abc", "##cd", "##c"])}
    vocabulary = vocabulary_of(models.WordPiece(listed, unk_token="[UNK]"), tmp_path)
    closure = closed(vocabulary, "[UNK]", "ab", "##cd")
    assert {vocabulary.pieces[place] for place in closure.loosened} == {"ab", "##cd"}
    small = reduced(vocabulary, closure, tmp_path / "small")
    full = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert full.encode("abcd").tokens == ["[UNK]"]  # abc is longest, and no piece goes on with d
    assert Tokenizer.from_file(str(small / "tokenizer.json")).encode("abcd").tokens == ["ab", "##cd"]


def test_an_added_token_is_kept_and_its_characters_are_no_reason_to_keep_others(tmp_path: Path) -> None:
    albert(tmp_path)
    vocabulary = read_vocabulary(tmp_path, "model")
    assert {vocabulary.pieces[place] for place in vocabulary.always} == {"<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"}
    added = spelt(vocabulary, vocabulary.closure(vocabulary.always))
    for_scores = added["lowest score"] | added["highest score"]
    assert added["characters"] | for_scores == set("".join(for_scores)) | for_scores
