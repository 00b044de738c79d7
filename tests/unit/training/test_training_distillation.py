"""Distillation as an objective: its terms against transformers' models and torch's losses, and what it refuses."""

import copy
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from test_training_loop import Interrupted, same
from torch import Tensor, nn
from torch.nn import functional
from training_toy import LENGTH, RECIPE, Toy, toy_batches
from transformers import CONFIG_MAPPING, AutoModelForMaskedLM

from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.models.encoders import new_encoder, recompute_layers
from smelt.study.architectures import Shape
from smelt.training.checkpoints import Checkpoints
from smelt.training.data import Batch
from smelt.training.distillation import Distillation, distillation_of, refuse_other_pieces
from smelt.training.loop import train
from smelt.training.losses import Losses
from smelt.training.objectives import ModelWithObjective, Term, share_of_loss, weighted_loss
from smelt.training.run import Run

EVERYTHING = Losses(hidden=0.5, attention=0.25)
ONLY_KL = {"mlm": 0.0, "cosine": 0.0}
FAMILIES = ["bert", "albert", "distilbert", "roberta", "xlm-roberta", "camembert"]


def encoder(toy: Toy, family: str = "bert", layers: int = 2, hidden: int = 32, rows: int | None = None) -> Any:
    """Return a model with weights so large that predictions, and attentions, differ from one position to the next."""
    names = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 4, "intermediate_size": 64}
    if family == "distilbert":
        names = {"dim": hidden, "n_layers": layers, "n_heads": 4, "hidden_dim": 64}
    config = CONFIG_MAPPING[family](
        vocab_size=rows or toy.pieces.size + 6,
        max_position_embeddings=LENGTH + 8,
        initializer_range=0.2,
        pad_token_id=toy.pieces.padding,
        **names,
        **({"embedding_size": 16} if family == "albert" else {}),
    )
    return AutoModelForMaskedLM.from_config(config)


@pytest.fixture
def batch(toy: Toy) -> Batch:
    """Return a batch of rows, some of them padded."""
    torch.manual_seed(0)
    batch = toy_batches(
        toy, RECIPE.override({"data": {"short_sequence_probability": 0.5}, "objective": {"sentences": "none"}})
    ).train(1)
    assert batch.attention_mask is not None
    return batch


def terms_of(losses: Losses, teachers: list[Any], student: Any, toy: Toy, batch: Batch) -> dict[str, Term]:
    return {term.name: term for term in ModelWithObjective(student, objective(losses, teachers, student, toy))(batch)}


def objective(losses: Losses, teachers: list[Any], student: Any, toy: Toy, shared: int | None = None) -> Distillation:
    return distillation_of(losses, teachers, student, toy.pieces, "fp32", shared)


def whole(model: Any, batch: Batch) -> Any:
    """Return the outputs of transformers' own model on a batch."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    if model.config.model_type in ("bert", "albert"):
        inputs["token_type_ids"] = batch.token_type_ids
    return model(**inputs, output_hidden_states=True)


def real(batch: Batch) -> Tensor:
    assert batch.attention_mask is not None
    return batch.attention_mask.bool()


def plain_kl(student: Any, teachers: list[Any], batch: Batch, losses: Losses, pieces: int) -> Tensor:
    """Return the divergence of all logits at once, as the mean over positions."""
    chosen = real(batch)
    if losses.positions == "masked":
        chosen = torch.zeros_like(chosen)
        chosen.view(-1)[batch.masked] = True
    logits = [whole(model, batch).logits[chosen][:, :pieces] / losses.temperature for model in (student, *teachers)]
    taught = torch.stack([one.softmax(1) for one in logits[1:]]).mean(0)
    divergence = functional.kl_div(logits[0].log_softmax(1), taught, reduction="batchmean")
    return divergence * losses.temperature**2


def plain_mlm(student: Any, batch: Batch, pieces: int) -> Tensor:
    logits = whole(student, batch).logits.flatten(0, 1)[batch.masked]
    return functional.cross_entropy(logits[:, :pieces], batch.labels)


def plain_cosine(student: Any, teacher: Any, batch: Batch) -> Tensor:
    """Return the cosine loss as DistilBERT's code computes it."""
    chosen = real(batch)
    ours, theirs = (whole(model, batch).hidden_states[-1][chosen] for model in (student, teacher))
    return functional.cosine_embedding_loss(ours, theirs, torch.ones(len(ours)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("positions", ["all", "masked"])
def test_loss_and_gradients_are_those_of_both_models_whole(toy: Toy, batch: Batch, family: str, positions: Any) -> None:
    losses = Losses(positions=positions)
    student = encoder(toy, "distilbert" if family == "bert" else family, layers=1).eval()
    teacher = encoder(toy, family).eval()
    ours = weighted_loss(ModelWithObjective(student, objective(losses, [teacher], student, toy))(batch))
    ours.backward()
    found = {name: parameter.grad for name, parameter in student.named_parameters()}
    student.zero_grad()
    kl = plain_kl(student, [teacher], batch, losses, toy.pieces.size)
    plain = 5 * kl + 2 * plain_mlm(student, batch, toy.pieces.size) + plain_cosine(student, teacher, batch)
    plain.backward()
    assert ours.item() == pytest.approx(plain.item(), rel=1e-5)
    for name, parameter in student.named_parameters():
        assert torch.allclose(found[name], parameter.grad, atol=2e-5), name


def test_several_teachers_teach_the_mean_of_their_probabilities(toy: Toy, batch: Batch) -> None:
    losses = Losses(temperature=3.0, **ONLY_KL)
    student, *teachers = (encoder(toy, layers=layers).eval() for layers in (1, 2, 3))
    term = terms_of(losses, teachers, student, toy, batch)["kl"]
    assert term.loss.item() == pytest.approx(
        plain_kl(student, teachers, batch, losses, toy.pieces.size).item(), rel=1e-5
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_student_that_is_its_teacher_has_only_labels_to_learn(toy: Toy, batch: Batch, family: str) -> None:
    teacher = encoder(toy, family).eval()
    student = copy.deepcopy(teacher)
    terms = terms_of(EVERYTHING, [teacher], student, toy, batch)
    assert list(terms) == ["kl", "mlm", "cosine", "hidden", "attention"]
    assert terms.pop("mlm").loss.item() == pytest.approx(plain_mlm(student, batch, toy.pieces.size).item(), rel=1e-5)
    assert [term.loss.item() for term in terms.values()] == pytest.approx([0.0] * 4, abs=1e-6)


def test_hidden_states_and_attentions_are_compared_by_the_map(toy: Toy, batch: Batch) -> None:
    teacher, student = encoder(toy, layers=3).eval(), encoder(toy, "distilbert").eval()
    losses = Losses(kl=0, mlm=0, cosine=0, hidden=1, attention=1, layers=[3, 1])
    whole_teacher, whole_student = copy.deepcopy(teacher), copy.deepcopy(student)
    terms = terms_of(losses, [teacher], student, toy, batch)
    for model in (whole_teacher, whole_student):
        model.set_attn_implementation("eager")
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    asked = {"output_hidden_states": True, "output_attentions": True}
    theirs = whole_teacher(**inputs, token_type_ids=batch.token_type_ids, **asked)
    ours = whole_student(**inputs, **asked)
    chosen = real(batch)
    hidden = [(ours.hidden_states[one], theirs.hidden_states[other]) for one, other in ((0, 0), (1, 3), (2, 1))]
    squares = sum(functional.mse_loss(one[chosen], other[chosen]).item() for one, other in hidden)
    assert terms["hidden"].loss.item() == pytest.approx(squares, rel=1e-5)
    divergence = 0.0
    for one, other in ((ours.attentions[0], theirs.attentions[2]), (ours.attentions[1], theirs.attentions[0])):
        ratio = torch.where(other > 0, other * (other.clamp(min=1e-38) / one.clamp(min=1e-38)).log(), 0)
        divergence += ratio.sum(-1).mean(1)[chosen].mean().item()
    assert terms["attention"].loss.item() == pytest.approx(divergence, rel=1e-4)


def test_attentions_are_compared_as_they_are_before_dropout(toy: Toy, batch: Batch) -> None:
    teacher = encoder(toy, layers=1).eval()
    student = copy.deepcopy(teacher).train()
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout) and module is not student.bert.encoder.layer[0].attention.self.dropout:
            module.p = 0.0
    losses = Losses(kl=0, mlm=0, cosine=1, hidden=0, attention=1)
    terms = terms_of(losses, [teacher], student, toy, batch)
    assert terms["attention"].loss.item() == pytest.approx(0, abs=1e-6)
    assert terms["cosine"].loss.item() > 1e-4  # dropout went through


@pytest.mark.parametrize("hidden", [32, 24])
def test_projections_are_learnt_and_no_teacher_is(toy: Toy, batch: Batch, hidden: int) -> None:
    teachers = [encoder(toy, layers=4), encoder(toy, "albert", layers=3)]
    student = encoder(toy, "distilbert", hidden=hidden)
    module = ModelWithObjective(student, objective(EVERYTHING, teachers, student, toy)).train()
    weighted_loss(module(batch)).backward()
    assert [name for name, parameter in module.named_parameters() if parameter.grad is None] == []
    projections = [name for name in module.state_dict() if not name.startswith("model.")]
    assert len(projections) == 6 + (2 if hidden != 32 else 0)
    assert all(name.startswith("objective.layer_losses.") for name in projections)
    earlier = {name.replace("layer_losses", "imitations"): weight for name, weight in module.state_dict().items()}
    assert earlier.keys() != module.state_dict().keys()
    module.load_state_dict(earlier)  # a checkpoint of an earlier version
    assert not any(model.training for model in teachers)
    assert not any(parameter.requires_grad for model in teachers for parameter in model.parameters())


@pytest.mark.parametrize("positions", ["all", "masked"])
@pytest.mark.parametrize("sizes", [[8], [3, 5], [1, 1, 6]])
def test_parts_of_a_batch_teach_what_the_whole_does(toy: Toy, batch: Batch, sizes: list[int], positions: Any) -> None:
    student, teacher = encoder(toy, "distilbert", layers=1).eval(), encoder(toy).eval()
    losses = EVERYTHING.model_copy(update={"positions": positions})
    module = ModelWithObjective(student, objective(losses, [teacher], student, toy))
    terms = module(batch)
    weighted_loss(terms).backward()
    expected = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    counts, first = module.objective.counts(batch), 0
    assert counts == {term.name: term.count.item() for term in terms}
    assert module.objective.weights() == {term.name: term.weight for term in terms}
    for size in sizes:
        share_of_loss(module(batch.part(slice(first, first + size)), counts), counts).backward()
        first += size
    for parameter, gradient in zip(module.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=2e-5)


def test_what_weighs_nothing_is_not_there_and_labels_alone_run_no_teacher(toy: Toy, batch: Batch) -> None:
    student, teacher = encoder(toy, layers=1).eval(), encoder(toy)
    runs: list[object] = []
    teacher.base_model.register_forward_hook(lambda *_: runs.append(1))
    terms = terms_of(Losses(kl=0, cosine=0), [teacher], student, toy, batch)
    assert (list(terms), runs) == (["mlm"], [])
    assert terms["mlm"].loss.item() == pytest.approx(plain_mlm(student, batch, toy.pieces.size).item(), rel=1e-5)
    assert list(terms_of(Losses(kl=0, mlm=0), [teacher], student, toy, batch)) == ["cosine"]
    assert len(runs) == 1
    assert list(terms_of(Losses(**ONLY_KL), [teacher], student, toy, batch)) == ["kl"]
    assert len(runs) == 2


def test_in_bf16_teachers_run_in_it_and_losses_stay_close(toy: Toy, batch: Batch) -> None:
    student, teacher = encoder(toy, "distilbert", layers=1).eval(), encoder(toy).eval()
    exact = terms_of(EVERYTHING, [copy.deepcopy(teacher)], copy.deepcopy(student), toy, batch)
    rough = ModelWithObjective(student, distillation_of(EVERYTHING, [teacher], student, toy.pieces, "bf16"))
    assert teacher.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        terms = rough(batch)
    assert {term.name: term.loss.item() for term in terms} == pytest.approx(
        {name: term.loss.item() for name, term in exact.items()}, rel=0.05
    )
    weighted_loss(terms).backward()
    assert all(parameter.grad.isfinite().all() for parameter in rough.parameters())


def test_teachers_move_with_the_objective_and_keep_their_precision(toy: Toy) -> None:
    student, teacher = encoder(toy, layers=1), encoder(toy)
    made = distillation_of(EVERYTHING, [teacher], student, toy.pieces, "bf16")
    ModelWithObjective(student, made).to("meta")
    assert (teacher.device.type, teacher.dtype) == ("meta", torch.bfloat16)
    assert student.device.type == "meta"


def test_shared_pieces_are_all_that_is_compared(toy: Toy, batch: Batch) -> None:
    student, teacher = encoder(toy, layers=1).eval(), encoder(toy).eval()
    losses = Losses(**ONLY_KL)
    (term,) = ModelWithObjective(student, objective(losses, [teacher], student, toy, shared=40))(batch)
    assert term.loss.item() == pytest.approx(plain_kl(student, [teacher], batch, losses, 40).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 40}, r"^teacher: expected the \d+ pieces of the student's tokenizer; found a vocabulary of 40$"),
        ({"rows": 5000}, r"found a vocabulary of 5,000$"),
    ],
)
def test_a_teacher_of_another_vocabulary_is_refused(toy: Toy, changes: dict[str, int], message: str) -> None:
    with pytest.raises(SmeltError, match=message):
        objective(Losses(), [encoder(toy), encoder(toy, **changes)], encoder(toy, layers=1), toy)


def test_a_student_of_too_few_rows_is_refused(toy: Toy) -> None:
    with pytest.raises(SmeltError, match=r"^student: expected the \d+ pieces of its tokenizer; found .* 9$"):
        objective(Losses(), [encoder(toy)], encoder(toy, rows=9), toy)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([1, 2, 3], r"^losses.layers: expected a layer of the teacher for each of the student's 2; found 3$"),
        ([1], r"for each of the student's 2; found 1$"),
        ([1, 5], r"^losses.layers: teacher has 4 layers, counted from 1; found layer 5$"),
    ],
)
def test_missing_layers_are_refused(toy: Toy, layers: list[int], message: str) -> None:
    losses = Losses(hidden=1, layers=layers)
    with pytest.raises(SmeltError, match=message):
        objective(losses, [encoder(toy, layers=4)], encoder(toy), toy)


def test_another_number_of_heads_is_refused_where_they_are_compared(toy: Toy) -> None:
    student = new_encoder(
        Shape(family="bert", layers=1, hidden=32, heads=2, feed_forward=64),
        RECIPE.override({"objective": {"sentences": "none"}}),
        toy.pieces,
    )
    objective(Losses(), [encoder(toy)], student, toy)
    with pytest.raises(SmeltError, match=r"^teacher: has 4 attention heads, the student 2; losses.attention"):
        objective(Losses(attention=1), [encoder(toy)], student, toy)


def test_losses_without_a_teacher_are_refused(toy: Toy) -> None:
    with pytest.raises(SmeltError, match=r"^teacher: there is none, and the losses other than mlm need one"):
        objective(Losses(), [], encoder(toy), toy)


@pytest.mark.parametrize("shared", [0, 10_000])
def test_more_shared_pieces_than_there_are_are_refused(toy: Toy, shared: int) -> None:
    with pytest.raises(SmeltError, match=r"^shared: expected 1 to \d+ first pieces"):
        objective(Losses(), [encoder(toy)], encoder(toy), toy, shared)


class SomePieces:
    """A tokenizer that knows its pieces."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces

    def __len__(self) -> int:
        return len(self.pieces)

    def convert_ids_to_tokens(self, ids: range) -> list[str]:
        return [self.pieces[number] for number in ids]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (("a", "b"), r"^mbert: expected the same pieces as the student's, 3; found 2$"),
        (("a", "x", "c"), r"^mbert: expected the same pieces as the student's; found 'x' at id 1, not 'b'$"),
    ],
)
def test_pieces_that_differ_are_refused_with_the_first(pieces: tuple[str, ...], message: str) -> None:
    refuse_other_pieces("mbert", SomePieces("a", "b", "c"), SomePieces("a", "b", "c"))
    with pytest.raises(SmeltError, match=message):
        refuse_other_pieces("mbert", SomePieces(*pieces), SomePieces("a", "b", "c"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kl": 0, "mlm": 0, "cosine": 0}, "kl, mlm, cosine, hidden, attention: all weights are 0"),
        ({"layers": [1, 2]}, "layers: maps layers for hidden and attention, whose weights are 0"),
        ({"temperature": 0}, "temperature"),
        ({"hidden": -1}, "hidden"),
        ({"hidden": 1, "layers": [0, 1]}, "layers"),
    ],
)
def test_losses_that_teach_nothing_or_are_impossible_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Losses(**changes)


def distilled(
    toy: Toy, folder: Path, stop_at: int = 0, **settings: Any
) -> tuple[dict[str, Tensor], list[tuple[Any, ...]]]:
    """Distil from the newest checkpoint in `folder`; return all that was learnt, and the curve without its speeds."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    recipe = RECIPE.override(merge({"objective": {"sentences": "none"}, "validation": {"choose": "best"}}, settings))
    teacher, student = encoder(toy, layers=4), encoder(toy, "distilbert", hidden=24)
    made = objective(EVERYTHING, [teacher], student, toy)
    batches = Interrupted(toy_batches(toy, recipe), stop_at, signal.SIGTERM)  # type: ignore[arg-type]
    with Checkpoints(folder / "checkpoints", {}) as kept:
        run = Run(checkpoints=kept, curve=folder / "curve.csv", seed=1, device=torch.device("cpu"))
        curve = train(student, made, batches, recipe, run).curve
    rows = [row for row in curve.rows if row[3] != "tokens_per_second"]
    return ModelWithObjective(student, made).state_dict(), rows


def test_a_distillation_that_was_stopped_ends_with_the_same_student_and_projections(toy: Toy, tmp_path: Path) -> None:
    straight, curve = distilled(toy, tmp_path / "straight")
    for moment in (7, 13):
        with pytest.raises(SmeltError, match="stopped by SIGTERM; kept a checkpoint"):
            distilled(toy, tmp_path / "stopped", moment)
    weights, resumed = distilled(toy, tmp_path / "stopped")
    assert any(name.startswith("objective.layer_losses.cosine") for name in weights)
    assert not any("teacher" in name for name in weights)
    assert same(weights, straight)
    assert resumed == curve


def test_losses_over_layers_are_not_compiled_even_where_the_recipe_says_so(
    toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, _ = distilled(toy, tmp_path / "plain", schedule={"steps": 2})
    assert "not compiled" not in capsys.readouterr().out
    torch._dynamo.utils.counters.clear()
    asked, _ = distilled(toy, tmp_path / "asked", schedule={"steps": 2}, machine={"compile": True})
    assert "not compiled: losses over layers read the model's layers as it trains" in capsys.readouterr().out
    assert not torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert same(plain, asked)


def test_the_curve_has_all_losses_and_an_accuracy_of_labels_only(toy: Toy, tmp_path: Path) -> None:
    _, curve = distilled(toy, tmp_path)
    metrics = {row[3] for row in curve if row[1] == "validation"}
    assert metrics == {f"{name}_loss" for name in EVERYTHING.weights()} | {"mlm_accuracy"}
    losses = {row[0]: row[4] for row in curve if row[1:4] == ("validation", "all", "kl_loss")}
    assert losses[20] < losses[0]


def calls_of_a_layer(model: Any) -> list[Any]:
    """Return a list that grows with each call of a part of the model's first layer."""
    calls: list[Any] = []
    parts = (part for name, part in model.base_model.named_modules() if ".layer" in name or "albert_layers." in name)
    next(part for part in parts if isinstance(part, nn.Linear)).register_forward_hook(lambda *_: calls.append(None))
    return calls


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_a_student_whose_layers_are_recomputed_learns_the_same_of_them(toy: Toy, batch: Batch, family: str) -> None:
    teacher = encoder(toy, "bert" if family == "distilbert" else family).eval()
    plain = encoder(toy, family, layers=2)
    recomputed = copy.deepcopy(plain)
    recompute_layers(recomputed)
    found = []
    for student in (plain, recomputed):
        module = ModelWithObjective(student.train(), objective(EVERYTHING, [teacher], student, toy))
        calls = calls_of_a_layer(student)
        torch.manual_seed(5)  # dropout draws again what it drew
        terms = module(batch)
        weighted_loss(terms).backward()
        gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
        found.append(({term.name: term.loss.item() for term in terms}, gradients, len(calls)))
    (losses, gradients, once), (losses_again, gradients_again, twice) = found
    assert twice == 2 * once > 0
    assert losses == pytest.approx(losses_again, rel=1e-6)
    assert set(losses) == {"kl", "mlm", "cosine", "hidden", "attention"}
    for name, gradient in gradients.items():
        assert (gradient is None) == (gradients_again[name] is None), name
        if gradient is not None:
            assert torch.allclose(gradient, gradients_again[name], atol=1e-6), name
