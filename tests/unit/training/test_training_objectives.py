import math

import pytest
import torch
from torch.nn.functional import cross_entropy
from training_toy import RECIPE, SHAPE, toy_batches
from transformers import ElectraConfig, ElectraForMaskedLM

from smelt.errors import SmeltError
from smelt.models.encoders import new_encoder, resize_vocabulary
from smelt.training.data import Batch
from smelt.training.examples import IGNORED
from smelt.training.objectives import (
    MaskedLanguageModel,
    ModelWithObjective,
    Objective,
    SentenceOrderPrediction,
    Weighted,
    objective_of,
    weighted_loss,
)
from smelt.training.optimizers import learning_rate, optimizer_of, set_learning_rate
from smelt.training.recipes import RECIPES, Recipe


@pytest.fixture
def batch(toy) -> Batch:
    return toy_batches(toy, RECIPE).train(1)


@pytest.fixture
def objective(toy) -> Objective:
    return objective_of(RECIPE.objective, toy.pieces)


@pytest.fixture
def model(toy):
    torch.manual_seed(0)
    model = new_encoder(SHAPE, RECIPES["small"], toy.pieces).eval()
    resize_vocabulary(model, toy.pieces.size)
    return model


def test_masked_positions_only_give_the_loss_of_the_whole_model(model, objective, batch: Batch) -> None:
    labels = torch.full_like(batch.input_ids, IGNORED)
    labels.view(-1)[batch.masked] = batch.labels
    whole = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        token_type_ids=batch.token_type_ids,
        labels=labels,
        sentence_order_label=batch.sentence_labels,
    )
    ours = weighted_loss(ModelWithObjective(model, objective)(batch))
    assert ours.item() == pytest.approx(whole.loss.item(), rel=1e-6)


def test_masked_positions_only_give_the_gradient_of_the_whole_model(model, batch: Batch) -> None:
    labels = torch.full_like(batch.input_ids, IGNORED)
    labels.view(-1)[batch.masked] = batch.labels
    output = model(input_ids=batch.input_ids, token_type_ids=batch.token_type_ids, attention_mask=batch.attention_mask)
    cross_entropy(output.prediction_logits.view(-1, model.config.vocab_size), labels.view(-1)).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    weighted_loss(ModelWithObjective(model, MaskedLanguageModel())(batch)).backward()
    for name, parameter in model.named_parameters():
        if name in expected:
            assert torch.allclose(parameter.grad, expected[name], atol=1e-6), name


def test_weights_multiply_through_sums_of_sums(model, batch: Batch) -> None:
    nested = Weighted((2.0, Weighted((3.0, MaskedLanguageModel()))), (0.5, SentenceOrderPrediction()))
    terms = ModelWithObjective(model, nested)(batch)
    assert [term.weight for term in terms] == [6.0, 0.5]
    assert weighted_loss(terms).item() == pytest.approx(6 * terms[0].loss.item() + 0.5 * terms[1].loss.item())


def test_accuracy_counts_what_argmax_gets_right(model, batch: Batch) -> None:
    (term,) = ModelWithObjective(model, MaskedLanguageModel())(batch)
    output = model(input_ids=batch.input_ids, token_type_ids=batch.token_type_ids, attention_mask=batch.attention_mask)
    best = output.prediction_logits.argmax(-1).view(-1)[batch.masked]
    assert term.correct.item() == (best == batch.labels).sum().item()


def test_blocks_that_cannot_be_split_say_nothing_about_sentence_order(model, batch: Batch) -> None:
    batch.sentence_labels.fill_(IGNORED)
    (term,) = ModelWithObjective(model, SentenceOrderPrediction())(batch)
    assert (term.count.item(), term.correct.item(), term.loss.item()) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("sentences", "terms"), [("order", ["mlm", "sop"]), ("next", ["mlm", "nsp"]), ("none", ["mlm"])]
)
def test_a_recipes_objective_knows_its_counts_and_weights_before_the_pass(
    toy, sentences: str, terms: list[str]
) -> None:
    recipe = RECIPE.override({"objective": {"sentences": sentences}})
    batch, whole = toy_batches(toy, recipe).train(1), objective_of(recipe.objective, toy.pieces)
    found = ModelWithObjective(new_encoder(SHAPE, recipe, toy.pieces), whole)(batch)
    assert [term.name for term in found] == terms
    assert whole.counts(batch) == {term.name: term.count.item() for term in found}
    assert whole.weights() == {term.name: term.weight for term in found}


def test_weights_are_known_through_sums_of_sums() -> None:
    nested = Weighted((2.0, Weighted((3.0, MaskedLanguageModel()))), (0.5, SentenceOrderPrediction()))
    assert nested.weights() == {"mlm": 6.0, "sop": 0.5}


@pytest.mark.parametrize("sizes", [[8], [3, 5], [1, 1, 6]])
def test_the_parts_of_a_batch_add_up_to_its_losses_and_gradients(toy, model, objective, sizes: list[int]) -> None:
    batch = toy_batches(toy, RECIPE.override({"data": {"short_sequence_probability": 0.3}})).train(2)
    module, counts = ModelWithObjective(model, objective), objective.counts(batch)
    whole = module(batch)
    weighted_loss(whole).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    first, totals = 0, dict.fromkeys(counts, 0.0)
    for size in sizes:
        terms = module(batch.part(slice(first, first + size)))
        torch.stack([term.weight * term.total / counts[term.name] for term in terms]).sum().backward()
        for term in terms:
            totals[term.name] += term.total.item()
        first += size
    assert totals == pytest.approx({term.name: term.total.item() for term in whole}, rel=1e-5)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-5)


def test_a_model_that_predicts_nothing_of_sentences_says_so(toy, batch: Batch) -> None:
    plain = new_encoder(SHAPE, RECIPE.override({"objective": {"sentences": "none"}}), toy.pieces)
    with pytest.raises(SmeltError, match=r"set objective\.sentences: none"):
        ModelWithObjective(plain, SentenceOrderPrediction())(batch)


def test_a_model_of_an_unknown_family_is_refused(batch: Batch) -> None:
    config = ElectraConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    with pytest.raises(SmeltError, match="is of family electra; training knows albert, bert, distilbert, roberta"):
        ModelWithObjective(ElectraForMaskedLM(config), MaskedLanguageModel())(batch)


def albert_lamb(weights, gradients, decay, rate, betas, epsilon):
    """Step LAMB for one tensor as google-research/albert's lamb_optimizer.py does, without bias correction."""
    moment, square = torch.zeros_like(weights), torch.zeros_like(weights)
    for gradient in gradients:
        moment = betas[0] * moment + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        update = moment / (square.sqrt() + epsilon) + decay * weights
        ratio = weights.norm() / update.norm() if weights.ndim > 1 else 1.0
        weights = weights - rate * ratio * update
    return weights


def test_lamb_is_that_of_albert_for_matrices_larger_than_the_librarys_bound_and_for_biases() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(30, 40)
    torch.nn.init.normal_(model.weight, std=2.0)  # a norm far above 10
    recipe = Recipe.model_validate(
        {
            "data": {"batch": 8},
            "optimizer": {"name": "lamb", "learning_rate": 0.01, "weight_decay": 0.1},
            "schedule": {"steps": 10},
        }
    )
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    gradients = {name: [torch.randn_like(p) for _ in range(4)] for name, p in model.named_parameters()}
    optimizer = optimizer_of(model, recipe)
    for step in range(4):
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name][step].clone()
        optimizer.step()
    for name, parameter in model.named_parameters():
        decay = 0.1 if name == "weight" else 0.0
        expected = albert_lamb(start[name], gradients[name], decay, 0.01, (0.9, 0.999), 1e-6)
        assert torch.allclose(parameter, expected, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("name", ["lamb", "adamw"])
def test_layer_norms_and_biases_do_not_decay(name: str, model) -> None:
    recipe = Recipe.model_validate(
        {"data": {"batch": 8}, "optimizer": {"name": name, "weight_decay": 0.5}, "schedule": {"steps": 10}}
    )
    decaying, free = optimizer_of(model, recipe).param_groups
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.5, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all("norm" in names[id(p)].lower() or names[id(p)].endswith("bias") for p in free["params"])
    assert not any("norm" in names[id(p)].lower() or names[id(p)].endswith("bias") for p in decaying["params"])
    assert len(decaying["params"]) + len(free["params"]) == len(names)


def test_the_rate_rises_to_its_peak_and_falls_along_the_whole_schedule_even_if_training_stops_before() -> None:
    recipe = Recipe.model_validate(
        {
            "data": {"batch": 8},
            "optimizer": {"name": "adamw", "learning_rate": 1.0},
            "schedule": {"steps": 100, "stop_at": 40, "warmup": 0.1},
        }
    )
    rates = [learning_rate(step, recipe) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([n / 10 for n in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[39] == pytest.approx(61 / 90)
    assert rates[-1] == pytest.approx(1 / 90)
    assert recipe.schedule.last_step == 40


def test_mini_batches_of_malbert_have_the_papers_rate() -> None:
    recipe = RECIPES["albert"]
    assert recipe.peak_rate == pytest.approx(3.125e-4)
    assert math.isclose(recipe.warmup_steps, 0.2 * 128 / 32768 * recipe.schedule.steps)


def test_training_on_one_batch_lowers_its_loss(model, objective, batch: Batch) -> None:
    recipe = Recipe.model_validate(
        {
            "data": {"batch": 8},
            "optimizer": {"name": "lamb", "learning_rate": 1e-2},
            "schedule": {"steps": 10, "warmup": 0},
        }
    )
    optimizer, module = optimizer_of(model, recipe), ModelWithObjective(model, objective)
    losses = []
    for step in range(10):
        set_learning_rate(optimizer, learning_rate(step + 1, recipe))
        loss = weighted_loss(module(batch))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
