"""The arithmetic of a training step, and the peak that it is compared with."""

import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    BertConfig,
    BertForPreTraining,
    DistilBertConfig,
    DistilBertForMaskedLM,
)

from smelt.model_families import family_of
from smelt.training.distributed import Processes
from smelt.training.progress import Gauges, gauges_of
from smelt.training.recipes import RECIPES
from smelt.training.speed import flops_per_token, measure_peak

ROWS, LENGTH, PREDICTED = 2, 64, 0.25
NUMBERS = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 192}
MODELS = {
    "albert": (AlbertForPreTraining, AlbertConfig(vocab_size=500, embedding_size=16, **NUMBERS)),
    "bert": (BertForPreTraining, BertConfig(vocab_size=500, **NUMBERS)),
    "distilbert": (
        DistilBertForMaskedLM,
        DistilBertConfig(vocab_size=500, dim=48, n_layers=3, n_heads=4, hidden_dim=192),
    ),
}


def counted(model: torch.nn.Module) -> int:
    """Return the operations of one pass, as torch counts them while it runs."""
    family = family_of(model)
    with FlopCounterMode(display=False) as counter:
        hidden = model.base_model(torch.ones(ROWS, LENGTH, dtype=torch.long)).last_hidden_state
        masked = hidden.flatten(0, 1)[: int(PREDICTED * ROWS * LENGTH)]
        family.decoder(model)(family.transform(model, masked)).sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("family", MODELS)
def test_a_token_costs_what_torch_counts(family: str) -> None:
    kind, config = MODELS[family]
    model = kind._from_config(config, attn_implementation="eager")
    expected = counted(model) / (ROWS * LENGTH)
    assert flops_per_token(model, LENGTH, PREDICTED) == pytest.approx(expected, rel=0.02)


def test_no_product_is_faster_than_the_peak_by_more_than_noise() -> None:
    peak = measure_peak(torch.device("cpu"), torch.float32)
    one = torch.randn(1024, 1024)
    began = time.perf_counter()
    with torch.inference_mode():
        one @ one
    assert peak > 0.5 * 2 * 1024**3 / (time.perf_counter() - began)


def test_measuring_the_peak_draws_nothing_that_training_would_draw() -> None:
    before = torch.get_rng_state()
    measure_peak(torch.device("cpu"), torch.float32, seconds=0.01)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_knows_its_share_of_the_peak_and_on_a_cpu_no_memory() -> None:
    kind, config = MODELS["albert"]
    model, recipe = kind(config), RECIPES["small"]
    gauges = gauges_of(model, recipe, torch.device("cpu"))
    assert gauges.flops_per_token == flops_per_token(model, recipe.data.length, recipe.objective.masking_probability)
    assert gauges.peak is not None
    assert gauges.share_of_peak(gauges.peak / gauges.flops_per_token) == pytest.approx(1.0)
    assert gauges.memory is None


def test_processes_that_print_nothing_measure_nothing() -> None:
    kind, config = MODELS["albert"]
    assert gauges_of(kind(config), RECIPES["small"], torch.device("cpu"), Processes(1, 2)) == Gauges()
