from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from smelt.training.examples import IGNORED
from smelt.training.heads import masked_cross_entropy, rows_at_once

N, EMBEDDING, VOCABULARY, PADDED = 37, 16, 301, 320


class Head:
    """States, a padded decoder and labels, some of them ignored, in one precision."""

    def __init__(self, dtype: torch.dtype = torch.float64, n: int = N) -> None:
        generator = torch.Generator().manual_seed(3)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

        self.states, self.weight, self.bias = drawn(n, EMBEDDING), drawn(PADDED, EMBEDDING), drawn(PADDED)
        self.labels = torch.randint(0, VOCABULARY, (n,), generator=generator)
        self.labels[::5] = IGNORED

    def ours(self, rows: int | None = None) -> tuple[Tensor, Tensor]:
        return masked_cross_entropy(self.states, self.weight, self.bias, self.labels, VOCABULARY, rows)

    def logits(self) -> Tensor:
        return functional.linear(self.states, self.weight[:VOCABULARY], self.bias[:VOCABULARY])

    def theirs(self) -> Tensor:
        return functional.cross_entropy(self.logits().float(), self.labels, ignore_index=IGNORED, reduction="sum")

    def gradients(self, loss: Tensor) -> Iterator[Tensor]:
        for part in (self.states, self.weight, self.bias):
            part.grad = None
        loss.backward()
        for part in (self.states, self.weight, self.bias):
            assert part.grad is not None
            yield part.grad


def in_double(head: Head) -> Tensor:
    return functional.cross_entropy(head.logits(), head.labels, ignore_index=IGNORED, reduction="sum")


@pytest.mark.parametrize("rows", [None, 1, 8, 37, 100])
def test_the_sum_is_that_of_cross_entropy_for_any_chunk(rows: int | None) -> None:
    head = Head()
    assert head.ours(rows)[0].item() == pytest.approx(in_double(head).item(), rel=1e-13)


@pytest.mark.parametrize("rows", [None, 1, 8, 37, 100])
def test_the_gradients_are_those_of_autograd_for_any_chunk(rows: int | None) -> None:
    head = Head()
    expected = list(head.gradients(0.3 * in_double(head)))
    for ours, theirs in zip(head.gradients(0.3 * head.ours(rows)[0]), expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_right_predictions_are_counted_as_argmax_would() -> None:
    head = Head(torch.float32)
    best = head.logits().argmax(1)
    head.labels[1:20:2] = best[1:20:2]
    expected = (best == head.labels).sum().item()
    assert expected >= 8
    assert head.ours()[1].item() == expected


def test_float32_keeps_float32s_digits() -> None:
    narrow, wide = Head(torch.float32), Head()
    assert narrow.ours()[0].item() == pytest.approx(in_double(wide).item(), rel=1e-6)
    for ours, exact in zip(narrow.gradients(narrow.ours()[0]), wide.gradients(in_double(wide)), strict=True):
        assert torch.allclose(ours.double(), exact, rtol=1e-4, atol=1e-4)


def test_autocast_is_as_near_to_the_truth_as_it_is_without_chunks() -> None:
    head = Head(torch.float32)
    exact = list(head.gradients(in_double(head)))
    with torch.autocast("cpu", torch.bfloat16):
        total, usual = head.ours(8)[0], head.theirs()
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(usual.item(), rel=1e-5)
    chunked, whole = list(head.gradients(total)), list(head.gradients(usual))
    for ours, theirs, truth in zip(chunked, whole, exact, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - truth).norm() < 1.5 * (theirs - truth).norm() + 1e-6


def test_large_logits_do_not_overflow() -> None:
    head = Head(torch.float32)
    with torch.no_grad():
        head.states *= 1000
    assert head.ours()[0].item() == pytest.approx(in_double(head).item(), rel=1e-5)
    assert all(gradient.isfinite().all() for gradient in head.gradients(head.ours()[0]))


def test_padding_of_the_weight_is_neither_predicted_nor_trained() -> None:
    head = Head()
    with torch.no_grad():
        head.bias[VOCABULARY:] = 1e4
    assert head.ours()[0].item() == pytest.approx(in_double(head).item(), rel=1e-13)
    _, weight, bias = head.gradients(head.ours()[0])
    assert weight.shape == (PADDED, EMBEDDING)
    assert not weight[VOCABULARY:].any()
    assert not bias[VOCABULARY:].any()
    assert weight[:VOCABULARY].any(1).all()


def test_ignored_positions_get_no_gradient() -> None:
    head = Head()
    states, *_ = head.gradients(head.ours()[0])
    assert not states[::5].any()
    assert states[1::5].any(1).all()


@pytest.mark.parametrize("n", [0, 5])
def test_nothing_to_predict_is_no_loss_and_no_gradient(n: int) -> None:
    head = Head(torch.float32, n)
    head.labels[:] = IGNORED
    total, correct = head.ours()
    assert (total.item(), correct.item()) == (0.0, 0)
    assert not any(gradient.any() for gradient in head.gradients(total))


def test_without_gradients_none_are_made() -> None:
    head = Head(torch.float32)
    with torch.inference_mode():
        total, correct = head.ours()
    assert total.grad_fn is None
    trained = head.ours()
    assert (total.item(), correct.item()) == (trained[0].item(), trained[1].item())


def test_the_same_input_gives_the_same_bits() -> None:
    first, second = (list(head.gradients(head.ours(8)[0])) for head in (Head(torch.float32), Head(torch.float32)))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_a_second_backward_pass_is_refused_rather_than_wrong() -> None:
    head = Head()
    total, _ = head.ours()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="run the forward pass again"):
        total.backward()


def test_a_frozen_decoder_still_passes_gradients_to_the_states() -> None:
    head = Head()
    expected, *_ = head.gradients(in_double(head))
    head.states.grad = None
    masked_cross_entropy(head.states, head.weight.detach(), head.bias.detach(), head.labels, VOCABULARY)[0].backward()
    assert torch.allclose(head.states.grad, expected, rtol=1e-11)


def test_gpus_take_more_positions_at_once_but_bounded_logits() -> None:
    assert rows_at_once(128_000, "cpu") == 256
    assert rows_at_once(32_000, "cuda") * 32_000 <= 2**28
    assert rows_at_once(128_000, "cuda") >= 2000
