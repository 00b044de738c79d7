from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from smelt.training.distillation_losses import DecoderInputs, Softening, soft_and_hard_losses
from smelt.training.examples import IGNORED
from smelt.training.heads import masked_cross_entropy

N, LABELLED, WIDTH, TAUGHT, VOCABULARY, PADDED = 37, 9, 16, 12, 301, 320
SOFTENING = Softening(VOCABULARY, temperature=2.0, ratio=0.4)


class Student:
    """A padded decoder with its states, labels of the first positions, and wider-padded teachers of other widths."""

    def __init__(self, dtype: torch.dtype = torch.float64, teachers: int = 1, labelled: int = LABELLED) -> None:
        generator = torch.Generator().manual_seed(3)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

        self.parts = [part.requires_grad_() for part in (drawn(N, WIDTH), drawn(PADDED, WIDTH), drawn(PADDED))]
        self.teacher_inputs = [DecoderInputs(drawn(N, TAUGHT), drawn(330, TAUGHT), drawn(330)) for _ in range(teachers)]
        self.labels = torch.randint(0, VOCABULARY, (labelled,), generator=generator)

    def ours(self, softening: Softening = SOFTENING, rows: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        return soft_and_hard_losses(*self.parts, self.teacher_inputs, self.labels, softening, rows)

    def logits(self, pieces: int = VOCABULARY) -> Tensor:
        states, weight, bias = self.parts
        return functional.linear(states, weight[:pieces], bias[:pieces])

    def probabilities(self, softening: Softening = SOFTENING) -> Tensor:
        """Return the mean of the teachers' softened probabilities."""
        kept = slice(softening.compared)
        taught = [functional.linear(one.states, one.weight[kept], one.bias[kept]) for one in self.teacher_inputs]
        return torch.stack([functional.softmax(logits / softening.temperature, 1) for logits in taught]).mean(0)

    def plain(self, softening: Softening = SOFTENING) -> tuple[Tensor, Tensor]:
        """Return the same losses, from all logits at once and torch's own losses."""
        ours = functional.log_softmax(self.logits(softening.compared) / softening.temperature, 1)
        soft = functional.kl_div(ours, self.probabilities(softening), reduction="sum") * softening.temperature**2
        hard = functional.cross_entropy(self.logits()[: len(self.labels)], self.labels, reduction="sum")
        return soft, hard

    def gradients(self, loss: Tensor) -> Iterator[Tensor]:
        for part in self.parts:
            part.grad = None
        loss.backward()
        for part in self.parts:
            assert part.grad is not None
            yield part.grad


def loss_of(soft: Tensor, hard: Tensor, *_: Tensor, ratio: float = SOFTENING.ratio) -> Tensor:
    return 0.3 * soft + 0.3 * ratio * hard


@pytest.mark.parametrize("rows", [None, 1, 8, 100])
@pytest.mark.parametrize("labelled", [0, LABELLED, N])
@pytest.mark.parametrize(
    ("temperature", "shared", "teachers"), [(2.0, None, 1), (2.0, 200, 1), (1.0, None, 1), (0.5, None, 3), (4.0, 5, 2)]
)
def test_losses_and_gradients_are_those_of_all_logits_at_once(
    rows: int | None, labelled: int, temperature: float, shared: int | None, teachers: int
) -> None:
    student = Student(teachers=teachers, labelled=labelled)
    softening = replace(SOFTENING, temperature=temperature, shared=shared)
    ours, plain = student.ours(softening, rows), student.plain(softening)
    assert [part.item() for part in ours[:2]] == pytest.approx([part.item() for part in plain], rel=1e-12)
    expected = list(student.gradients(loss_of(*plain)))
    for one, other in zip(student.gradients(loss_of(*ours)), expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-11, atol=1e-13)


def test_positions_that_are_ignored_have_a_divergence_but_no_cross_entropy() -> None:
    student = Student()
    student.labels[::2] = IGNORED
    ours = student.ours()
    expected = functional.cross_entropy(
        student.logits()[:LABELLED], student.labels, ignore_index=IGNORED, reduction="sum"
    )
    assert ours[1].item() == pytest.approx(expected.item(), rel=1e-12)
    wanted = list(student.gradients(loss_of(student.plain()[0], expected)))
    for one, other in zip(student.gradients(loss_of(*ours)), wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-11, atol=1e-13)


def test_at_temperature_1_the_divergence_is_cross_entropy_with_the_teacher_less_its_entropy() -> None:
    student = Student()
    probabilities = student.probabilities(replace(SOFTENING, temperature=1.0))
    entropy = torch.special.entr(probabilities).sum()
    cross = functional.cross_entropy(student.logits(), probabilities, reduction="sum")
    assert student.ours(replace(SOFTENING, temperature=1.0))[0].item() == pytest.approx(
        (cross - entropy).item(), rel=1e-9
    )


def test_a_sure_teacher_at_temperature_1_is_a_label() -> None:
    student = Student(labelled=N)
    bias = torch.full((330,), -1e4, dtype=torch.float64)
    sure = [DecoderInputs(torch.eye(N, dtype=torch.float64), torch.zeros(330, N, dtype=torch.float64), bias)]
    sure[0].weight[student.labels, torch.arange(N)] = 2e4
    soft, hard, _ = soft_and_hard_losses(*student.parts, sure, student.labels, Softening(VOCABULARY))
    assert soft.item() == pytest.approx(hard.item(), rel=1e-12)


def test_hot_softmaxes_compare_logits_by_their_squared_differences() -> None:
    """Hinton et al. 2015, section 2.1: at high temperatures, of logits whose means are 0."""
    student = Student()
    soft, *_ = student.ours(replace(SOFTENING, temperature=1e4))
    (one,) = student.teacher_inputs
    theirs = functional.linear(one.states, one.weight[:VOCABULARY], one.bias[:VOCABULARY])
    difference = student.logits() - theirs
    centred = difference - difference.mean(1, keepdim=True)
    assert soft.item() == pytest.approx(centred.square().sum().item() / (2 * VOCABULARY), rel=1e-2)


@pytest.mark.parametrize("teachers", [1, 3])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(teachers: int) -> None:
    student = Student(torch.float32, labelled=0)
    states, weight, bias = (part.detach() for part in student.parts)
    student.teacher_inputs = [DecoderInputs(states, weight, bias)] * teachers
    soft, *_ = student.ours()
    assert soft.item() == pytest.approx(0, abs=0 if teachers == 1 else 1e-4)
    for gradient in student.gradients(soft):
        assert gradient.abs().max() < 1e-5


def test_cross_entropy_and_right_predictions_are_those_of_the_head() -> None:
    student = Student(torch.float32)
    best = student.logits().argmax(1)
    student.labels[:5] = best[:5]
    states, weight, bias = student.parts
    total, correct = masked_cross_entropy(states[:LABELLED], weight, bias, student.labels, VOCABULARY)
    _, hard, right = student.ours()
    assert hard.item() == pytest.approx(total.item(), rel=1e-6)
    assert right.item() == correct.item() >= 5


def test_padding_of_the_vocabularies_is_neither_compared_nor_trained() -> None:
    student = Student()
    expected = [part.item() for part in student.ours()[:2]]
    with torch.no_grad():
        student.parts[2][VOCABULARY:] = 1e4
        student.teacher_inputs[0].bias[VOCABULARY:] = 1e4
    losses = student.ours()
    assert [part.item() for part in losses[:2]] == expected
    _, weight, bias = student.gradients(loss_of(*losses))
    assert not weight[VOCABULARY:].any()
    assert not bias[VOCABULARY:].any()


def test_pieces_that_are_not_shared_are_learnt_from_labels_alone() -> None:
    student = Student(labelled=0)
    _, weight, _ = student.gradients(student.ours(replace(SOFTENING, shared=200))[0])
    assert weight[:200].any(1).all()
    assert not weight[200:].any()


def test_under_autocast_gradients_are_no_worse_than_those_of_all_logits_at_once() -> None:
    student, exact = Student(torch.float32), Student()
    truth = list(exact.gradients(loss_of(*exact.plain())))
    with torch.autocast("cpu", torch.bfloat16):
        ours, plain = student.ours(rows=8), student.plain()
    assert ours[0].dtype == torch.float32
    assert [part.item() for part in ours[:2]] == pytest.approx([part.item() for part in exact.plain()], rel=0.02)
    chunked, whole = list(student.gradients(loss_of(*ours))), list(student.gradients(loss_of(*plain)))
    for one, other, true in zip(chunked, whole, truth, strict=True):
        assert one.dtype == torch.float32
        assert (one - true).norm() < 1.5 * (other - true).norm()


def test_no_logits_of_all_positions_are_held() -> None:
    """The largest tensor that is made has the rows of a chunk, or the shape of the weight."""
    made: list[int] = []

    class Sizes(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            made.extend(part.numel() for part in (result,) if isinstance(part, Tensor))
            return result

    student = Student(torch.float32)
    with Sizes():
        loss_of(*student.ours(rows=8)).backward()
    assert max(made) == max(PADDED * WIDTH, 330 * TAUGHT, 8 * 330)


def test_losses_in_another_ratio_than_the_given_one_are_refused() -> None:
    soft, hard, _ = Student().ours()
    with pytest.raises(RuntimeError, match="the ratio of weights is not the one given"):
        (soft + hard).backward()


def test_a_second_backward_pass_is_refused_rather_than_wrong() -> None:
    loss = loss_of(*Student().ours())
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="run the forward pass again"):
        loss.backward()


def test_without_gradients_none_are_made() -> None:
    student = Student(torch.float32)
    with torch.inference_mode():
        soft, hard, _ = student.ours()
    assert soft.grad_fn is None
    trained = student.ours()
    assert (soft.item(), hard.item()) == (trained[0].item(), trained[1].item())


def test_nothing_to_learn_from_is_no_loss_and_no_gradient() -> None:
    student = Student(torch.float32, labelled=0)
    states, weight, bias = student.parts
    teacher_inputs = [DecoderInputs(one.states[:0], one.weight, one.bias) for one in student.teacher_inputs]
    soft, hard, correct = soft_and_hard_losses(states[:0], weight, bias, teacher_inputs, student.labels, SOFTENING)
    assert (soft.item(), hard.item(), correct.item()) == (0.0, 0.0, 0)
    assert not any(gradient.any() for gradient in student.gradients(loss_of(soft, hard)))
