"""Judge a model with fewer pieces by its source, through transformers and sentence-transformers alone.

Pieces are compared by their spelling, as both tokenizers give it, and hidden states bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

STATES, LENGTH = 40, 64  # lines that the models compute, tokens of each
_WEIGHTS = {".safetensors", ".bin"}


@dataclass(frozen=True)
class Judged:
    """What a result is worth."""

    lines: int
    pieces: int
    """Of the result's tokenizer."""
    whole: int
    """Lines whose pieces are all kept."""
    exact: int
    """Of these, lines that are cut alike, and whose states are the same where they were computed."""
    cut_otherwise: int
    """Of all lines, those that are cut otherwise than by the source."""
    largest: float
    """Largest difference of a hidden state, or of an embedding of a sentence."""
    files: int
    files_before: int
    problem: str = ""


def judge(source: Path, result: Path, lines: list[str]) -> Judged:
    """Return what a result is worth on lines that the tool has not read."""
    before, after = (_files(folder) for folder in (source, result))
    kept = len(before & after)
    try:
        pieces, whole, alike, otherwise = _cut(source, result, lines)
        differences = _differences(source, result, [line for line in lines if line in alike][:STATES])
    except Exception as error:  # a result that does not load is a result
        problem = f"the result does not load: {(str(error).splitlines() or [type(error).__name__])[0][:80]}"
        return Judged(len(lines), 0, 0, 0, 0, float("nan"), kept, len(before), problem)
    other = [difference for difference in differences if not difference <= 0]  # NaN is no match either
    lost = ", ".join(sorted(before - after))
    problems = [f"{len(whole) - len(alike)} whole lines cut otherwise"] if len(alike) < len(whole) else []
    problems += (
        [f"states of {len(other)} of {len(differences)} lines differ by up to {_largest(other):.2g}"] if other else []
    )
    problems += [f"lost: {lost}"] if lost else []
    exact = len(alike) - len(other)
    largest, told = _largest(differences), "; ".join(problems)
    return Judged(len(lines), pieces, len(whole), exact, otherwise, largest, kept, len(before), told)


def _files(folder: Path) -> set[str]:
    """Return the files of a model, its weights as one."""
    if not folder.is_dir():
        return set()
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path.with_name("weights")) if path.suffix in _WEIGHTS else str(path) for path in paths}


def _cut(source: Path, result: Path, lines: Sequence[str]) -> tuple[int, set[str], set[str], int]:
    """Return the result's pieces, lines whose pieces are all kept, those of them cut alike, and how many are not."""
    from transformers import AutoTokenizer

    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (source, result))
    known = set(after.get_vocab())
    whole, alike, otherwise = set(), set(), 0
    for line in lines:
        old, new = (one.convert_ids_to_tokens(one(line)["input_ids"]) for one in (before, after))
        otherwise += old != new
        if known.issuperset(old):
            whole.add(line)
            if old == new:
                alike.add(line)
    return len(after), whole, alike, otherwise


def _differences(source: Path, result: Path, lines: Sequence[str]) -> list[float]:
    """Return the largest difference of each line."""
    if (source / "modules.json").is_file():
        from sentence_transformers import SentenceTransformer

        models = [SentenceTransformer(str(folder), device="cpu") for folder in (source, result)]
        prompts = [None, *(name for name in models[0].prompts if models[0].prompts[name])]
        rows = [
            abs(models[0].encode([line], prompt_name=prompt) - models[1].encode([line], prompt_name=prompt)).max()
            for line in lines
            for prompt in prompts
        ]
        return [_largest(rows[at : at + len(prompts)]) for at in range(0, len(rows), len(prompts))]
    loaded = [_load(folder) for folder in (source, result)]
    return [_difference(*(_states(tokenizer, model, line) for tokenizer, model in loaded)) for line in lines]


def _load(folder: Path) -> tuple[Any, Any]:
    import transformers

    configuration = transformers.AutoConfig.from_pretrained(folder)
    kind = getattr(transformers, configuration.architectures[0])
    return transformers.AutoTokenizer.from_pretrained(folder), kind.from_pretrained(folder).eval()


def _states(tokenizer: Any, model: Any, line: str) -> list[Any]:
    """Return every layer's states of a line."""
    import torch

    encoded = tokenizer(line, truncation=True, max_length=LENGTH, return_tensors="pt")
    inputs = {key: encoded[key] for key in ("input_ids", "attention_mask")}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"]
    with torch.inference_mode():
        output = model(**inputs, output_hidden_states=True)
    keys = ("hidden_states", "encoder_hidden_states", "decoder_hidden_states")
    return [state for key in keys for state in output.get(key) or ()]


def _difference(one: list[Any], other: list[Any]) -> float:
    if [state.shape for state in one] != [state.shape for state in other]:
        return float("inf")
    return _largest([float((ours - theirs).abs().max()) for ours, theirs in zip(one, other, strict=True)])


def _largest(differences: Sequence[float]) -> float:
    """Return the largest difference, NaN if one is: Python's max takes or leaves NaN by its place."""
    return float(np.max(differences, initial=0.0))
