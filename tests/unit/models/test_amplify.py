"""`smelt amplify` writes a folder with more pieces, proven the same without them, or one line and nothing."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from bench.tokenizer_layouts import LAYOUTS, llama, sentences, write_json
from reducible import MODELS, PIECES, check_pipelines, spoil_for_pipelines, syllables, write_model
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForMaskedLM, AutoTokenizer

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.model_folder import count_shared_pieces
from smelt.models.amplify.command import choose_pieces, count_words, write_vocabulary
from smelt.models.amplify.growth import growth_of
from smelt.models.amplify.learning import draw, learn, symbol
from smelt.models.vocabulary.vocabulary import read_vocabulary

AMPLIFIABLE = [write for write in LAYOUTS if not write.__name__.startswith(("llama", "camembert"))]


def amplify(source: Path, documents: list[Path], output: Path, *words: str) -> int:
    files = ["--model", str(source), "--documents", *map(str, documents), "--output", str(output)]
    return main(["amplify", *files, "--threads", "1", *words])


def record_of(output: Path) -> dict[str, Any]:
    return json.loads((output / "amplification.json").read_text())


def write_texts(folder: Path) -> dict[str, Path]:
    """Write documents of two languages of thirty words each, common and rare ones, every third document held out."""
    written = {}
    for language in ("qaa", "qab"):
        draw = random.Random(language)
        words = ["".join(draw.choices(syllables(language), k=draw.randint(1, 4))) for _ in range(30)]
        weights = [1 / rank for rank in range(1, 31)]
        lines = [" ".join(draw.choices(words, weights, k=draw.randint(3, 9))) + " ." for _ in range(120)]
        path = written[language] = folder / language / "documents.parquet"
        path.parent.mkdir(parents=True)
        names, held_out = [str(number) for number in range(120)], [number % 3 == 0 for number in range(120)]
        pq.write_table(pa.table({"id": names, "title": names, "text": lines, "held_out": held_out}), path)
    return written


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_texts(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "source")


@pytest.fixture(scope="module")
def amplified(source: Path, texts: dict[str, Path]) -> Path:
    output = source.parent / "amplified"
    assert amplify(source, [texts["qaa"]], output, "--pieces", "20") == 0
    return output


def test_an_amplified_model_works_in_pipelines_whatever_its_source_is_like(
    texts: dict[str, Path], tmp_path: Path
) -> None:
    source = write_model(tmp_path / "source")
    spoil_for_pipelines(source)
    assert amplify(source, [texts["qaa"]], tmp_path / "out", "--pieces", "20") == 0
    check_pipelines(tmp_path / "out", "pata kimo", 64)


def test_an_amplified_folder_holds_all_that_a_model_has_and_what_was_added(source: Path, amplified: Path) -> None:
    names = {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"}
    assert {path.name for path in amplified.iterdir()} >= names | {"README.md", "provenance.json", "amplification.json"}
    record = record_of(amplified)
    assert (record["shared"], record["pieces"], len(record["added"])) == (len(PIECES), len(PIECES) + 20, 20)
    tokenizer = AutoTokenizer.from_pretrained(amplified)
    assert len(tokenizer) == record["pieces"]
    assert tokenizer.convert_ids_to_tokens(range(len(PIECES))) == PIECES
    assert tokenizer.convert_ids_to_tokens(range(len(PIECES), len(tokenizer))) == list(record["added"])
    assert tokenizer.special_tokens_map == AutoTokenizer.from_pretrained(source).special_tokens_map
    assert AutoModelForMaskedLM.from_pretrained(amplified).num_parameters() == record["parameters"]
    assert json.loads((amplified / "provenance.json").read_text())["seeds"] == [1]
    assert "20 more pieces, those that texts of qaa needed most" in (amplified / "README.md").read_text()


def test_the_card_names_languages_by_iso_639_for_the_hub(source: Path, texts: dict[str, Path], tmp_path: Path) -> None:
    renamed = shutil.copytree(texts["qaa"].parent, tmp_path / "als") / texts["qaa"].name
    assert amplify(source, [renamed], tmp_path / "out", "--pieces", "20") == 0
    assert "language:\n- gsw\n" in (tmp_path / "out/README.md").read_text()


def test_models_made_from_an_amplified_one_know_which_of_its_pieces_have_learnt_nothing(
    source: Path, texts: dict[str, Path], amplified: Path, tmp_path: Path
) -> None:
    lines = pq.read_table(texts["qaa"])["text"].to_pylist()
    (tmp_path / "qaa.txt").write_text("".join(f"{line}\n" for line in lines))
    words = ["--corpus", str(tmp_path / "qaa.txt"), "--held-out-share", "0.2", "--threshold", "0.05", "--threads", "1"]
    for model in (source, amplified):
        assert main(["reduce", "--model", str(model), *words, "--output", str(tmp_path / model.name)]) == 0
    assert count_shared_pieces(tmp_path / "source") is None
    pieces = AutoTokenizer.from_pretrained(tmp_path / "amplified").convert_ids_to_tokens(range(len(PIECES)))
    old = [piece for piece in pieces if piece in PIECES]
    assert 5 < count_shared_pieces(tmp_path / "amplified") == len(old) < len(pieces)
    assert pieces[: len(old)] == old
    assert amplify(amplified, [texts["qab"]], tmp_path / "again", "--pieces", "3") == 0
    assert count_shared_pieces(tmp_path / "again") == len(PIECES)
    folder = json.dumps({"folder": str(amplified)})
    assert main(["adopt", "--source", folder, "--output", str(tmp_path / "adopted")]) == 0
    assert count_shared_pieces(tmp_path / "adopted") == len(PIECES)


def test_words_of_the_languages_that_gain_pieces_take_fewer_and_the_others_as_many(
    source: Path, texts: dict[str, Path], amplified: Path, tmp_path: Path
) -> None:
    assert amplify(source, list(texts.values()), tmp_path / "out", "--pieces", "30") == 0
    for row in record_of(tmp_path / "out")["proof"]["languages"].values():
        assert row["after"]["fertility"] < 0.8 * row["before"]["fertility"]
        assert row["lines"] == 40
        assert row["new_pieces_found"] >= row["different_new_pieces_found"] > 5
        assert row["share_of_lines_cut_differently"] > 0.5
        assert row["states"]["lines"] > 0
    old, new = AutoTokenizer.from_pretrained(source), AutoTokenizer.from_pretrained(amplified)
    others = "".join(pq.read_table(texts["qab"])["text"].to_pylist())
    assert new(others, truncation=False)["input_ids"] == old(others, truncation=False)["input_ids"]


@pytest.mark.parametrize(
    "layout",
    ["bert-pretraining", "bert-tokens", "distilbert", "albert", "xlm-roberta", "deberta-v3-own-head", "mbart", "t5"],
)
def test_every_layout_starts_new_rows_as_the_mean_of_old_ones(
    layout: str, texts: dict[str, Path], tmp_path: Path
) -> None:
    source = write_model(tmp_path / "source", MODELS[layout])
    assert amplify(source, [texts["qaa"]], tmp_path / "out", "--pieces", "8") == 0
    record = record_of(tmp_path / "out")
    before, after = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "out"))
    places = {piece: number for number, piece in enumerate(PIECES)}
    parts = [[places[part] for part in parts] for parts in record["added"].values()]
    assert record["tensors_extended"]
    for name, old in before.items():
        if name not in record["tensors_extended"]:
            assert torch.equal(after[name], old), name
            continue
        new = after[name]
        if len(old) == 1:  # mBART's bias has a first axis of one
            assert len(new) == 1
            old, new = old[0], new[0]
        assert torch.equal(new[: len(PIECES)], old)
        means = torch.stack([old[ids].mean(0) for ids in parts])
        torch.testing.assert_close(new[len(PIECES) :], means)


@pytest.mark.parametrize("kind", ["gaussian", "random"])
def test_drawn_rows_are_distributed_as_they_should_be(
    kind: str, texts: dict[str, Path], source: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / name for name in ("one", "same", "other")]
    for output, seed in zip(outputs, "112", strict=True):
        assert amplify(source, [texts["qaa"]], output, "--pieces", "40", "--start", kind, "--seed", seed) == 0
    one, same, other = (load_file(output / "model.safetensors") for output in outputs)
    name = "bert.embeddings.word_embeddings.weight"
    old, new = one[name][: len(PIECES)], one[name][len(PIECES) :]
    assert torch.equal(new, same[name][len(PIECES) :])
    assert not torch.equal(new, other[name][len(PIECES) :])
    if kind == "gaussian":
        assert float((new.mean() - old.mean()).abs()) < 0.05
        assert float(new.std()) == pytest.approx(float(old.std()), rel=0.1)
    else:
        assert float(new.std()) == pytest.approx(0.5, rel=0.1)  # the toy's initializer_range
        assert not one["cls.predictions.bias"][len(PIECES) :].any()


def test_half_precision_stays_half_precision(texts: dict[str, Path], tmp_path: Path) -> None:
    source = write_model(tmp_path / "source")
    model = AutoModelForMaskedLM.from_pretrained(source).to(torch.bfloat16)
    model.save_pretrained(source)
    assert amplify(source, [texts["qaa"]], tmp_path / "out", "--pieces", "5") == 0
    with safe_open(tmp_path / "out/model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"BF16"}  # noqa: SIM118 - it is no dict


def test_embeddings_longer_than_the_tokenizer_lose_the_rows_that_no_piece_has(
    texts: dict[str, Path], tmp_path: Path
) -> None:
    source = write_model(tmp_path / "source", rows=len(PIECES) + 7)
    assert amplify(source, [texts["qaa"]], tmp_path / "out", "--pieces", "7") == 0
    record = record_of(tmp_path / "out")
    assert (record["embedding_rows_before"], record["embedding_rows_beyond_the_tokenizer"]) == (len(PIECES) + 7, 7)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "out")
    assert model.get_input_embeddings().num_embeddings == record["pieces"] == len(PIECES) + 7
    assert model.config.vocab_size == len(PIECES) + 7


def test_untied_embeddings_gain_their_own_rows(texts: dict[str, Path], tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", MODELS["bert-untied"])
    assert amplify(source, [texts["qaa"]], tmp_path / "out", "--pieces", "4") == 0
    weights = load_file(tmp_path / "out/model.safetensors")
    inputs, outputs = weights["bert.embeddings.word_embeddings.weight"], weights["cls.predictions.decoder.weight"]
    assert inputs.shape == outputs.shape == (len(PIECES) + 4, 32)
    assert not torch.equal(inputs[-4:], outputs[-4:])


def cut(tokenizer: Any, lines: list[str]) -> list[list[int]]:
    return tokenizer(lines, truncation=False, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("write", AMPLIFIABLE, ids=lambda write: write.__name__)
def test_every_kind_of_tokenizer_uses_its_new_pieces_and_else_cuts_as_before(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    source, output = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    output.mkdir()
    write(source)
    documents = tmp_path / "qaa" / "documents.parquet"
    documents.parent.mkdir()
    table = {"id": ["1"], "title": ["1"], "text": ["\n".join(sentences(9, 600)[:400])], "held_out": [False]}
    pq.write_table(pa.table(table), documents)
    vocabulary = read_vocabulary(source, "a model")
    growth = growth_of(vocabulary)
    addition, _ = choose_pieces(
        growth, count_words(vocabulary, growth, draw({"qaa": documents}, 400, 1)), 40, "a model"
    )
    if (source / "config.json").is_file():
        (output / "config.json").write_bytes((source / "config.json").read_bytes())
    write_vocabulary(vocabulary, growth, addition, output)
    old, new = AutoTokenizer.from_pretrained(source), AutoTokenizer.from_pretrained(output)
    assert new.convert_ids_to_tokens(range(vocabulary.size)) == old.convert_ids_to_tokens(range(vocabulary.size))
    lines = sentences(9, 600)[400:]
    words = sorted({word for line in lines for word in line.split()})
    before, after = cut(old, [*lines, *words]), cut(new, [*lines, *words])
    assert sum(map(len, after)) < 0.99 * sum(map(len, before))
    used = {identity for ids in after for identity in ids if identity >= vocabulary.size}
    assert len(used) > 20
    unchanged = [(one, other) for one, other in zip(before, after, strict=True) if max(other) < vocabulary.size]
    assert len(unchanged) > 10
    assert all(one == other for one, other in unchanged)
    reread = read_vocabulary(output, "amplified")  # so that it can be reduced, or amplified again
    assert reread.pieces == [*vocabulary.pieces, *(piece.spelling for piece in addition.pieces)]


def test_a_new_piece_stands_for_the_text_of_its_parts(amplified: Path) -> None:
    for piece, parts in record_of(amplified)["added"].items():
        assert len(parts) > 1
        assert piece.removeprefix("##") == "".join(part.removeprefix("##") for part in parts)
        assert piece.startswith("##") == parts[0].startswith("##")


def test_the_commonest_pairs_grow_together_first() -> None:
    a, b, c = map(symbol, (5, 70_000, 250_000))
    learnt = learn(Counter({a + b: 10, b + c: 3, a + b + c: 4, c + a: 1}), 10)
    assert [merge.parts for merge in learnt.merges] == [(5, 70_000), (5, 70_000, 250_000), (70_000, 250_000)]
    assert learnt.counts[a + b] == 10
    assert learnt.total == 10 + 3 + 4 + 2


def test_merges_of_byte_pairs_that_build_an_old_piece_are_not_taken(tmp_path: Path) -> None:
    """`abc` was merged from a and bc; where ab came first, c stays alone, and must go on doing so."""
    pieces = ["<unk>", "a", "b", "c", "d", "ab", "bc", "abc"]
    merges = [("a", "b"), ("b", "c"), ("a", "bc")]
    tokenizer = Tokenizer(models.BPE({piece: n for n, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"})
    vocabulary = read_vocabulary(tmp_path, "a model")
    growth = growth_of(vocabulary)
    word = symbol(5) + symbol(3)  # ab c
    learnt = learn(Counter({word: 9, word + symbol(4): 7, symbol(4) + symbol(4): 2}), 9)
    addition = growth.addition(learnt, 9)
    assert [piece.spelling for piece in addition.pieces] == ["dd"]
    assert addition.merges == [("d", "d")]


def test_nothing_is_learnt_from_held_out_documents(
    source: Path, texts: dict[str, Path], amplified: Path, tmp_path: Path
) -> None:
    table = pq.read_table(texts["qaa"]).to_pylist()
    for row in table:
        row["text"] = "tapatapa lili ." if row["held_out"] else row["text"]
    other = tmp_path / "qaa" / "documents.parquet"
    other.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(table), other)
    assert amplify(source, [other], tmp_path / "out", "--pieces", "20") == 0
    assert record_of(tmp_path / "out")["added"] == record_of(amplified)["added"]


def test_pieces_are_learnt_from_no_more_lines_than_the_sample_has(
    source: Path, texts: dict[str, Path], tmp_path: Path
) -> None:
    outputs = [tmp_path / name for name in ("one", "same", "other")]
    for output, seed in zip(outputs, "112", strict=True):
        words = ["--pieces", "25", "--sample", "30", "--seed", seed]
        assert amplify(source, list(texts.values()), output, *words) == 0
    one, same, other = map(record_of, outputs)
    assert one["rule"]["sample"] == 30
    assert [row["lines"] for row in one["training_lines"].values()] == [80, 80]
    assert sum(row["learnt_from"] for row in one["training_lines"].values()) == 30
    assert one["added"] == same["added"]
    assert one["training_lines"] == same["training_lines"]
    assert other["added"] != one["added"]


def test_text_files_serve_as_documents_do(
    source: Path, texts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for language, path in texts.items():
        lines = pq.read_table(path)["text"].to_pylist()
        (tmp_path / f"{language}.txt").write_text("".join(f"{line}\n" for line in lines))
    files = [str(tmp_path / f"{language}.txt") for language in texts]
    words = ["amplify", "--model", str(source), "--pieces", "20", "--threads", "1", "--corpus", *files]
    output = ["--output", str(tmp_path / "out")]
    assert main([*words, "--languages", "qaa", "--held-out-share", "0.25", *output]) == 0
    record, provenance = record_of(tmp_path / "out"), json.loads((tmp_path / "out/provenance.json").read_text())
    assert record["training_lines"] == {"qaa": {"lines": 90, "learnt_from": 90}}
    assert record["proof"]["languages"]["qaa"]["lines"] == 30
    assert provenance["settings"]["held_out_share"] == 0.25
    assert [entry["path"] for entry in provenance["inputs"]["corpus"]] == files[:1]
    for wrong, said in [
        (["--languages", "qad"], "qad: has no text: expected a file qad.txt"),
        (["--documents", str(texts["qaa"])], "amplify: expected either --corpus or --documents"),
    ]:
        assert main([*words, *wrong, "--output", str(tmp_path / "none")]) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
        assert not (tmp_path / "none").exists()


def test_a_sample_is_of_all_languages_together_and_in_their_order(texts: dict[str, Path]) -> None:
    lines = {
        language: [row["text"] for row in pq.read_table(path).to_pylist() if not row["held_out"]]
        for language, path in texts.items()
    }
    whole = draw(texts, 160, 1)
    assert {language: list(whole.of(language)) for language in texts} == lines
    shares = []
    for seed in range(40):
        drawn = {language: list(draw(texts, 50, seed).of(language)) for language in texts}
        assert sum(map(len, drawn.values())) == 50
        for language, some in drawn.items():
            left = iter(lines[language])
            assert all(line in left for line in some)
        shares.append(len(drawn["qaa"]))
    assert len(set(shares)) > 3
    assert sum(shares) / 40 == pytest.approx(25, abs=2)  # 3.6 deviations of the mean of 40 such draws


def test_words_outside_the_sample_are_not_counted(source: Path, texts: dict[str, Path]) -> None:
    vocabulary = read_vocabulary(source, "a model")
    growth = growth_of(vocabulary)
    sample = draw({"qaa": texts["qaa"]}, 3, 1)
    known = {word for line in sample.of("qaa") for word in line.split() if word != "."}
    counted = sum(count_words(vocabulary, growth, sample).values())
    assert 0 < counted <= sum(len(line.split()) for line in sample.of("qaa"))
    assert len(count_words(vocabulary, growth, sample)) <= len(known)
    assert counted < sum(count_words(vocabulary, growth, draw({"qaa": texts["qaa"]}, 80, 1)).values())


def test_where_every_held_out_word_has_a_new_piece_nothing_can_be_proven(
    source: Path, tmp_path: Path, capsys: Any
) -> None:
    documents = tmp_path / "qaa" / "documents.parquet"
    documents.parent.mkdir()
    columns = {"id": ["1", "2"], "title": ["", ""], "text": ["tapa tapa tapa", "tapa tapa"], "held_out": [False, True]}
    pq.write_table(pa.table(columns), documents)
    assert amplify(source, [documents], tmp_path / "out", "--pieces", "1") == 1
    assert "nothing can be proven: no word of 1 held-out lines is without new pieces" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_proof_that_fails_writes_nothing(
    source: Path, texts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from smelt.models.amplify import weights as module

    def spoilt(*arguments: Any) -> Any:
        gathered = whole(*arguments)
        path = arguments[4] / "model.safetensors"
        weights = load_file(path)
        weights["bert.encoder.layer.1.output.dense.bias"][3] += 1e-6
        from safetensors.torch import save_file

        save_file(weights, path, {"format": "pt"})
        return gathered

    whole = module.amplify_weights
    monkeypatch.setattr(module, "amplify_weights", spoilt)
    assert amplify(source, [texts["qaa"]], tmp_path / "out", "--pieces", "5") == 1
    assert "is not exact: its weight bert.encoder.layer.1.output.dense.bias differs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_amplified_is_one_clear_line_and_leaves_nothing(
    source: Path, texts: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    empty = tmp_path / "qad" / "documents.parquet"
    empty.parent.mkdir()
    pq.write_table(pa.table({"id": ["1"], "title": [""], "text": ["pa ta"], "held_out": [True]}), empty)
    output = tmp_path / "out"
    for documents, words, said in [
        ([texts["qaa"]], ["--pieces", "100000"], "new pieces: expected pieces of at most"),
        ([texts["qaa"], empty], ["--pieces", "5"], "has no text of qad to learn from"),
        (
            [texts["qaa"]],
            ["--settings", '{"pieces": 0}'],
            "pieces: expected a number of at least 1; found 0",
        ),
        ([texts["qaa"], texts["qaa"]], [], "two files lie in folders of one name"),
    ]:
        assert amplify(source, documents, output, *words) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
        assert not output.exists()


def test_byte_pairs_of_sentencepiece_are_refused_by_name(tmp_path: Path) -> None:
    llama(tmp_path)
    with pytest.raises(SmeltError, match=r"tokenizer\.model is a SentencePiece model of byte pairs, to"):
        growth_of(read_vocabulary(tmp_path, "a model"))
