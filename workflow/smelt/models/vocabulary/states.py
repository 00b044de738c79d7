"""Run a whole model and a reduced one on lines of kept pieces: whatever both compute must be equal bit for bit.

Weights are compared in their files, block by block, and those that both models have are then shared, so that both take
the memory of one, and only weights that are used are read. A layer whose weights are shared, and whose inputs are equal
bit for bit, computes the same: it runs once. Of the whole model's head only the rows of kept pieces are used: a product
of another width may add up the same sums in another order. Where a head multiplies by the input's embeddings themselves
(DeBERTa's own), all rows are used, and logits may differ by the rounding of single precision.
"""

import functools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smelt.errors import SmeltError
from smelt.model_families import head_of, token_types
from smelt.model_folder import incomplete, load_as, read_configuration
from smelt.models.vocabulary.equivalence import ComparedTokens, Extent, FolderPair, TokenizerPair
from smelt.models.vocabulary.tensors import Ids
from smelt.models.vocabulary.weights import check_configuration, check_weights, layout_of

ROUNDING = 2.0**-24
"""Unit roundoff of single precision."""
_LOGITS = 1 << 25
"""Logits of pieces computed at once, at most (where a line has fewer)."""


@dataclass(frozen=True)
class EncodedLines:
    """A batch of lines, as the tokenizers of both models encode them; ids of shape (lines, length)."""

    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    shown: str
    """How errors name the lines."""


@dataclass(frozen=True)
class ProofLines:
    """What the models are to compute, which needs no tokenizer any more: these take much memory."""

    records: Mapping[str, dict[str, Any]]
    """What the comparison of the tokenizers found, by language."""
    batches: Mapping[str, Sequence[EncodedLines]]
    """Lines of kept pieces, by language."""
    length: int
    """Tokens of a line at most."""


@dataclass
class ComparedStates:
    """How much was compared, and the largest difference."""

    lines: int = 0
    tokens: int = 0
    hidden_states: int = 0
    """Vectors that were compared bit for bit: one a token and layer, the embeddings' included."""
    logits: int = 0
    """Logits of kept pieces."""
    largest_difference: float = 0.0
    largest_share_of_bound: float = 0.0

    def record(self, headed: bool) -> dict[str, Any]:
        """Return the figures; those of logits where the model has a head that predicts pieces."""
        exact = {"lines": self.lines, "tokens": self.tokens, "hidden_states_equal_bit_for_bit": self.hidden_states}
        rounded = {
            "logits_of_kept_pieces": self.logits,
            "largest_difference": self.largest_difference,
            "largest_share_of_the_rounding_bound": self.largest_share_of_bound,
        }
        return exact | (rounded if headed else {})


class ModelPair:
    """The whole model and the reduced one, on the CPU in single precision."""

    def __init__(self, source: Path, reduced: Path, ids: Ids, where: str) -> None:
        """Load both, and compare and share their weights.

        Raises:
            SmeltError: a model cannot be loaded, or a weight of the reduced one is not the source's.
        """
        configuration = read_configuration(source, where)
        check_configuration(configuration, read_configuration(reduced, where), ids, where)
        layout = layout_of(configuration, where)
        check_weights(source, reduced, ids, layout, where)
        self.where, self.ids = where, torch.tensor(ids)
        self.before, self.after = load(source, configuration, where), load(reduced, configuration, where)
        self.output = head_of(self.after, where)
        self._share_weights()
        self._share_layers()
        self._last: Tensor | None = None
        if self.output is not None:
            self.output.module.register_forward_hook(self._note)

    def compare(self, lines: EncodedLines, states: ComparedStates) -> None:
        """Compute both models' outputs on a batch of lines, and add what was compared to `states`.

        Raises:
            SmeltError: anything differs by more than rounding of logits.
        """
        old, new, line = lines.before, lines.after, lines.shown
        with torch.inference_mode():
            one = self.before(**self._inputs(old), output_hidden_states=True)
            other = self.after(**self._inputs(new), output_hidden_states=True)
        states.lines += len(old["input_ids"])
        states.tokens += int(old["attention_mask"].sum())
        for part in ("hidden_states", "encoder_hidden_states", "decoder_hidden_states"):
            layers = zip(other.get(part) or (), one.get(part) or (), strict=True)
            for layer, (ours, theirs) in enumerate(layers):
                self._check_same(f"{part.replace('_', ' ')} of layer {layer}", ours, theirs, line)
                states.hidden_states += int(old["attention_mask"].sum())
        for name, theirs in one.items():
            ours = other[name]
            if isinstance(theirs, Tensor) and ours.shape == theirs.shape:
                self._check_same(name, ours, theirs, line)
                states.logits += ours.numel() if self.output is not None and name.endswith("logits") else 0
            elif isinstance(theirs, Tensor):
                self._check_logits(name, ours, theirs[..., self.ids], states, line)

    def _inputs(self, encoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a model is called with; a decoder reads the line that its encoder reads."""
        if not self.before.config.is_encoder_decoder:
            return dict(encoded)
        ids, mask = encoded["input_ids"], encoded["attention_mask"]
        return dict(encoded) | {"decoder_input_ids": ids, "decoder_attention_mask": mask}

    def _note(self, _: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert self.output is not None
        self._last = output if self.output.after else inputs[0]

    def _check_same(self, name: str, ours: Tensor, theirs: Tensor, line: str) -> None:
        if not torch.equal(ours, theirs):
            largest = float((ours - theirs).abs().max())
            raise SmeltError(self.where, f"is not exact: its {name} differ by up to {largest:.3g} on {line}")

    def _check_logits(self, name: str, ours: Tensor, theirs: Tensor, states: ComparedStates, line: str) -> None:
        """Compare logits within the bound of rounding: twice n u / (1 - n u) times |h| |w| + |b| for sums of n terms.

        The bound of an inner product in any order of addition is Higham's (2002, equation 3.5), by Cauchy and Schwarz.
        """
        assert self.output is not None
        assert self._last is not None
        weight = self.output.weight.detach()
        bias = None if self.output.bias is None else self.output.bias.detach()
        terms = weight.shape[1] + 1
        size = self._last.norm(dim=-1, keepdim=True) * weight.norm(dim=1) + (0 if bias is None else bias.abs())
        bound = size * (2 * terms * ROUNDING / (1 - terms * ROUNDING))
        difference = (ours - theirs).abs_()
        states.logits += difference.numel()
        states.largest_difference = max(states.largest_difference, float(difference.max()))
        share = float((difference / bound).nan_to_num_(0.0).max())  # a row of zeros, as of padding, has no rounding
        states.largest_share_of_bound = max(states.largest_share_of_bound, share)
        if not bool((difference <= bound).all()):
            largest = states.largest_difference
            raise SmeltError(
                self.where, f"is not exact: its {name} differ by up to {largest:.3g}, more than rounding, on {line}"
            )

    def _share_weights(self) -> None:
        """Let both models read the weights that they have in common from one place.

        Those are, but for a head that multiplies by the input's embeddings, all weights other than these: of a head the
        whole model keeps the rows of kept pieces alone, which were found to be equal in the files.
        """
        inputs, wide = self.before.get_input_embeddings(), self.output is not None and self.output.after
        theirs = dict(self.before.named_parameters(remove_duplicate=False))
        theirs |= dict(self.before.named_buffers())
        ours = [*self.after.named_parameters(remove_duplicate=False), *self.after.named_buffers()]
        for name, tensor in ours:
            owner, _, leaf = name.rpartition(".")
            module = self.before.get_submodule(owner)
            if tensor.shape == theirs[name].shape:
                tensor.data = theirs[name].data
            elif not wide and not (theirs[name] is inputs.weight and isinstance(module, torch.nn.Embedding)):
                setattr(module, leaf, tensor)

    def _share_layers(self) -> None:
        """Let a layer with the same weights in both models run once for the same inputs.

        Layers are the members of lists; of lists within lists the inner ones, as transformers may look at these.
        """
        theirs, ours = (dict(model.named_modules()) for model in (self.before, self.after))
        layers = [name for name in ours if name.rpartition(".")[2].isdigit()]
        for name in layers:
            inner = any(other.startswith(f"{name}.") for other in layers)
            if not inner and _places(ours[name]) == _places(theirs[name]):
                run_once(theirs[name], ours[name])


def _places(module: torch.nn.Module) -> list[int]:
    """Return where the weights of a module lie in memory."""
    return [tensor.data_ptr() for tensor in [*module.parameters(), *module.buffers()]]


def run_once(first: torch.nn.Module, second: torch.nn.Module) -> None:
    """Let a module return what its equal returned before it, as long as their inputs are equal bit for bit.

    Both have the same weights and settings, and the first is always called as often as the second, before it.
    """
    compute, compute_again = first.forward, second.forward
    calls: deque[tuple[Any, Any]] = deque()

    @functools.wraps(compute)
    def note(*arguments: Any, **named: Any) -> Any:
        output = compute(*arguments, **named)
        calls.append(((arguments, named), output))
        return output

    @functools.wraps(compute_again)
    def look_up(*arguments: Any, **named: Any) -> Any:
        inputs, output = calls.popleft()
        return output if _are_equal(inputs, (arguments, named)) else compute_again(*arguments, **named)

    first.forward, second.forward = note, look_up


def _are_equal(one: Any, other: Any) -> bool:
    """Return whether inputs are equal; those that may change while a model runs, as caches do, never are."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_are_equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    return isinstance(one, bool | int | float | str | None) and one == other


def load(folder: Path, configuration: Any, where: str) -> Any:
    """Return the model of a folder in the class that it was saved as, or as a bare encoder if its head lacks weights.

    Raises:
        SmeltError: the weights cannot be read, or weights of the encoder are missing.
    """
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    missing: list[str] = []
    named = [getattr(transformers, name) for name in configuration.architectures or []]
    for kind in (*named[:1], transformers.AutoModel):
        torch.manual_seed(0)  # a pooler that the checkpoint lacks starts at random, the same each time
        model, missing = load_as(kind, folder, where)
        if not missing:
            return model.eval()
    raise incomplete(missing, where)


def encode_lines(
    made: FolderPair,
    both: TokenizerPair,
    extent: Extent,
    languages: Mapping[str, tuple[dict[str, Any], ComparedTokens]],
) -> ProofLines:
    """Return the lines that the models are to compute, from each language's record and compared lines."""
    configuration = read_configuration(made.source, made.where)
    layout = layout_of(configuration, made.where)
    positions = getattr(configuration, "max_position_embeddings", None) or 0
    positions = positions if positions > 0 else 10**9  # XLNet's -1 stands for no limit
    length = min(extent.length, positions - layout.first_position - 1)
    # Two lines at least, so that the shorter is padded.
    widest = configuration.vocab_size if layout.wide else len(made.ids)
    size = min(max(_LOGITS // (128 * widest), 2), 16) if both.before.pad_token is not None else 1

    def batch(language: str, lines: list[str]) -> EncodedLines:
        old, new = (_encode(one, lines, length, token_types(configuration) > 0) for one in (both.before, both.after))
        shown = f"a held-out line of {language}: {lines[0][:200]!r}"
        return EncodedLines(old, new, shown + (f" or one of the {len(lines) - 1} after it" if lines[1:] else ""))

    found = {}
    for language, (_, tokens) in languages.items():
        step = max(len(tokens.whole) // max(extent.state_lines, 1), 1)  # from all over the lines, not only the first
        chosen = batches(tokens.whole[::step][: extent.state_lines], size)
        found[language] = [batch(language, lines) for lines in chosen]
    return ProofLines({language: record for language, (record, _) in languages.items()}, found, length)


def prove_states(made: FolderPair, lines: ProofLines, threads: int) -> dict[str, Any]:
    """Return the record of each language's lines, with the comparison of both models on lines of kept pieces.

    Raises:
        SmeltError: as `ModelPair.compare` does.
    """
    torch.set_num_threads(threads)
    models = ModelPair(made.source, made.reduced, made.ids, made.where)
    found = {}
    for language, said in lines.records.items():
        states = ComparedStates()
        for batch in lines.batches[language]:
            models.compare(batch, states)
        found[language] = said | {"states": states.record(models.output is not None)}
    return {"device": "cpu", "precision": "fp32", "threads": threads, "length": lines.length, "languages": found}


def _encode(tokenizer: Any, lines: list[str], length: int, token_types: bool) -> dict[str, torch.Tensor]:
    encoded = tokenizer(
        lines,
        truncation=True,
        max_length=length,
        padding=tokenizer.pad_token is not None,
        return_attention_mask=True,
        return_token_type_ids=token_types,
        return_tensors="pt",
    )
    return dict(encoded)


def batches(lines: Sequence[str], size: int) -> list[list[str]]:
    """Return lines in batches."""
    return [list(lines[begin : begin + size]) for begin in range(0, len(lines), size)]
