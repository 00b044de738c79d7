"""Encoders of three families: their sizes, their heads, their first weights, and the padding of their vocabulary."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.models.encoders import attention_kernel, new_encoder, padded_rows, resize_vocabulary
from smelt.study.architectures import ARCHITECTURES, Shape
from smelt.training.recipes import RECIPES, Recipe

SHAPES = {
    "albert": Shape(layers=3, hidden=32, heads=4, feed_forward=64, embedding=16),
    "bert": Shape(family="bert", layers=3, hidden=32, heads=4, feed_forward=64),
    "distilbert": Shape(family="distilbert", layers=3, hidden=32, heads=4, feed_forward=64),
}
KINDS = [
    ("albert", "order", "AlbertForPreTraining"),
    ("albert", "next", "AlbertForPreTraining"),
    ("albert", "none", "AlbertForMaskedLM"),
    ("bert", "order", "BertForPreTraining"),
    ("bert", "next", "BertForPreTraining"),
    ("bert", "none", "BertForMaskedLM"),
    ("distilbert", "none", "DistilBertForMaskedLM"),
]
TRAINED = pytest.mark.parametrize(("family", "sentences"), [(family, sentences) for family, sentences, _ in KINDS])


class Vocabulary:
    """The few numbers of a vocabulary that a model is made from."""

    padding, classification, separator = 0, 2, 3

    def __init__(self, size: int) -> None:
        self.size = size


def recipe(**settings: Any) -> Recipe:
    """Return ALBERT's recipe on packed streams, which allow any sentence prediction."""
    return Recipe.model_validate(merge(RECIPES["albert"].model_dump(), {"data": {"packing": "stream"}}, settings))


def model_of(name: str, pieces: int) -> Any:
    """Return an architecture as it is saved for a tokenizer of that size; its weights hold no numbers."""
    shape = ARCHITECTURES[name]
    sentences = "none" if shape.family == "distilbert" else "next"
    with torch.device("meta"):
        model = new_encoder(shape, recipe(objective={"sentences": sentences}), Vocabulary(pieces))  # type: ignore[arg-type]
        resize_vocabulary(model, pieces)
    return model


def small(family: str, sentences: str = "none", pieces: int = 90, **settings: Any) -> Any:
    torch.manual_seed(1)
    return new_encoder(SHAPES[family], recipe(**settings, objective={"sentences": sentences}), Vocabulary(pieces))  # type: ignore[arg-type]


def ids(pieces: int = 90) -> torch.Tensor:
    return torch.randint(5, pieces, (4, 20), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("name", "pieces", "millions"),
    [
        ("albert-tiny", 31_002, 5.344),  # ALBETO: Cañete et al. 2022, Table 1, to the thousand
        ("albert-base", 31_002, 11.812),
        ("albert-large", 31_002, 17.812),
        ("albert-xlarge", 31_002, 58.853),
        ("albert-xxlarge", 31_002, 222.724),
        ("bert-base", 119_547, 177.853),  # multilingual BERT, and reduced: Abdaoui et al. 2020, Table 1
        ("bert-base", 71_577, 141.012),
        ("bert-large", 30_522, 335.142),  # Devlin et al. 2019, section 3: 340M, with the head
        ("distilbert-base", 30_522, 66.363),  # Sanh et al. 2019, Table 3: 66M
        ("distilbert-base", 31_002, 66.732),  # DistilBETO: Cañete et al. 2022, Table 6: 67M
        ("distilbert-base", 119_547, 134.734),  # distilbert-base-multilingual-cased: 134M on its card
    ],
)
def test_encoders_have_their_published_parameters(name: str, pieces: int, millions: float) -> None:
    assert round(model_of(name, pieces).base_model.num_parameters() / 1e6, 3) == millions


@pytest.mark.parametrize(
    ("name", "millions"),
    [("bert-tiny", 4.4), ("bert-mini", 11.3), ("bert-small", 29.1), ("bert-medium", 41.7), ("bert-base", 110.1)],
)
def test_bert_miniatures_have_their_published_parameters_with_their_heads(name: str, millions: float) -> None:
    assert round(model_of(name, 30_522).num_parameters() / 1e6, 1) == millions  # Turc et al. 2019, Table 1


def test_the_documented_sizes_are_those_of_the_models() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/models.md").read_text(encoding="utf-8")
    sizes = re.findall(r"^\| `([\w-]+)` \|.*\| ([\d.]+)M at ([\d,]+) \|", page, re.MULTILINE)
    assert {name for name, _, _ in sizes} == set(ARCHITECTURES)
    for name, millions, pieces in sizes:
        counted = model_of(name, int(pieces.replace(",", ""))).base_model.num_parameters()
        assert f"{counted / 1e6:.3f}" == millions, name


def test_longer_blocks_get_more_positions_and_shorter_ones_keep_those_published() -> None:
    for family in SHAPES:
        models = {length: small(family, data={"length": length}) for length in (128, 1024)}
        assert {length: model.config.max_position_embeddings for length, model in models.items()} == {
            128: 512,
            1024: 1024,
        }


@pytest.mark.parametrize(("name", "deviation"), [("albert", 0.02), ("small", 0.02 * (768 / 312) ** 0.5)])
def test_first_weights_are_as_wide_as_the_recipe_says(name: str, deviation: float) -> None:
    torch.manual_seed(1)
    model = new_encoder(ARCHITECTURES["albert-tiny"], RECIPES[name], Vocabulary(100))  # type: ignore[arg-type]
    weights = model.albert.encoder.albert_layer_groups[0].albert_layers[0].ffn.weight
    assert weights.std().item() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize(("family", "sentences", "kind"), KINDS)
def test_a_model_has_the_heads_that_its_recipe_trains_and_no_other(family: str, sentences: str, kind: str) -> None:
    model = small(family, sentences)
    assert type(model).__name__ == kind
    pooled = model.base_model(input_ids=ids()).get("pooler_output")
    assert (pooled is None) == (sentences == "none")


def test_distilbert_predicts_nothing_of_sentences() -> None:
    with pytest.raises(SmeltError, match="sentences: expected none with the family distilbert; found 'order'"):
        small("distilbert", "order")


@TRAINED
def test_dropout_of_none_is_none_anywhere(family: str, sentences: str) -> None:
    model = small(family, sentences, model={"dropout": 0.0}).train()
    first, second = (model(input_ids=ids()).to_tuple() for _ in range(2))
    assert [torch.equal(a, b) for a, b in zip(first, second, strict=True)] == [True] * len(first)
    dropping = small(family, sentences, model={"dropout": None}).train()
    assert not torch.equal(dropping(input_ids=ids())[0], dropping(input_ids=ids())[0])


@pytest.mark.parametrize(("pieces", "rows"), [(1, 64), (64, 64), (65, 128), (31_002, 31_040), (128_000, 128_000)])
def test_a_vocabulary_is_padded_to_a_multiple_of_64(pieces: int, rows: int) -> None:
    assert padded_rows(pieces) == rows


@TRAINED
def test_padding_changes_no_first_weight_and_is_zeros(family: str, sentences: str) -> None:
    model = small(family, sentences)
    torch.manual_seed(1)
    plain = type(model)(type(model.config).from_dict(model.config.to_dict() | {"vocab_size": 90}))
    weights = plain.state_dict()
    assert model.config.vocab_size == 128
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor[: len(weights[name])], weights[name]), name
        assert not tensor[len(weights[name]) :].any(), name


@TRAINED
def test_a_model_is_saved_at_the_tokenizers_size_with_the_same_logits_and_its_weights_tied(
    family: str, sentences: str, tmp_path: Path
) -> None:
    model = small(family, sentences).eval()
    with torch.no_grad():
        model.get_output_embeddings().bias.normal_()
        before = model(input_ids=ids())[0]
    resize_vocabulary(model, 90)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path).eval()
    with torch.no_grad():
        after = loaded(input_ids=ids())[0]
    assert before.shape == (4, 20, 128)
    assert torch.equal(before[..., :90], after)
    assert loaded.config.vocab_size == loaded.get_output_embeddings().out_features == 90
    assert loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight
    assert len(list(loaded.parameters())) == len(list(model.parameters()))


@pytest.mark.parametrize("family", SHAPES)
def test_tied_weights_stay_tied_through_padding(family: str) -> None:
    model = small(family)
    embedding, decoder = model.get_input_embeddings(), model.get_output_embeddings()
    assert embedding.weight is decoder.weight
    model(input_ids=ids())[0][..., :90].square().sum().backward()
    biases = [value for name, value in model.named_parameters() if value.shape == (128,)]
    assert [bias is decoder.bias for bias in biases] == [True]
    assert embedding.weight.grad[:90].any()
    assert not embedding.weight.grad[90:].any()
    assert not decoder.bias.grad[90:].any()


@pytest.mark.parametrize("optimizer", ["adamw", "lamb"])
def test_rows_that_pad_stay_zeros_through_training(optimizer: str) -> None:
    from smelt.training.optimizers import optimizer_of

    settings = {"optimizer": {"name": optimizer, "weight_decay": 0.1, "learning_rate": 0.01}}
    model = small("albert", **settings)
    steps = optimizer_of(model, recipe(**settings, objective={"sentences": "none"}))
    before = model.get_input_embeddings().weight[:90].detach().clone()
    for _ in range(3):
        model(input_ids=ids())[0][..., :90].logsumexp(-1).sum().backward()
        steps.step()
        steps.zero_grad()
    assert not torch.equal(model.get_input_embeddings().weight[:90], before)
    assert not model.get_input_embeddings().weight[90:].any()
    assert not model.get_output_embeddings().bias[90:].any()


def step(family: str, *, recomputed: bool) -> tuple[int, list[torch.Tensor]]:
    """Return the bytes that a pass keeps for its gradients, and those gradients."""
    model = small(family, machine={"gradient_checkpointing": recomputed}).train()
    sizes: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.nbytes)
        return tensor

    torch.manual_seed(3)  # of dropout, which a layer that is computed again must draw alike
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = model.base_model(input_ids=ids()).last_hidden_state
    (hidden * torch.arange(32)).sum().backward()
    return sum(sizes), [p.grad for p in model.base_model.parameters() if p.grad is not None]


@pytest.mark.parametrize("family", SHAPES)
def test_gradient_checkpointing_keeps_less_and_gives_the_same_gradients(family: str) -> None:
    kept, gradients = step(family, recomputed=False)
    kept_less, again = step(family, recomputed=True)
    assert kept_less < kept / 2
    assert [torch.equal(a, b) for a, b in zip(gradients, again, strict=True)] == [True] * len(gradients)


def test_attention_is_torchs_where_flash_attention_cannot_run() -> None:
    assert attention_kernel(recipe(), "cpu") == "sdpa"
    assert attention_kernel(recipe(model={"precision": "bf16"}), "cpu") == "sdpa"
    assert attention_kernel(recipe(model={"precision": "bf16"}, machine={"attention": "eager"}), "cuda") == "eager"


def test_flash_attention_asked_for_in_vain_is_one_clear_line() -> None:
    with pytest.raises(SmeltError, match=r"attention: flash needs .*a CUDA device and model\.precision: bf16"):
        attention_kernel(recipe(machine={"attention": "flash"}), "cpu")


def test_flash_attention_is_chosen_where_it_is_installed_and_precision_is_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.utils.is_flash_attn_2_available", lambda: True)
    assert attention_kernel(recipe(model={"precision": "bf16"}), "cuda") == "flash_attention_2"
    assert (
        attention_kernel(recipe(model={"precision": "bf16"}, machine={"attention": "flash"}), "cuda")
        == "flash_attention_2"
    )
    assert attention_kernel(recipe(model={"precision": "bf16"}, machine={"attention": "sdpa"}), "cuda") == "sdpa"
    assert attention_kernel(recipe(model={"precision": "fp32"}), "cuda") == "sdpa"
    assert attention_kernel(recipe(model={"precision": "bf16"}), "cpu") == "sdpa"
