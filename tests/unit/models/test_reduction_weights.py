"""The weights of kept pieces are gathered from every layout, and all else stays as it is."""

import errno
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from reducible import MODELS, PIECES, bert_like, of_roberta, write_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForMaskedLM, GenerationConfig, RobertaConfig

from smelt.errors import SmeltError
from smelt.models.vocabulary.tensors import StoredTensor, whole_tensor, write_tensors
from smelt.models.vocabulary.weights import RewrittenWeights, ids_of_model, reduce_weights, renumber_ids

IDS = np.array([0, 1, 2, 3, 4, *range(7, 60, 2), len(PIECES) - 1])


def reduce(source: Path, output: Path, ids: np.ndarray = IDS, pieces: int = len(PIECES)) -> RewrittenWeights:
    output.mkdir()
    return reduce_weights(source, ids, output, pieces, "a model")


def vocabulary_tensors(before: dict[str, torch.Tensor]) -> set[str]:
    """Return the names of the tensors as long as the vocabulary, which nothing else in these models is."""
    return {name for name, tensor in before.items() if len(PIECES) in tensor.shape}


@pytest.mark.parametrize("layout", MODELS)
def test_rows_of_kept_pieces_are_gathered_and_the_rest_is_copied(layout: str, tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", MODELS[layout])
    gathered = reduce(source, tmp_path / "out")
    before, after = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "out"))
    assert before.keys() == after.keys()
    of_pieces = vocabulary_tensors(before)
    assert set(gathered.gathered) == of_pieces
    assert gathered.copied == len(before) - len(of_pieces) > 10
    for name, tensor in before.items():
        axis = tensor.shape.index(len(PIECES)) if name in of_pieces else 0
        kept = tensor.index_select(axis, torch.tensor(IDS)) if name in of_pieces else tensor
        assert torch.equal(after[name], kept), name
    configuration = AutoConfig.from_pretrained(tmp_path / "out")
    assert configuration.vocab_size == len(IDS)


@pytest.mark.parametrize("layout", MODELS)
def test_a_reduced_model_loads_in_its_own_class_with_every_weight(layout: str, tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", MODELS[layout])
    reduce(source, tmp_path / "out")
    kind = type(MODELS[layout](len(PIECES)))
    model, report = kind.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(report.values()), report
    assert model.get_input_embeddings().weight.shape[0] == len(IDS)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_stays_what_it_is(kind: torch.dtype, tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", lambda rows: MODELS["bert-masked"](rows).to(kind))
    reduce(source, tmp_path / "out")
    before, after = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "out"))
    name = "bert.embeddings.word_embeddings.weight"
    assert after[name].dtype == kind
    assert torch.equal(after[name], before[name][IDS])


@pytest.mark.parametrize("sent", [0, 1, 100])
def test_what_the_system_does_not_copy_from_file_to_file_is_copied_all_the_same(
    sent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_model(tmp_path / "source", MODELS["bert-masked"])
    reduce(source, tmp_path / "straight")
    send, asked = os.sendfile, []

    def fails_after_a_few(target: int, file: int, start: int, length: int) -> int:
        asked.append(length)
        if not sent or len(asked) % 2 == 0:
            raise OSError(errno.EINVAL, "not between these files")
        return send(target, file, start, min(length, sent))

    monkeypatch.setattr(os, "sendfile", fails_after_a_few)
    reduce(source, tmp_path / "otherwise")
    assert len(asked) > 10
    straight, otherwise = (tmp_path / name / "model.safetensors" for name in ("straight", "otherwise"))
    assert straight.read_bytes() == otherwise.read_bytes()


def test_weights_are_copied_between_file_systems(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system to write to: expected /dev/shm")
    source = write_model(tmp_path / "source", MODELS["bert-masked"])
    reduce(source, tmp_path / "out")
    with tempfile.TemporaryDirectory(dir=other) as folder:
        reduce(source, Path(folder, "out"))
        found = Path(folder, "out", "model.safetensors").read_bytes()
    assert found == (tmp_path / "out" / "model.safetensors").read_bytes()


def test_a_file_that_is_cut_while_it_is_copied_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(100))
    tensor = StoredTensor(file, "F32", (25,), start=8, bytes=100)
    with pytest.raises(SmeltError, match="ends before its tensors do"):
        write_tensors(tmp_path / "out", {"one": whole_tensor(tensor)})


def test_shards_give_the_same_as_one_file(tmp_path: Path) -> None:
    write_model(tmp_path / "one")
    write_model(tmp_path / "several", max_shard_size="8KB")
    assert len(list((tmp_path / "several").glob("*.safetensors"))) > 2
    for name in ("one", "several"):
        reduce(tmp_path / name, tmp_path / f"{name}-out")
    one, several = (tmp_path / name / "model.safetensors" for name in ("one-out", "several-out"))
    assert one.read_bytes() == several.read_bytes()


def test_a_pickled_checkpoint_is_refused_with_what_to_do(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source")
    torch.save(load_file(source / "model.safetensors"), source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    with pytest.raises(SmeltError, match=r"but pytorch_model.bin: pickles can run code.* save_pretrained it"):
        reduce(source, tmp_path / "out")


def test_the_embeddings_of_a_checkpoint_without_its_class_prefix_are_found(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", MODELS["bert-encoder"])
    configuration = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(configuration | {"architectures": ["BertForMaskedLM"]}))
    assert reduce(source, tmp_path / "out").gathered == ("embeddings.word_embeddings.weight",)


def test_a_hidden_size_that_is_the_vocabularys_does_not_mislead(tmp_path: Path) -> None:
    make = bert_like(type(MODELS["bert-masked"](9)), hidden_size=len(PIECES) // 4 * 4, intermediate_size=len(PIECES))
    source = write_model(tmp_path / "source", make, rows=len(PIECES) // 4 * 4)
    gathered = reduce(source, tmp_path / "out", IDS[:-1], pieces=len(PIECES) // 4 * 4)
    assert gathered.gathered == ("bert.embeddings.word_embeddings.weight", "cls.predictions.bias")
    AutoModelForMaskedLM.from_pretrained(tmp_path / "out")


def test_rows_beyond_the_tokenizer_are_dropped_and_counted(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", rows=len(PIECES) + 7)
    gathered = reduce(source, tmp_path / "out")
    assert (gathered.rows, gathered.padding_rows) == (len(PIECES) + 7, 7)
    assert len(load_file(tmp_path / "out/model.safetensors")["cls.predictions.bias"]) == len(IDS)


def test_special_ids_of_both_configurations_are_renumbered(tmp_path: Path) -> None:
    make = bert_like(type(MODELS["bert-masked"](9)), pad_token_id=30, eos_token_id=[7, 31])
    source = write_model(tmp_path / "source", make)
    GenerationConfig(pad_token_id=30, decoder_start_token_id=9).save_pretrained(source)
    ids = np.array([0, 5, 7, 9, 30, 31, 40])
    reduce(source, tmp_path / "out", ids)
    configuration = json.loads((tmp_path / "out/config.json").read_text())
    assert (configuration["pad_token_id"], configuration["eos_token_id"]) == (4, [2, 5])
    generation = json.loads((tmp_path / "out/generation_config.json").read_text())
    assert (generation["pad_token_id"], generation["decoder_start_token_id"]) == (4, 3)


def test_an_id_that_only_the_class_knows_is_written_out_where_it_moves(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", of_roberta(type(MODELS["roberta"](9)), RobertaConfig))
    configuration = json.loads((source / "config.json").read_text())
    kept = {key: value for key, value in configuration.items() if not key.endswith("_token_id")}
    (source / "config.json").write_text(json.dumps(kept))
    reduce(source, tmp_path / "out", np.array([0, 1, 2, 9]))
    written = json.loads((tmp_path / "out/config.json").read_text())
    assert (written["bos_token_id"], written["pad_token_id"], written["eos_token_id"]) == (0, 1, 2)


def test_positions_that_count_from_padding_keep_all_ids_up_to_it(tmp_path: Path) -> None:
    kind = type(MODELS["roberta"](9))
    make = bert_like(kind, RobertaConfig, pad_token_id=6, bos_token_id=20, eos_token_id=21)
    source = write_model(tmp_path / "source", make)
    assert ids_of_model(source, "a model").tolist() == [*range(7), 20, 21]
    bert = write_model(tmp_path / "bert", bert_like(type(MODELS["bert-masked"](9)), pad_token_id=6))
    assert ids_of_model(bert, "a model").tolist() == [6]


def cut(source: Path) -> None:
    file = source / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def remove_weights(source: Path) -> None:
    (source / "model.safetensors").unlink()


def remove_embeddings(source: Path) -> None:
    tensors = load_file(source / "model.safetensors")
    del tensors["bert.embeddings.word_embeddings.weight"]
    save_file(tensors, source / "model.safetensors")


def shorten_bias(source: Path) -> None:
    tensors = load_file(source / "model.safetensors")
    tensors["cls.predictions.bias"] = tensors["cls.predictions.bias"][:-1].clone()
    save_file(tensors, source / "model.safetensors")


def add_stranger(source: Path) -> None:
    tensors = load_file(source / "model.safetensors")
    tensors["prior.of_pieces"] = torch.zeros(len(PIECES))
    save_file(tensors, source / "model.safetensors")


def configure(**values: object) -> object:
    def change(source: Path) -> None:
        path = source / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (cut, "is no whole safetensors file"),
        (remove_weights, "has no weights: expected *.safetensors"),
        (remove_embeddings, "lacks its embeddings: expected a tensor bert.embeddings.word_embeddings.weight or"),
        (shorten_bias, f"its tensor cls.predictions.bias is {len(PIECES) - 1}, not {len(PIECES)} long"),
        (add_stranger, "has a tensor prior.of_pieces"),
        (configure(vocab_size=50), "a vocab_size of 50"),
        (configure(architectures=["OurOwnBert"]), "is a OurOwnBert, which transformers does not have"),
        (configure(pad_token_id=6), "pad_token_id is 6, which is not the id of a piece that is kept"),
        (configure(model_type="none-such"), "describes no model that transformers knows"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(spoil: object, complaint: str, tmp_path: Path) -> None:
    source = write_model(tmp_path / "source")
    spoil(source)  # type: ignore[operator]
    with pytest.raises(SmeltError) as caught:
        reduce(source, tmp_path / "out")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_of_ids_for_generation_are_renumbered_and_their_pieces_kept(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source")
    lists = {
        "eos_token_id": [3, 40],
        "suppress_tokens": [20, 30],
        "bad_words_ids": [[20], [30, 40]],
        "forced_decoder_ids": [[1, 20], [2, 30]],
        "sequence_bias": [[[20, 40], -1.5], [[30], 2.0]],
        "max_length": 20,
    }
    (source / "generation_config.json").write_text(json.dumps(lists))
    assert {20, 30, 40} <= set(ids_of_model(source, "a model").tolist())
    ids = np.array([*range(5), 20, 30, 40])
    reduce(source, tmp_path / "out", ids)
    written = json.loads((tmp_path / "out/generation_config.json").read_text())
    assert written == lists | {
        "eos_token_id": [3, 7],
        "suppress_tokens": [5, 6],
        "bad_words_ids": [[5], [6, 7]],
        "forced_decoder_ids": [[1, 5], [2, 6]],
        "sequence_bias": [[[5, 7], -1.5], [[6], 2.0]],
    }
    with pytest.raises(SmeltError, match="is 40, which is not the id of a piece that is kept"):
        renumber_ids(lists, ids[:-1], source / "generation_config.json")


def test_fewer_rows_than_pieces_are_refused(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", rows=len(PIECES) - 3)
    with pytest.raises(SmeltError, match=f"has {len(PIECES)} pieces but its embeddings only {len(PIECES) - 3} rows"):
        reduce(source, tmp_path / "out", IDS[:-1])
