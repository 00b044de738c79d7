"""Students of teachers of every family: what they start from, what does not learn, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from reducible import MODELS, PIECES, bert_like, write_model
from transformers import BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.models.encoders import padded_rows, resize_vocabulary
from smelt.models.students import DISTILBERT_EPSILON, load_teachers, new_student, refuse_differing, shared_pieces
from smelt.study.makers.distil import CODE_LAYERS, StudentShape
from smelt.training.distillation import layer_map
from smelt.training.losses import Losses
from smelt.training.optimizers import optimizer_of
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.recipes import RECIPES, Recipe

ROWS = padded_rows(len(PIECES))
STUDENTS = {
    "bert-masked": "DistilBertForMaskedLM",
    "bert-untied": "DistilBertForMaskedLM",
    "bert-pretraining": "DistilBertForMaskedLM",
    "distilbert": "DistilBertForMaskedLM",
    "albert": "AlbertForMaskedLM",
    "roberta": "RobertaForMaskedLM",
    "xlm-roberta": "XLMRobertaForMaskedLM",
    "camembert": "CamembertForMaskedLM",
}
OF_HEAD_AND_EMBEDDINGS = {
    "vocab_transform.weight": "cls.predictions.transform.dense.weight",
    "vocab_layer_norm.bias": "cls.predictions.transform.LayerNorm.bias",
    "vocab_projector.weight": "cls.predictions.decoder.weight",
    "vocab_projector.bias": "cls.predictions.bias",
    "distilbert.embeddings.word_embeddings.weight": "bert.embeddings.word_embeddings.weight",
    "distilbert.embeddings.position_embeddings.weight": "bert.embeddings.position_embeddings.weight",
    "distilbert.embeddings.LayerNorm.weight": "bert.embeddings.LayerNorm.weight",
}


def recipe(**settings: Any) -> Recipe:
    return Recipe.model_validate(
        merge(RECIPES["small"].model_dump(), {"data": {"length": 32}, "objective": {"sentences": "none"}}, settings)
    )


def pieces(folder: Path) -> Pieces:
    return pieces_of(load_tokenizer(folder))


def teacher_of(folder: Path, **losses: float) -> Any:
    return load_teachers([folder], Losses.model_validate(losses), recipe().data, pieces(folder))[0]


def ids() -> torch.Tensor:
    return torch.randint(5, len(PIECES), (3, 12), generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of twelve layers."""
    return write_model(tmp_path_factory.mktemp("deep"), bert_like(BertForMaskedLM, num_hidden_layers=12))


@pytest.mark.parametrize("kind", STUDENTS)
def test_a_student_of_all_layers_computes_what_its_teacher_does(tmp_path: Path, kind: str) -> None:
    folder = write_model(tmp_path, MODELS[kind])
    teacher = teacher_of(folder)
    if kind.startswith("bert"):  # a student has no token types: to compare, the teacher's add nothing
        teacher.bert.embeddings.token_type_embeddings.weight.zero_()
    student = new_student(teacher, StudentShape(layers=2, start="first"), recipe(), pieces(folder)).eval()
    assert type(student).__name__ == STUDENTS[kind]
    with torch.inference_mode():
        assert torch.allclose(student(ids()).logits, teacher(ids()).logits, atol=1e-4)


@pytest.mark.parametrize("kind", STUDENTS)
def test_a_saved_student_is_loaded_by_transformers_alone(tmp_path: Path, kind: str) -> None:
    from transformers import AutoModelForMaskedLM

    folder = write_model(tmp_path / "teacher", MODELS[kind])
    student = new_student(teacher_of(folder), StudentShape(layers=1), recipe(), pieces(folder)).eval()
    resize_vocabulary(student, len(PIECES))
    student.save_pretrained(tmp_path / "student")
    loaded, report = AutoModelForMaskedLM.from_pretrained(tmp_path / "student", output_loading_info=True)
    assert type(loaded).__name__ == STUDENTS[kind]
    assert not any(report.values())
    assert loaded.config.num_hidden_layers == 1
    with torch.inference_mode():
        assert torch.equal(loaded.eval()(ids()).logits, student(ids()).logits)


@pytest.mark.parametrize(
    ("start", "layers"),
    [
        ("alternate", [0, 2, 4, 6, 8, 10]),  # 2n - 1 of layers counted from 1, as Sanh et al. and Eliquare have it
        ("code", [0, 2, 4, 7, 9, 11]),
        ("first", [0, 1, 2, 3, 4, 5]),
        ("last", [6, 7, 8, 9, 10, 11]),
        ([11, 0, 3, 3, 8, 1], [11, 0, 3, 3, 8, 1]),
    ],
)
def test_a_student_starts_from_the_layers_that_it_names_and_from_embeddings_and_head(
    deep: Path, start: Any, layers: list[int]
) -> None:
    teacher = teacher_of(deep)
    theirs = teacher.state_dict()
    student = new_student(teacher, StudentShape(layers=6, start=start), recipe(), pieces(deep)).state_dict()
    for own, layer in enumerate(layers):
        place, source = f"distilbert.transformer.layer.{own}", f"bert.encoder.layer.{layer}"
        assert torch.equal(student[f"{place}.attention.q_lin.weight"], theirs[f"{source}.attention.self.query.weight"])
        assert torch.equal(student[f"{place}.attention.v_lin.bias"], theirs[f"{source}.attention.self.value.bias"])
        assert torch.equal(student[f"{place}.ffn.lin2.weight"], theirs[f"{source}.output.dense.weight"])
    for own_name, source in OF_HEAD_AND_EMBEDDINGS.items():
        assert torch.equal(student[own_name], theirs[source])
    assert len(student["vocab_projector.weight"]) == ROWS


def test_a_student_at_random_has_nothing_of_its_teacher_and_repeats_with_its_seed(deep: Path) -> None:
    teacher, shape = teacher_of(deep), StudentShape(layers=2, hidden=16, heads=2, feed_forward=24, start="random")
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(new_student(teacher, shape, recipe(), pieces(deep)).state_dict())
    words = "distilbert.embeddings.word_embeddings.weight"
    assert drawn[0][words].shape == (ROWS, 16)
    assert torch.equal(drawn[0][words], drawn[1][words])
    assert not torch.equal(drawn[0][words], drawn[2][words])
    assert not drawn[0][words][len(PIECES) :].any()


def test_a_student_at_random_may_have_more_layers_than_its_teacher_and_learns_of_them_in_order(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "teacher")
    teacher = teacher_of(folder)
    student = new_student(teacher, StudentShape(layers=5, start="random"), recipe(), pieces(folder))
    assert student.config.num_hidden_layers == 5
    assert layer_map(None, student, teacher) == [1, 1, 2, 2, 2]
    assert layer_map(None, teacher, student) == [2, 5]
    with pytest.raises(SmeltError, match=r"layers: 5 are more than the 2 of the teacher, .* expected start: random"):
        new_student(teacher, StudentShape(layers=5, start=[0] * 5), recipe(), pieces(folder))


@pytest.mark.parametrize("epsilon", [1e-12, 1e-5])
def test_a_teacher_with_another_epsilon_than_a_distilbert_gets_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], epsilon: float
) -> None:
    folder = write_model(tmp_path / "teacher", bert_like(BertForMaskedLM, layer_norm_eps=epsilon))
    student = new_student(teacher_of(folder), StudentShape(layers=1), recipe(), pieces(folder))
    warning = f"smelt: warning: {folder} normalises layers with an epsilon of 1e-05, every DistilBERT with 1e-12"
    assert (warning in capsys.readouterr().err) == (epsilon == 1e-5)
    # What the warning rests on: were it a key of DistilBERT's configuration one day, the student should have it.
    norms = [part for part in student.modules() if isinstance(part, torch.nn.LayerNorm)]
    assert {part.eps for part in norms} == {DISTILBERT_EPSILON}


def test_alberts_student_passes_the_one_layer_less_often(tmp_path: Path) -> None:
    folder = write_model(tmp_path, MODELS["albert"])
    teacher = teacher_of(folder)
    student = new_student(teacher, StudentShape(layers=1), recipe(), pieces(folder))
    own, theirs = student.state_dict(), teacher.state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(own[name], theirs[name]) for name in own)
    assert student.config.num_hidden_layers == 1


def test_an_embedding_of_more_rows_than_pieces_is_cut_to_the_pieces(tmp_path: Path) -> None:
    folder = write_model(tmp_path, rows=len(PIECES) + 100)
    teacher = teacher_of(folder)
    words = BertForMaskedLM.from_pretrained(folder).get_input_embeddings().weight
    student = new_student(teacher, StudentShape(layers=1), recipe(), pieces(folder))
    for model in (teacher, student):
        rows = model.get_input_embeddings().weight
        assert torch.equal(rows[: len(PIECES)], words[: len(PIECES)])
        assert len(rows) == len(model.get_output_embeddings().bias) == ROWS
        assert not rows[len(PIECES) :].any()


@pytest.mark.parametrize("part", ["positions", "pieces"])
def test_a_frozen_part_asks_for_no_gradient(deep: Path, part: Any) -> None:
    student = new_student(teacher_of(deep), StudentShape(layers=1, frozen=[part]), recipe(), pieces(deep))
    still = {name for name, parameter in student.named_parameters() if not parameter.requires_grad}
    name = {"positions": "position_embeddings", "pieces": "word_embeddings"}[part]
    assert still == {f"distilbert.embeddings.{name}.weight"}


def test_sinusoidal_positions_are_transformers_own_and_all_else_is_the_teachers(deep: Path) -> None:
    teacher = teacher_of(deep)
    names = {"vocab_size": len(PIECES), "dim": 32, "max_position_embeddings": teacher.config.max_position_embeddings}
    theirs = DistilBertForMaskedLM(DistilBertConfig(**names, n_heads=4, n_layers=1, sinusoidal_pos_embds=True))
    copied = new_student(teacher, StudentShape(start="code"), recipe(), pieces(deep))
    student = new_student(teacher, StudentShape(start="code", positions="sinusoidal"), recipe(), pieces(deep))
    positions = "distilbert.embeddings.position_embeddings.weight"
    assert (student.config.sinusoidal_pos_embds, copied.config.sinusoidal_pos_embds) == (True, False)
    assert torch.equal(student.state_dict()[positions], theirs.state_dict()[positions])
    other = copied.state_dict()
    differing = {name for name, weight in student.state_dict().items() if not torch.equal(weight, other[name])}
    assert differing == {positions}
    assert {name for name, weight in student.named_parameters() if not weight.requires_grad} == {positions}
    learnt = [weight for group in optimizer_of(student, recipe()).param_groups for weight in group["params"]]
    assert not any(weight is student.distilbert.embeddings.position_embeddings.weight for weight in learnt)


def test_a_student_with_sinusoids_computes_what_transformers_own_does(deep: Path) -> None:
    shape = StudentShape(start="code", positions="sinusoidal")
    student = new_student(teacher_of(deep), shape, recipe(), pieces(deep)).eval()
    theirs = DistilBertForMaskedLM(student.config).eval()
    positions = "distilbert.embeddings.position_embeddings.weight"
    weights = {name: weight for name, weight in student.state_dict().items() if name != positions}
    assert theirs.load_state_dict(weights, strict=False).missing_keys == [positions]
    with torch.inference_mode():
        assert torch.equal(theirs(ids()).logits, student(ids()).logits)


def test_sinusoids_may_stand_in_a_student_at_random_and_in_a_distilberts(tmp_path: Path, deep: Path) -> None:
    random = new_student(teacher_of(deep), StudentShape(start="random", positions="sinusoidal"), recipe(), pieces(deep))
    folder = write_model(tmp_path, MODELS["distilbert"])
    of_student = new_student(
        teacher_of(folder), StudentShape(layers=1, positions="sinusoidal"), recipe(), pieces(folder)
    )
    first = torch.tensor([0.0, 1.0, 0.0, 1.0])
    for student in (random, of_student):
        assert torch.equal(student.distilbert.embeddings.position_embeddings.weight[0, :4], first)
        assert student.config.sinusoidal_pos_embds
    # A student's student whose positions learn no longer has sinusoids.
    learns = new_student(of_student, StudentShape(layers=1), recipe(), pieces(folder))
    assert not learns.config.sinusoidal_pos_embds
    assert all(weight.requires_grad for weight in learns.parameters())


@pytest.mark.parametrize("kind", ["albert", "roberta"])
def test_sinusoids_are_refused_where_the_students_class_has_none(tmp_path: Path, kind: str) -> None:
    folder = write_model(tmp_path, MODELS[kind])
    shape = StudentShape(layers=1, positions="sinusoidal")
    with pytest.raises(SmeltError, match=f"positions: sinusoidal is for students of BERT .* is of family {kind}$"):
        new_student(teacher_of(folder), shape, recipe(), pieces(folder))


def test_frozen_positions_are_idle_beside_sinusoids() -> None:
    with pytest.raises(ValueError, match="frozen: positions has no effect with positions: sinusoidal"):
        StudentShape(frozen=["positions"], positions="sinusoidal")


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ({"layers": 13, "start": list(range(13))}, "layers: 13 are more than the 12 of the teacher"),
        ({"layers": 2, "start": [0, 12]}, "start: layer 12, counted from 0, is beyond the 12 layers"),
        ({"layers": 8}, "start: layer 14, counted from 0, is beyond the 12 layers"),
        ({"layers": 2, "hidden": 16}, "hidden: 16 is not the teacher's 32, .* expected start: random"),
        ({"layers": 2, "feed_forward": 16}, "feed_forward: 16 is not the teacher's 48"),
        ({"layers": 2, "heads": 3, "start": "random"}, "heads: 3 do not divide a hidden size of 32"),
    ],
)
def test_a_shape_that_does_not_fit_its_teacher_is_refused(deep: Path, shape: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SmeltError, match=complaint):
        new_student(teacher_of(deep), StudentShape.model_validate(shape), recipe(), pieces(deep))


def test_the_codes_layers_are_for_twelve_into_six(tmp_path: Path) -> None:
    folder = write_model(tmp_path, bert_like(BertForMaskedLM, num_hidden_layers=8))
    with pytest.raises(SmeltError, match="start: code is for teachers of 12 layers; this one has 8"):
        new_student(teacher_of(folder), StudentShape(layers=len(CODE_LAYERS), start="code"), recipe(), pieces(folder))


def test_a_teacher_without_a_head_is_refused_where_its_predictions_are_asked_for(tmp_path: Path) -> None:
    folder = write_model(tmp_path, MODELS["bert-encoder"])
    with pytest.raises(SmeltError, match=r"has no head for masked tokens .* expected a model with one, or kl: 0"):
        teacher_of(folder)
    teacher = teacher_of(folder, kl=0)
    student = new_student(teacher, StudentShape(layers=1), recipe(), pieces(folder)).state_dict()
    own, source = "distilbert.transformer.layer.0.ffn.lin1.weight", "bert.encoder.layer.0.intermediate.dense.weight"
    assert torch.equal(student[own], teacher.state_dict()[source])


def test_teachers_of_different_pieces_are_refused(tmp_path: Path) -> None:
    first, second = (write_model(tmp_path / name) for name in ("first", "second"))
    lines = (second / "vocab.txt").read_text().splitlines()
    (second / "vocab.txt").write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    place = len(PIECES) - 2
    with pytest.raises(SmeltError, match=f"second: expected the same pieces as the student's; found .* at id {place}"):
        refuse_differing([first, second])


def test_pieces_are_shared_that_every_teacher_had_before_some_were_added(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("old", "added", "more")]
    for folder, shared in zip(folders, (None, 90, 80), strict=True):
        folder.mkdir()
        if shared is not None:
            (folder / "amplification.json").write_text(json.dumps({"shared": shared}))
    assert shared_pieces(folders[:1], 100) is None
    assert shared_pieces(folders[:2], 100) == 90
    assert shared_pieces(folders, 100) == 80


@pytest.mark.parametrize(("kind", "positions"), [("bert-masked", 64), ("xlm-roberta", 63)])
def test_blocks_longer_than_the_teachers_positions_are_refused(tmp_path: Path, kind: str, positions: int) -> None:
    folder = write_model(tmp_path, MODELS[kind])
    with pytest.raises(SmeltError, match=f"length: {positions + 1} tokens are more than the {positions} positions"):
        load_teachers([folder], Losses(), recipe(data={"length": positions + 1}).data, pieces(folder))
    assert load_teachers([folder], Losses(), recipe(data={"length": positions}).data, pieces(folder))


def test_a_model_of_another_family_is_no_teacher(tmp_path: Path) -> None:
    from transformers import ElectraConfig, ElectraForMaskedLM

    folder = write_model(tmp_path, bert_like(ElectraForMaskedLM, ElectraConfig, embedding_size=32))
    with pytest.raises(
        SmeltError, match="is of family electra; expected a teacher of albert, bert, distilbert, roberta"
    ):
        teacher_of(folder)
