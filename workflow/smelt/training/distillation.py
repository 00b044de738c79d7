"""Distillation as an objective: a student learns from its teachers' predictions, states and attentions.

kl, mlm and cosine follow DistilBERT (Sanh et al. 2019, section 2) and Eliquare (section 3); hidden and attention
follow TinyBERT and MobileBERT. A loss of weight zero is not built, and teachers run only if a loss needs them.
Teachers never train.
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
    DecoderInputs,
    HiddenStates,
    Softening,
    soft_and_hard_losses,
)
from smelt.training.examples import IGNORED
from smelt.training.forward_pass import ForwardPass, RequiredOutputs, show_distributions
from smelt.training.losses import Losses
from smelt.training.objectives import MaskedLanguageModel, Term
from smelt.training.pieces import Pieces

MOST_PADDING = 1024  # rows; vocabularies are padded to much smaller multiples


class Teachers:
    """One or several teachers: in evaluation and inference mode, in the precision of the recipe.

    Deliberately not a module, so that they are neither saved nor trained with the module that holds them.
    """

    def __init__(self, models: Sequence[Any], precision: Precision, required: RequiredOutputs) -> None:
        """Freeze the models, in place; the outputs asked for decide their attention kernel."""
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.models = [model.eval().requires_grad_(False).to(dtype) for model in models]
        self.required_outputs = required
        for model in self.models if required.attentions else []:
            show_distributions(model)

    def apply(self, change: Callable[[Tensor], Tensor]) -> None:
        """Change all tensors as torch does when a module is moved, keeping their precision."""
        for model in self.models:
            dtype = model.dtype
            model._apply(change).to(dtype)

    def __call__(self, batch: Batch) -> list[ForwardPass]:
        """Run each teacher over a batch."""
        with torch.inference_mode(), torch.autocast(batch.input_ids.device.type, enabled=False):
            return [ForwardPass(model, batch, self.required_outputs) for model in self.models]


def decoder_inputs_of(teacher_output: ForwardPass, positions: Tensor) -> DecoderInputs:
    """Return the inputs of a teacher's decoder at some positions of the flattened batch, and the decoder."""
    with torch.inference_mode(), torch.autocast(positions.device.type, enabled=False):
        decoder = teacher_output.decoder
        return DecoderInputs(teacher_output.states_at(positions), decoder.weight, decoder.bias)


def refuse_other_vocabulary(name: str, model: Any, pieces: int, kind: str = "the student's tokenizer") -> None:
    """Refuse a model that cannot have a vocabulary of `pieces` pieces: it has too few rows, or far too many.

    The pieces themselves are not compared here, because a model does not contain them; see `refuse_other_pieces`.

    Raises:
        SmeltError: the vocabulary has another size; the message begins with `name`.
    """
    rows = family_of(model).decoder(model).out_features
    if not pieces <= rows < pieces + MOST_PADDING:
        raise SmeltError(name, f"expected the {pieces:,} pieces of {kind}; found a vocabulary of {rows:,}")


def refuse_other_pieces(name: str, theirs: Any, ours: Any) -> None:
    """Refuse a tokenizer whose ids mean other pieces than the student's.

    Args:
        name: of the first tokenizer, for the message.
        theirs: a tokenizer of transformers.
        ours: the student's tokenizer.

    Raises:
        SmeltError: they differ; the message names the first id at which they do.
    """
    one, other = (part.convert_ids_to_tokens(range(len(part))) for part in (theirs, ours))
    if len(one) != len(other):
        raise SmeltError(name, f"expected the same pieces as the student's, {len(other):,}; found {len(one):,}")
    if one != other:
        place = next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
        message = f"expected the same pieces as the student's; found {one[place]!r} at id {place}, not {other[place]!r}"
        raise SmeltError(name, message)


class Distillation(nn.Module):
    """The weighted losses of a distillation; its parameters are their projections."""

    def __init__(
        self, losses: Losses, teachers: Teachers | None, softening: Softening, layer_losses: dict[str, nn.Module]
    ) -> None:
        """Take the weights, the teachers, how to compare predictions, and the losses over states by name of term."""
        super().__init__()
        self.losses, self.teachers, self.softening = losses, teachers, softening
        self.required_outputs = required_outputs_of(losses)
        self.layer_losses = nn.ModuleDict(layer_losses)
        self.register_load_state_dict_pre_hook(_rename_weights)  # type: ignore[no-untyped-call]

    def terms(self, output: ForwardPass) -> Iterator[Term]:
        """Yield the terms of a pass, without those of weight 0."""
        teacher_outputs = self.teachers(output.batch) if self.teachers else []
        if self.losses.kl:
            yield from self._predictions(output, teacher_outputs)
        elif self.losses.mlm:
            (term,) = MaskedLanguageModel(self.softening.vocabulary).terms(output)
            yield self._term("mlm", term.total, term.count, term.correct)
        count = output.batch.labels.new_full((), output.batch.tokens)
        for name, layer_loss in self.layer_losses.items():
            yield self._term(name, layer_loss(output, teacher_outputs), count)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return the number of tokens over which each term is summed."""
        everywhere = dict.fromkeys(self.weights(), batch.tokens)
        if "kl" in everywhere and self.losses.positions == "masked":
            everywhere["kl"] = len(batch.masked)
        if "mlm" in everywhere:
            everywhere["mlm"] = int((batch.labels != IGNORED).sum())
        return everywhere

    def weights(self) -> dict[str, float]:
        """Return the weight of each term, without those of weight 0."""
        return {name: weight for name, weight in self.losses.weights().items() if weight}

    def _predictions(self, output: ForwardPass, teacher_outputs: Sequence[ForwardPass]) -> Iterator[Term]:
        """Yield the term kl, and mlm from the same logits unless its weight is 0."""
        batch = output.batch
        positions = positions_of(batch) if self.losses.positions == "all" else batch.masked
        labels = batch.labels if self.losses.mlm else batch.labels[:0]
        soft, hard, correct = soft_and_hard_losses(
            output.states_at(positions),
            output.decoder.weight,
            output.decoder.bias,
            [decoder_inputs_of(one, positions) for one in teacher_outputs],
            labels,
            self._softening(output),
        )
        yield self._term("kl", soft, labels.new_full((), len(positions)))
        if self.losses.mlm:
            yield self._term("mlm", hard, (labels != IGNORED).sum(), correct)

    def _softening(self, output: ForwardPass) -> Softening:
        """Return how to compare predictions, with the ratio of mlm's share of the loss to kl's."""
        if not self.losses.mlm:
            return replace(self.softening, ratio=0.0)
        counts = output.counts or self.counts(output.batch)
        of_kl, of_mlm = (getattr(self.losses, name) / max(counts[name], 1) for name in ("kl", "mlm"))
        return replace(self.softening, ratio=of_mlm / of_kl)

    def _term(self, name: str, total: Tensor, count: Tensor, correct: Tensor | None = None) -> Term:
        return Term(name, total, count, correct, self.weights()[name])

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move the teachers with this module."""
        if self.teachers:
            self.teachers.apply(fn)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


def _rename_weights(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:  # noqa: ARG001 - torch's
    """Give the weights of a checkpoint of an earlier version, which called layer losses imitations, their names."""
    earlier, today = f"{prefix}imitations.", f"{prefix}layer_losses."
    for name in [name for name in state if name.startswith(earlier)]:
        state[today + name.removeprefix(earlier)] = state.pop(name)


def distillation_of(
    losses: Losses,
    teachers: Sequence[Any],
    student: Any,
    pieces: Pieces,
    precision: Precision,
    shared: int | None = None,
) -> Distillation:
    """Return the objective that teaches a student; freeze and cast the teachers in place, if any loss needs them.

    Args:
        losses: their weights, and the positions and layers that they compare.
        teachers: models of transformers with a head for masked tokens, with the same pieces as the student.
        student: such a model, whose rows may be padded. If attention is compared, its kernel is changed.
        pieces: of the tokenizer that they all share.
        precision: in which the teachers run.
        shared: kl compares only this many first pieces; by default all.

    Raises:
        SmeltError: there is no teacher, a vocabulary differs, numbers of heads differ, or a mapped layer does not
            exist.
    """
    softening = Softening(pieces.size, losses.temperature, shared)
    if not losses.needs_teachers:
        return Distillation(losses, None, softening, {})
    refuse_unfit(teachers, student, pieces, shared)
    if losses.attention:
        refuse_other_heads(teachers, student)
        show_distributions(student)
    layer_losses = layer_losses_of(losses, teachers, student)
    return Distillation(losses, Teachers(teachers, precision, required_outputs_of(losses)), softening, layer_losses)


def required_outputs_of(losses: Losses) -> RequiredOutputs:
    """Return the outputs that the losses need from a pass."""
    return RequiredOutputs(hidden_states=losses.hidden > 0, attentions=losses.attention > 0)


def layer_losses_of(losses: Losses, teachers: Sequence[Any], student: Any) -> dict[str, nn.Module]:
    """Return the losses over states and attentions by name of term, in the order of the settings.

    Raises:
        SmeltError: a mapped layer does not exist.
    """
    found: dict[str, nn.Module] = {}
    width, widths = student.config.hidden_size, [teacher.config.hidden_size for teacher in teachers]
    if losses.cosine:
        found["cosine"] = CosineOfStates(width, widths)
    maps = [layer_map(losses.layers, student, teacher) for teacher in teachers]
    if losses.hidden:
        found["hidden"] = HiddenStates(width, widths, maps)
    if losses.attention:
        found["attention"] = Attentions(maps)
    return found


def layer_map(layers: Sequence[int] | None, student: Any, teacher: Any) -> list[int]:
    """Return the teacher's layer for each of the student's, counted from 1; by default spread evenly.

    If the student has more layers, several learn from one. Its last layer always learns from the teacher's last.

    Raises:
        SmeltError: the number of layers given is not the student's, or the teacher lacks one of them.
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
    """Return all positions of the flattened batch that are not padding, masked ones first, shape (tokens,)."""
    rank = torch.ones_like(batch.input_ids).flatten()
    if batch.attention_mask is not None:
        rank += 1 - batch.attention_mask.flatten()
    rank[batch.masked] = 0
    return rank.argsort(stable=True)[: batch.tokens]  # the number is known on the CPU: no wait for the GPU


def refuse_unfit(teachers: Sequence[Any], student: Any, pieces: Pieces, shared: int | None) -> None:
    """Refuse teachers that cannot teach a student of these pieces.

    Raises:
        SmeltError: there are none, or a vocabulary differs.
    """
    if not teachers:
        raise SmeltError("teacher", "there is none, and the losses other than mlm need one")
    if shared is not None and not 0 < shared <= pieces.size:
        raise SmeltError("shared", f"expected 1 to {pieces.size:,} first pieces of the student's; found {shared:,}")
    refuse_other_vocabulary("student", student, pieces.size, "its tokenizer")
    for teacher in teachers:
        refuse_other_vocabulary(name_of(teacher), teacher, pieces.size)


def refuse_other_heads(teachers: Sequence[Any], student: Any) -> None:
    """Refuse to compare the attention of models with different numbers of heads.

    Raises:
        SmeltError: a teacher's number is not the student's.
    """
    ours = student.config.num_attention_heads
    for teacher in teachers:
        if (theirs := teacher.config.num_attention_heads) != ours:
            message = f"has {theirs} attention heads, the student {ours}; losses.attention compares them one by one"
            raise SmeltError(name_of(teacher), message)


def name_of(teacher: Any) -> str:
    """Return a teacher's name: the folder that it was loaded from."""
    return str(teacher.name_or_path or "teacher")
