"""Each family's loss, with its vocabulary padded, is what transformers' own model of the tokenizer's size computes."""

import copy
from typing import Any

import pytest
import torch
from training_toy import RECIPE, Toy, toy_batches

from smelt.models.encoders import new_encoder, resize_vocabulary
from smelt.study.architectures import FamilyName, Shape
from smelt.training.data import Batch
from smelt.training.examples import IGNORED
from smelt.training.objectives import ModelWithObjective, objective_of, weighted_loss
from smelt.training.recipes import Recipe

FAMILIES = pytest.mark.parametrize(
    ("family", "sentences"),
    [
        *[("albert", "order"), ("albert", "next"), ("albert", "none")],
        *[("bert", "order"), ("bert", "next"), ("bert", "none")],
        ("distilbert", "none"),
    ],
)


def module_and_batch(toy: Toy, family: FamilyName, recipe: Recipe) -> tuple[ModelWithObjective, Batch]:
    torch.manual_seed(1)
    shape = Shape(family=family, layers=2, hidden=32, heads=4, feed_forward=64)
    model = new_encoder(shape, recipe, toy.pieces)
    with torch.no_grad():
        model.get_output_embeddings().bias.normal_()
        model.get_output_embeddings().bias[toy.pieces.size :] = 5.0  # far likelier than any piece, if they are read
    return ModelWithObjective(model, objective_of(recipe.objective, toy.pieces)), toy_batches(toy, recipe).train(1)


def own_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Return the loss of transformers' model over all positions."""
    labels = torch.full_like(batch.input_ids, IGNORED)
    labels.view(-1)[batch.masked] = batch.labels
    inputs: dict[str, Any] = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "labels": labels}
    if model.config.model_type != "distilbert":
        inputs["token_type_ids"] = batch.token_type_ids
    sentence_labels = {
        "AlbertForPreTraining": "sentence_order_label",
        "BertForPreTraining": "next_sentence_label",
    }.get(type(model).__name__)
    return model(**inputs, **({sentence_labels: batch.sentence_labels} if sentence_labels else {})).loss


@FAMILIES
def test_loss_and_gradients_are_those_of_the_unpadded_model(toy: Toy, family: FamilyName, sentences: str) -> None:
    recipe = RECIPE.override({"model": {"dropout": 0.0}, "objective": {"sentences": sentences}})
    module, batch = module_and_batch(toy, family, recipe)
    plain = copy.deepcopy(module.model)
    resize_vocabulary(plain, toy.pieces.size)
    ours, theirs = weighted_loss(module(batch)), own_loss(plain, batch)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    ours.backward()
    theirs.backward()
    expected = dict(plain.named_parameters())
    assert toy.pieces.size < module.model.config.vocab_size
    for name, parameter in module.model.named_parameters():
        kept = len(expected[name])
        assert torch.allclose(parameter.grad[:kept], expected[name].grad, atol=1e-6), name
        assert not parameter.grad[kept:].any(), name


@FAMILIES
def test_no_weight_goes_untrained(toy: Toy, family: FamilyName, sentences: str) -> None:
    recipe = RECIPE.override({"objective": {"sentences": sentences}})
    module, batch = module_and_batch(toy, family, recipe)
    weighted_loss(module(batch)).backward()
    assert [name for name, parameter in module.named_parameters() if parameter.grad is None] == []


@FAMILIES
def test_recomputed_layers_give_the_same_step(toy: Toy, family: FamilyName, sentences: str) -> None:
    gradients = []
    for recomputed in (False, True):
        changes = {
            "model": {"dropout": 0.1},
            "objective": {"sentences": sentences},
            "machine": {"gradient_checkpointing": recomputed},
        }
        module, batch = module_and_batch(toy, family, RECIPE.override(changes))
        torch.manual_seed(4)
        weighted_loss(module.train()(batch)).backward()
        gradients.append([parameter.grad for parameter in module.parameters()])
    assert [torch.equal(a, b) for a, b in zip(*gradients, strict=True)] == [True] * len(gradients[0])
