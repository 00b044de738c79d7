"""Parameters, operations and bytes: figures of a model that need no clock."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from small_encoders import PIECES, SHAPE, bert_base, encoder, write_encoder

from smelt.efficiency.subject import random_ids
from smelt.efficiency.torch_encoder import Configuration, TorchEncoder, count_parameters
from smelt.errors import SmeltError

FAMILIES = ["bert", "albert", "distilbert", "xlm-roberta"]


# Abdaoui et al. 2020: 178M and 141M parameters; then, by the sizes of Table 3, a bilingual and a
# monolingual model.
@pytest.mark.parametrize(
    ("pieces", "millions", "megabytes"),
    [(119_547, 177.853, 711), (71_577, 141.012, 564), (32_712, 111.164, 445), (15_985, 98.318, 393)],
)
def test_encoders_have_the_papers_parameters_and_the_reduced_ones_its_megabytes(
    tmp_path: Path, pieces: int, millions: float, megabytes: int
) -> None:
    found = Configuration(bert_base(tmp_path, pieces)).parameters()
    assert round(found.encoder / 1e6, 3) == millions
    assert round(4 * found.encoder / 1e6) == megabytes
    assert found.embedding == 768 * pieces
    assert found.total > found.encoder


@pytest.mark.parametrize("family", FAMILIES)
def test_tied_weights_count_once(family: str, tmp_path: Path) -> None:
    found = Configuration(write_encoder(tmp_path, family)).parameters()
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        written = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118 - no mapping
    assert found == count_parameters(encoder(family))
    assert found.total == written


@pytest.mark.parametrize("family", ["bert", "albert", "distilbert"])
def test_operations_are_those_of_the_shape(family: str, tmp_path: Path) -> None:
    found = Configuration(write_encoder(tmp_path, family)).operations(40)
    hidden, layers = SHAPE["hidden_size"], SHAPE["num_hidden_layers"]
    weights = layers * (4 * hidden**2 + 2 * hidden * SHAPE["intermediate_size"])
    projection = 16 * hidden if family == "albert" else 0
    assert found == 2 * (weights + projection) + 4 * layers * 40 * hidden


def test_sizes_on_disk_are_of_all_weights_written_again(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "bert")
    subject = TorchEncoder(folder, "fp32")
    sizes = {name: subject.bytes_on_disk(name, tmp_path) for name in ("fp32", "bf16", "int8")}
    parameters = subject.parameters().total
    assert sizes["fp32"] == (folder / "model.safetensors").stat().st_size
    assert 4 * parameters < sizes["fp32"] < 4 * parameters + 10_000
    assert 2 * parameters < sizes["bf16"] < 2 * parameters + 10_000
    assert sizes["int8"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["bert"]


def test_positions_that_begin_behind_the_padding_are_not_tokens(tmp_path: Path) -> None:
    assert Configuration(write_encoder(tmp_path / "r", "xlm-roberta")).max_length == 512
    assert Configuration(write_encoder(tmp_path / "b")).max_length == 512


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_ids_are_the_same_every_time_and_never_padding(family: str, tmp_path: Path) -> None:
    subject = TorchEncoder(write_encoder(tmp_path, family), "fp32")
    ids = random_ids(subject, 32, 128)
    assert ids.shape == (32, 128)
    assert (ids == random_ids(subject, 32, 128)).all()
    assert subject.padding not in ids
    assert (ids.min(), ids.max()) == (1 if family == "bert" else 0, PIECES - 1)


def test_a_configuration_without_a_vocabulary_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(SmeltError, match=r"config\.json: has no vocab_size"):
        Configuration(tmp_path)
