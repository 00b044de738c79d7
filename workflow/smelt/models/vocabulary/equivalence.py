"""Check that a model with another vocabulary reads lines of shared pieces as its source does.

Weights are compared in their files, block by block, and those that both models have are then shared, so that both take
the memory of one, and only weights that are used are read. Whatever both compute must be equal bit for bit. Of the
whole model's head only the rows of kept pieces are used: a product of another width may add up the same sums in another
order. Where a head multiplies by the input's embeddings themselves (DeBERTa's own), all rows are used, and logits may
differ by the rounding of single precision.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smelt.errors import SmeltError
from smelt.model_families import head_of, token_types
from smelt.model_folder import incomplete, load_as, read_configuration, read_tokenizer
from smelt.models.vocabulary.tensors import Ids
from smelt.models.vocabulary.vocabulary import Vocabulary
from smelt.models.vocabulary.weights import check_configuration, check_weights, layout_of

_BATCH = 256
ROUNDING = 2.0**-24
"""Unit roundoff of single precision."""
_LOGITS = 1 << 25
"""Logits of pieces computed at once, at most (where a line has fewer)."""


@dataclass(frozen=True)
class Extent:
    """How much of each language a proof reads at most."""

    lines: int = 1000
    """Lines to tokenise."""
    state_lines: int = 2
    """Of those whose pieces are all kept, lines to run both models on."""
    length: int = 64
    """Tokens of a line that the models read."""
    threads: int = 1


@dataclass(frozen=True)
class FolderPair:
    """A model and its reduction, whose equivalence is to be proven."""

    source: Path
    """Folder of the whole model."""
    reduced: Path
    """Folder of the reduced one."""
    ids: Ids
    """The kept pieces, ascending."""
    where: str
    """The reduced model's name in errors."""
    loosened: bool = False
    """Whether words that were unknown may have become known (smelt.models.vocabulary.kinds)."""
    vocabulary: Vocabulary | None = None
    """The whole model's, where it was read: the reduced tokenizer is then compared with it part by part."""


@dataclass
class SegmentationTotals:
    """Sums over lines, as one tokenizer cuts them."""

    words: int = 0
    pieces: int = 0
    unknown: int = 0

    def add(self, line: str, ids: Ids, unknown: int | None) -> None:
        """Count a line."""
        self.words += len(line.split())
        self.pieces += len(ids)
        self.unknown += int((ids == unknown).sum()) if unknown is not None else 0

    def ratios(self) -> dict[str, float | None]:
        """Return fertility (pieces a whitespace word) and the share of unknown pieces; None where there is no line."""
        return {
            "fertility": self.pieces / self.words if self.words else None,
            "unknown_share": self.unknown / self.pieces if self.pieces else None,
        }


@dataclass
class ComparedTokens:
    """How the two tokenizers cut a language's lines."""

    lines: int = 0
    changed: int = 0
    """Lines that they cut differently: those that hold a piece that was not kept."""
    now_known: int = 0
    """Of these, lines whose pieces are all kept and in which a word was unknown that no longer is."""
    before: SegmentationTotals = field(default_factory=SegmentationTotals)
    after: SegmentationTotals = field(default_factory=SegmentationTotals)
    whole: list[str] = field(default_factory=list)
    """Lines whose pieces are all kept, which are cut alike."""

    def record(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "lines": self.lines,
            "lines_whose_pieces_are_all_kept": len(self.whole),
            "share_of_lines_that_tokenise_differently": self.changed / self.lines if self.lines else None,
            "lines_with_unknown_words_now_known": self.now_known,
            "before": self.before.ratios(),
            "after": self.after.ratios(),
        }


class TokenizerPair:
    """The tokenizer of the whole vocabulary and that of the kept pieces."""

    def __init__(self, before: Any, after: Any, ids: Ids, where: str, loosened: bool = False) -> None:
        """Take both, and the kept ids, ascending.

        loosened: whether unknown words may have become known (smelt.models.vocabulary.kinds); such lines are then
        counted, and not an error.

        Raises:
            SmeltError: the id of a kept piece is not its rank, or a special piece has changed.
        """
        self.before, self.after, self.ids, self.where = before, after, ids, where
        self._loosened = loosened
        self._kept = np.zeros(max(len(before), int(ids[-1]) + 1), bool)
        self._kept[ids] = True
        self._check_pieces()

    def compare(self, language: str, lines: Sequence[str]) -> ComparedTokens:
        """Return how both cut a language's lines.

        Raises:
            SmeltError: a line whose pieces are all kept is cut differently.
        """
        found = ComparedTokens()
        for begin in range(0, len(lines), _BATCH):
            batch = list(lines[begin : begin + _BATCH])
            for line, old, new in zip(batch, _cut(self.before, batch), _cut(self.after, batch), strict=True):
                self._add(found, language, line, old, new)
        return found

    def whole_of_kept(self, lines: Sequence[str]) -> list[bool]:
        """Return for each line whether all its pieces are kept."""
        return [bool(self._kept[ids].all()) for ids in _cut(self.before, list(lines))] if lines else []

    def others_of(self, line: str) -> list[int]:
        """Return the pieces of a line that are not kept."""
        return [identity for ids in _cut(self.before, [line]) for identity in ids[~self._kept[ids]].tolist()]

    def _add(self, found: ComparedTokens, language: str, line: str, old: Ids, new: Ids) -> None:
        found.lines += 1
        found.before.add(line, old, self.before.unk_token_id)
        found.after.add(line, new, self.after.unk_token_id)
        same = np.array_equal(self.ids[new], old)
        found.changed += not same
        if self._kept[old].all():
            if same:
                found.whole.append(line)
            elif self._loosened and (old == self.before.unk_token_id).any():
                found.now_known += 1
            else:
                raise SmeltError(self.where, self._difference(language, line, old, new))

    def _check_pieces(self) -> None:
        if len(self.after) != len(self.ids):
            raise SmeltError(self.where, f"the reduced tokenizer has {len(self.after)} pieces, not {len(self.ids)}")
        old = self.before.convert_ids_to_tokens(self.ids.tolist())
        new = self.after.convert_ids_to_tokens(range(len(self.ids)))
        for rank, (one, other) in enumerate(zip(old, new, strict=True)):
            if one != other:
                raise SmeltError(self.where, f"piece {one!r} was to have the id {rank}, which {other!r} has")
        for name, piece in self.before.special_tokens_map.items():
            if self.after.special_tokens_map.get(name) != piece:
                raise SmeltError(self.where, f"{name} {piece!r} has become {self.after.special_tokens_map.get(name)!r}")

    def _difference(self, language: str, line: str, old: Ids, new: Ids) -> str:
        pairs = zip(old, self.ids[new], strict=False)
        place = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))
        near = slice(max(0, place - 2), place + 4)
        one = " ".join(self.before.convert_ids_to_tokens(old[near].tolist()))
        other = " ".join(self.after.convert_ids_to_tokens(new[near].tolist()))
        return (
            f"is not exact: of a held-out line of {language} all pieces are kept, but where it was cut as {one} it is"
            f" now cut as {other}. The line: {line[:200]!r}"
        )


def _cut(tokenizer: Any, lines: list[str]) -> Iterator[Ids]:
    for ids in tokenizer(lines, add_special_tokens=False, verbose=False)["input_ids"]:
        yield np.array(ids, np.int64)


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
        with tempfile.TemporaryDirectory(prefix="smelt-proof-") as scratch:
            check_weights(source, reduced, ids, layout, where, Path(scratch))
        self.where, self.ids = where, torch.tensor(ids)
        self.before, self.after = load(source, configuration, where), load(reduced, configuration, where)
        positions = getattr(configuration, "max_position_embeddings", None) or 0
        positions = positions if positions > 0 else 10**9  # XLNet's -1 stands for no limit
        self.max_length = positions - layout.first_position - 1
        self.token_types = token_types(configuration) > 0
        self.output = head_of(self.after, where)
        self._share_weights()
        self._last: Tensor | None = None
        if self.output is not None:
            self.output.module.register_forward_hook(self._note)

    @property
    def lines_at_once(self) -> int:
        """How many lines of 128 tokens to compute at once: two at least, so that the shorter is padded."""
        narrow = self.output is None or not self.output.after
        widest = len(self.ids) if narrow else self.before.config.vocab_size
        return min(max(_LOGITS // (128 * widest), 2), 16)

    def compare(self, old: Mapping[str, Tensor], new: Mapping[str, Tensor], states: ComparedStates, line: str) -> None:
        """Compute both models' outputs on a batch of the same lines, and add what was compared to `states`.

        old, new: the lines as each one's tokenizer encodes them; ids of shape (lines, length).

        Raises:
            SmeltError: anything differs by more than rounding of logits; `line` is how the message names the lines.
        """
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


def tokenizers_of(made: FolderPair) -> TokenizerPair:
    """Return both tokenizers, which read what counts were made from as counting does.

    Raises:
        SmeltError: as `TokenizerPair` does.
    """
    if made.vocabulary is not None:
        made.vocabulary.check(made.ids, made.reduced)
    before = made.vocabulary.tokenizer if made.vocabulary else read_tokenizer(made.source)
    after = read_tokenizer(made.reduced)
    before.split_special_tokens = True  # as corpora are read, where a special piece that a text spells out is text
    return TokenizerPair(before, after, made.ids, made.where, made.loosened)


def with_states(
    made: FolderPair,
    both: TokenizerPair,
    extent: Extent,
    languages: Mapping[str, tuple[dict[str, Any], ComparedTokens]],
) -> dict[str, Any]:
    """Return the record of each language's lines, with the comparison of both models on lines of kept pieces.

    Raises:
        SmeltError: as `ModelPair.compare` does.
    """
    torch.set_num_threads(extent.threads)
    models = ModelPair(made.source, made.reduced, made.ids, made.where)
    headed = models.output is not None
    return {
        "device": "cpu",
        "precision": "fp32",
        "threads": extent.threads,
        "length": min(extent.length, models.max_length),
        "languages": {
            language: said | {"states": states_of(both, models, tokens, language, extent).record(headed)}
            for language, (said, tokens) in languages.items()
        },
    }


def states_of(
    both: TokenizerPair, models: ModelPair, tokens: ComparedTokens, language: str, extent: Extent
) -> ComparedStates:
    """Compare both models on lines of kept pieces.

    Raises:
        SmeltError: as `ModelPair.compare` does.
    """
    states = ComparedStates()
    step = max(len(tokens.whole) // max(extent.state_lines, 1), 1)  # from all over the lines, not only the first
    size = models.lines_at_once if both.before.pad_token is not None else 1
    for lines in batches(tokens.whole[::step][: extent.state_lines], size):
        length = min(extent.length, models.max_length)
        old, new = (_encode(one, lines, length, models.token_types) for one in (both.before, both.after))
        shown = f"a held-out line of {language}: {lines[0][:200]!r}"
        shown += f" or one of the {len(lines) - 1} after it" if lines[1:] else ""
        models.compare(old, new, states, shown)
    return states


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
