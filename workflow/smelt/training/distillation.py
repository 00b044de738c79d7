"""Distillation as an objective: a student learns from its teachers' predictions, states and attentions.

kl, mlm and cosine are those of DistilBERT (Sanh et al. 2019, section 2) and Eliquare (section 3); hidden and attention
those of TinyBERT and MobileBERT. A loss of weight zero is not built, and where no loss needs the teachers they do not
run. Teachers never train.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from smelt.entry import Precision
from smelt.errors import SmeltError
from smelt.model_families import family_of
from smelt.training.data import Batch
from smelt.training.distillation_losses import (
    Attentions,
    CosineOfStates,
    HiddenStates,
    Lesson,
    Softening,
    soft_and_hard_losses,
)
from smelt.training.examples import IGNORED
from smelt.training.forward_pass import Asked, Pass, show_distributions
from smelt.training.losses import Losses
from smelt.training.objectives import MaskedLanguageModel, Term
from smelt.training.pieces import Pieces

MOST_PADDING = 1024  # rows; vocabularies are padded to multiples of far less


class Teachers:
    """One teacher or several: in evaluation, under inference mode, in the precision of the recipe.

    No module on purpose, so that they are neither saved nor trained with what holds them.
    """

    def __init__(self, models: Sequence[Any], precision: Precision, asked: Asked) -> None:
        """Freeze the models, in place; what they are asked decides their attention kernel."""
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.models = [model.eval().requires_grad_(False).to(dtype) for model in models]
        self.asked = asked
        for model in self.models if asked.attentions else []:
            show_distributions(model)

    def apply(self, change: Callable[[Tensor], Tensor]) -> None:
        """Change all tensors as torch does when a module is moved, keeping their precision."""
        for model in self.models:
            dtype = model.dtype
            model._apply(change).to(dtype)

    def __call__(self, batch: Batch) -> list[Pass]:
        """Return the pass of each teacher over a batch."""
        with torch.inference_mode(), torch.autocast(batch.input_ids.device.type, enabled=False):
            return [Pass(model, batch, self.asked) for model in self.models]


def lesson_of(taught: Pass, positions: Tensor) -> Lesson:
    """Return what a teacher's decoder is given of some positions, counted through all rows of the batch."""
    with torch.inference_mode(), torch.autocast(positions.device.type, enabled=False):
        decoder = taught.decoder
        return Lesson(taught.states_at(positions), decoder.weight, decoder.bias)


def refuse_other_vocabulary(name: str, model: Any, pieces: int, kind: str = "the student's tokenizer") -> None:
    """Refuse a model whose vocabulary cannot be that of `pieces` pieces: it has too few rows, or far too many.

    Names of pieces are not compared here, because models know none; see `refuse_other_pieces`.

    Raises:
        SmeltError: with the name given.
    """
    rows = family_of(model).decoder(model).out_features
    if not pieces <= rows < pieces + MOST_PADDING:
        raise SmeltError(name, f"expected the {pieces:,} pieces of {kind}; found a vocabulary of {rows:,}")


def refuse_other_pieces(name: str, theirs: Any, ours: Any) -> None:
    """Refuse a tokenizer whose ids mean other pieces than another's.

    Args:
        name: of theirs, for the message.
        theirs: a tokenizer of transformers.
        ours: another.

    Raises:
        SmeltError: they differ, with the first id at which they do.
    """
    one, other = (part.convert_ids_to_tokens(range(len(part))) for part in (theirs, ours))
    if len(one) != len(other):
        raise SmeltError(name, f"expected the same pieces as the student's, {len(other):,}; found {len(one):,}")
    if one != other:
        place = next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
        message = f"expected the same pieces as the student's; found {one[place]!r} at id {place}, not {other[place]!r}"
        raise SmeltError(name, message)


class Distillation(nn.Module):
    """The weighted losses of a distillation; its parameters are the projections that they need."""

    def __init__(
        self, losses: Losses, teachers: Teachers | None, softening: Softening, imitations: dict[str, nn.Module]
    ) -> None:
        """Take the weights, whom to ask, how predictions are compared, and what imitates states, by its term."""
        super().__init__()
        self.losses, self.teachers, self.softening = losses, teachers, softening
        self.asked = asked_of(losses)
        self.imitations = nn.ModuleDict(imitations)

    def terms(self, output: Pass) -> Iterator[Term]:
        """Yield the terms of a pass, those of weight 0 left out."""
        taught = self.teachers(output.batch) if self.teachers else []
        if self.losses.kl:
            yield from self._predictions(output, taught)
        elif self.losses.mlm:
            (term,) = MaskedLanguageModel(self.softening.vocabulary).terms(output)
            yield self._term("mlm", term.total, term.count, term.correct)
        count = output.batch.labels.new_full((), output.batch.tokens)
        for name, imitation in self.imitations.items():
            yield self._term(name, imitation(output, taught), count)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return over how many tokens each term is summed."""
        everywhere = dict.fromkeys(self.weights(), batch.tokens)
        if "kl" in everywhere and self.losses.positions == "masked":
            everywhere["kl"] = len(batch.masked)
        if "mlm" in everywhere:
            everywhere["mlm"] = int((batch.labels != IGNORED).sum())
        return everywhere

    def weights(self) -> dict[str, float]:
        """Return the weight of each term, those of weight 0 left out."""
        return {name: weight for name, weight in self.losses.weights().items() if weight}

    def _predictions(self, output: Pass, taught: Sequence[Pass]) -> Iterator[Term]:
        """Yield the term kl, and mlm from the same logits if it weighs anything."""
        batch = output.batch
        positions = positions_of(batch) if self.losses.positions == "all" else batch.masked
        labels = batch.labels if self.losses.mlm else batch.labels[:0]
        soft, hard, correct = soft_and_hard_losses(
            output.states_at(positions),
            output.decoder.weight,
            output.decoder.bias,
            [lesson_of(one, positions) for one in taught],
            labels,
            self._softening(output),
        )
        yield self._term("kl", soft, labels.new_full((), len(positions)))
        if self.losses.mlm:
            yield self._term("mlm", hard, (labels != IGNORED).sum(), correct)

    def _softening(self, output: Pass) -> Softening:
        """Return how predictions are compared, with what mlm adds to the loss for each unit that kl adds."""
        if not self.losses.mlm:
            return replace(self.softening, ratio=0.0)
        counts = output.counts or self.counts(output.batch)
        of_kl, of_mlm = (getattr(self.losses, name) / max(counts[name], 1) for name in ("kl", "mlm"))
        return replace(self.softening, ratio=of_mlm / of_kl)

    def _term(self, name: str, total: Tensor, count: Tensor, correct: Tensor | None = None) -> Term:
        return Term(name, total, count, correct, self.weights()[name])

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move the teachers, too, wherever this is moved."""
        if self.teachers:
            self.teachers.apply(fn)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


def distillation_of(
    losses: Losses,
    teachers: Sequence[Any],
    student: Any,
    pieces: Pieces,
    precision: Precision,
    shared: int | None = None,
) -> Distillation:
    """Return the objective that teaches a student; the teachers are frozen and cast in place, if any loss needs them.

    Args:
        losses: their weights, and what they are taken over.
        teachers: models of transformers with a head for masked tokens, of the same pieces as the student.
        student: such a model, whose rows may be padded. Where attention is compared, its kernel is changed.
        pieces: of the tokenizer that all of them have.
        precision: in which the teachers run.
        shared: kl is over so many first pieces only; by default over all.

    Raises:
        SmeltError: there is no teacher, a vocabulary is another one, heads differ, or layers are mapped that are not
            there.
    """
    softening = Softening(pieces.size, losses.temperature, shared)
    if not losses.ask_teachers:
        return Distillation(losses, None, softening, {})
    refuse_unfit(teachers, student, pieces, shared)
    if losses.attention:
        refuse_other_heads(teachers, student)
        show_distributions(student)
    imitations = imitations_of(losses, teachers, student)
    return Distillation(losses, Teachers(teachers, precision, asked_of(losses)), softening, imitations)


def asked_of(losses: Losses) -> Asked:
    """Return what losses ask of a pass."""
    return Asked(hidden_states=losses.hidden > 0, attentions=losses.attention > 0)


def imitations_of(losses: Losses, teachers: Sequence[Any], student: Any) -> dict[str, nn.Module]:
    """Return what imitates states and attentions, by its term, in the order of the losses.

    Raises:
        SmeltError: layers are mapped that are not there.
    """
    imitations: dict[str, nn.Module] = {}
    width, widths = student.config.hidden_size, [teacher.config.hidden_size for teacher in teachers]
    if losses.cosine:
        imitations["cosine"] = CosineOfStates(width, widths)
    maps = [layer_map(losses.layers, student, teacher) for teacher in teachers]
    if losses.hidden:
        imitations["hidden"] = HiddenStates(width, widths, maps)
    if losses.attention:
        imitations["attention"] = Attentions(maps)
    return imitations


def layer_map(layers: Sequence[int] | None, student: Any, teacher: Any) -> list[int]:
    """Return the teacher's layer for each of the student's, counted from 1; by default spread evenly.

    A student of more layers has several that learn from one; its last learns from the teacher's last in any case.

    Raises:
        SmeltError: layers are given for more or fewer than the student has, or one that the teacher does not have.
    """
    ours, theirs = student.config.num_hidden_layers, teacher.config.num_hidden_layers
    if layers is None:
        return [
            layer * theirs // ours if ours <= theirs else -(-layer * theirs // ours) for layer in range(1, ours + 1)
        ]
    if len(layers) != ours:
        message = f"expected a layer of the teacher for each of the student's {ours}; found {len(layers)}"
        raise SmeltError("losses.layers", message)
    if max(layers) > theirs:
        message = f"{name_of(teacher)} has {theirs} layers, counted from 1; found layer {max(layers)}"
        raise SmeltError("losses.layers", message)
    return list(layers)


def positions_of(batch: Batch) -> Tensor:
    """Return all positions that are no padding, counted through all rows, masked ones first, shape (tokens,)."""
    turn = torch.ones_like(batch.input_ids).flatten()
    if batch.attention_mask is not None:
        turn += 1 - batch.attention_mask.flatten()
    turn[batch.masked] = 0
    return turn.argsort(stable=True)[: batch.tokens]  # their number is known, so that no GPU is waited for


def refuse_unfit(teachers: Sequence[Any], student: Any, pieces: Pieces, shared: int | None) -> None:
    """Refuse teachers that cannot teach a student of these pieces.

    Raises:
        SmeltError: there are none, or a vocabulary is another one.
    """
    if not teachers:
        raise SmeltError("teacher", "there is none, and the losses other than mlm need one")
    if shared is not None and not 0 < shared <= pieces.size:
        raise SmeltError("shared", f"expected 1 to {pieces.size:,} first pieces of the student's; found {shared:,}")
    refuse_other_vocabulary("student", student, pieces.size, "its tokenizer")
    for teacher in teachers:
        refuse_other_vocabulary(name_of(teacher), teacher, pieces.size)


def refuse_other_heads(teachers: Sequence[Any], student: Any) -> None:
    """Refuse to compare the attention of other numbers of heads.

    Raises:
        SmeltError: a teacher's is not the student's.
    """
    ours = student.config.num_attention_heads
    for teacher in teachers:
        if (theirs := teacher.config.num_attention_heads) != ours:
            message = f"has {theirs} attention heads, the student {ours}; losses.attention compares them one by one"
            raise SmeltError(name_of(teacher), message)


def name_of(teacher: Any) -> str:
    """Return what to call a teacher: the folder that it was loaded from."""
    return str(teacher.name_or_path or "teacher")
