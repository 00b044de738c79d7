"""The proof finds a reduction exact where it is, and names the first difference where it is not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from reducible import MODELS, PIECES, syllables, write_model, write_texts, write_wordpiece
from safetensors.torch import load_file, save_file
from tokenizers.pre_tokenizers import BertPreTokenizer, Sequence, Split
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from smelt.errors import SmeltError
from smelt.models.reduce.proof import prove, unproven_languages
from smelt.models.vocabulary.equivalence import Extent, FolderPair
from smelt.models.vocabulary.states import ComparedStates, EncodedLines, ModelPair, run_once
from smelt.models.vocabulary.weights import reduce_weights

NAMES = {f"{piece[1:-1].lower()}_token": piece for piece in PIECES[:5]}
LETTERS = {piece.removeprefix("##") for piece in PIECES if len(piece.removeprefix("##")) == 1}


def ids_of(*languages: str) -> np.ndarray:
    """Return the ids of all pieces but the syllables of the languages that are not named."""
    kept = {syllable for language in languages for syllable in syllables(language)} | LETTERS
    return np.array([number for number, piece in enumerate(PIECES) if number < 5 or piece.removeprefix("##") in kept])


WITH_DECODER = ("mt5", "t5", "mbart", "bart")


def reduce(source: Path, output: Path, ids: np.ndarray) -> Path:
    output.mkdir()
    reduce_weights(source, ids, output, len(PIECES), "a model")
    write_wordpiece(output, [PIECES[number] for number in ids])
    return output


@pytest.mark.parametrize("layout", MODELS)
def test_a_reduction_of_any_layout_is_proven_exact(layout: str, tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source", MODELS[layout]), ids_of("qaa")
    texts = {"qaa": write_texts(tmp_path / "texts")["qaa"]}
    proof = prove(FolderPair(source, reduce(source, tmp_path / "out", ids), ids, "a model"), texts, Extent())
    row = proof["languages"]["qaa"]
    assert (row["lines"], row["lines_whose_pieces_are_all_kept"]) == (20, 20)
    assert row["share_of_lines_that_tokenise_differently"] == 0
    assert row["before"] == row["after"]
    assert row["states"]["lines"] == 2
    layers = 6 if layout in WITH_DECODER else 3  # the embeddings' among them
    assert row["states"]["hidden_states_equal_bit_for_bit"] == layers * row["states"]["tokens"] > 30
    without_head = ("bert-encoder", "bert-sequence", "bert-tokens", "bert-answers")
    assert ("logits_of_kept_pieces" in row["states"]) == (layout not in without_head)
    assert row["states"].get("largest_share_of_the_rounding_bound", 0) < 1
    assert unproven_languages(proof) == []


def test_lines_with_dropped_pieces_are_counted_as_cut_differently(tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source"), ids_of("qaa")
    texts = write_texts(tmp_path / "texts", mixed=5)
    proof = prove(
        FolderPair(source, reduce(source, tmp_path / "out", ids), ids, "a model"), texts, Extent(state_lines=4)
    )
    ours, other = proof["languages"]["qaa"], proof["languages"]["qab"]
    assert (ours["lines_whose_pieces_are_all_kept"], ours["share_of_lines_that_tokenise_differently"]) == (15, 0.25)
    assert ours["states"]["lines"] == 4
    assert ours["after"]["fertility"] > ours["before"]["fertility"]
    assert (other["share_of_lines_that_tokenise_differently"], other["states"]["lines"]) == (1, 0)
    assert unproven_languages(proof) == ["qab"]


def test_a_row_of_zeros_as_that_of_padding_is_no_difference(tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source"), ids_of("qaa")
    tensors = load_file(source / "model.safetensors")
    tensors["bert.embeddings.word_embeddings.weight"][0] = 0
    tensors["cls.predictions.bias"][0] = 0
    save_file(tensors, source / "model.safetensors", {"format": "pt"})
    texts = {"qaa": write_texts(tmp_path / "texts")["qaa"]}
    proof = prove(FolderPair(source, reduce(source, tmp_path / "out", ids), ids, "a model"), texts, Extent())
    assert proof["languages"]["qaa"]["states"]["largest_share_of_the_rounding_bound"] < 1


@pytest.mark.parametrize(
    ("layout", "head", "more"),
    [
        ("bert-masked", "cls.predictions.decoder", ""),
        ("deberta-v3-own-head", "lm_predictions.lm_head", ", more than rounding,"),
    ],
)
def test_other_logits_are_named(layout: str, head: str, more: str, tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source", MODELS[layout]), ids_of("qaa")
    models = ModelPair(source, reduce(source, tmp_path / "out", ids), ids, "a model")
    models.after.get_submodule(head).register_forward_hook(lambda _, __, logits: logits + 1e-3)
    tokenizer = AutoTokenizer.from_pretrained(source)
    batch = dict(tokenizer(["[CLS]"], return_tensors="pt"))
    with pytest.raises(SmeltError, match=rf"its logits differ by up to 0\.001{more} on a line"):
        models.compare(EncodedLines(batch, batch, "a line"), ComparedStates())


def test_other_inputs_of_a_layer_are_computed_and_named(tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source"), ids_of("qaa")
    models = ModelPair(source, reduce(source, tmp_path / "out", ids), ids, "a model")
    models.after.get_submodule("bert.embeddings").register_forward_hook(lambda _, __, states: states + 1e-3)
    batch = dict(AutoTokenizer.from_pretrained(source)(["[CLS]"], return_tensors="pt"))
    with pytest.raises(SmeltError, match=r"its hidden states of layer 0 differ by up to 0\.001 on a line"):
        models.compare(EncodedLines(batch, batch, "a line"), ComparedStates())


def test_layers_run_once_while_their_inputs_are_equal() -> None:
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    run_once(first, second)
    one, other = torch.ones(1, 2), torch.zeros(1, 2)
    outputs = [first(one), first(one)]
    assert second(one.clone()) is outputs[0]
    assert torch.equal(second(other), second.bias[None])


def test_only_what_the_vocabulary_changes_runs_twice(tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source"), ids_of("qaa")
    models = ModelPair(source, reduce(source, tmp_path / "out", ids), ids, "a model")
    ran: list[str] = []
    for name in ("bert.embeddings", "bert.encoder.layer.0.attention", "cls.predictions.decoder"):
        models.after.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    batch = dict(AutoTokenizer.from_pretrained(source)(["[CLS]"], return_tensors="pt"))
    models.compare(EncodedLines(batch, batch, "a line"), ComparedStates())
    assert ran == ["bert.embeddings", "cls.predictions.decoder"]


def test_half_precision_is_proven_in_single(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", lambda rows: MODELS["bert-masked"](rows).bfloat16())
    ids = ids_of("qaa")
    texts = {"qaa": write_texts(tmp_path / "texts")["qaa"]}
    proof = prove(FolderPair(source, reduce(source, tmp_path / "out", ids), ids, "a model"), texts, Extent())
    assert proof["languages"]["qaa"]["states"]["lines"] == 2


def changed(folder: Path, name: str, place: tuple[int, ...]) -> None:
    """Move a number of a tensor to the next one of its type."""
    tensors = load_file(folder / "model.safetensors")
    tensors[name][place] = torch.nextafter(tensors[name][place], torch.tensor(1e9))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_a_row(folder: Path) -> None:
    changed(folder, "bert.embeddings.word_embeddings.weight", (20, 3))


def change_the_bias(folder: Path) -> None:
    changed(folder, "cls.predictions.bias", (20,))


def untie(folder: Path) -> None:
    configuration = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(configuration | {"tie_word_embeddings": False}))


def lose_a_weight(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["cls.predictions.transform.dense.bias"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_a_layer(folder: Path) -> None:
    changed(folder, "bert.encoder.layer.1.output.dense.weight", (5, 5))


def change_the_norm(folder: Path) -> None:
    configuration = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(configuration | {"layer_norm_eps": 1e-4}))


def swap_pieces(folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text().splitlines()
    lines[20], lines[21] = lines[21], lines[20]
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n")


def add_a_piece(folder: Path) -> None:
    with (folder / "vocab.txt").open("a") as stream:
        stream.write("patata\n")


def lower_case(folder: Path) -> None:
    kind = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(kind | {"sep_token": "[CLS]"}))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (change_a_row, "its weight bert.embeddings.word_embeddings.weight differs"),
        (lose_a_weight, "it lacks the weight cls.predictions.transform.dense.bias of its source"),
        (untie, "tie_word_embeddings of its config.json is False"),
        (change_the_bias, "its weight cls.predictions.bias differs"),
        (change_a_layer, "its weight bert.encoder.layer.1.output.dense.weight differs"),
        (change_the_norm, "layer_norm_eps of its config.json is 0.0001"),
        (swap_pieces, "was to have the id 20"),
        (add_a_piece, "the reduced tokenizer has"),
        (lower_case, "sep_token '[SEP]' has become '[CLS]'"),
    ],
)
def test_a_reduction_that_is_not_exact_is_named(spoil: object, complaint: str, tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source"), ids_of("qaa")
    reduced = reduce(source, tmp_path / "out", ids)
    spoil(reduced)  # type: ignore[operator]
    texts = {"qaa": write_texts(tmp_path / "texts")["qaa"]}
    with pytest.raises(SmeltError) as caught:
        prove(FolderPair(source, reduced, ids, "a model"), texts, Extent())
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_that_is_cut_differently_is_named_with_its_pieces(tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source"), ids_of("qaa")
    reduced = reduce(source, tmp_path / "out", ids)
    cutting = AutoTokenizer.from_pretrained(reduced).backend_tokenizer
    cutting.pre_tokenizer = Sequence([BertPreTokenizer(), Split("ta", "isolated")])
    PreTrainedTokenizerFast(tokenizer_object=cutting, **NAMES).save_pretrained(reduced)
    texts = {"qaa": write_texts(tmp_path / "texts")["qaa"]}
    with pytest.raises(SmeltError, match=r"of a held-out line of qaa all pieces are kept, but .*##ta.* The line: '"):
        prove(FolderPair(source, reduced, ids, "a model"), texts, Extent())


def test_where_no_line_is_whole_nothing_is_proven(tmp_path: Path) -> None:
    source, ids = write_model(tmp_path / "source"), ids_of("qaa")
    reduced = reduce(source, tmp_path / "out", ids)
    texts = {"qab": write_texts(tmp_path / "texts")["qab"]}
    with pytest.raises(SmeltError, match="nothing can be proven: of none of 20 held-out lines all pieces are kept"):
        prove(FolderPair(source, reduced, ids, "a model"), texts, Extent())
