"""Pretrain an encoder from scratch on packed token blocks: the command `pretrain`.

A maker only chooses: which model, which objective, which blocks. The loop is smelt.training.loop.

IN   block folders, one a language; the tokenizer's folder; the settings that the catalogue gives
OUT  a model's folder: config.json, model.safetensors, tokenizer, README.md (its card), provenance.json; its curve
"""

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from smelt.flags import json_object
from smelt.models.encoders import new_encoder
from smelt.models.pretrained import Pretrained, PretrainingSettings, write_model
from smelt.study.load import check
from smelt.training.blocks import TokenBlocks
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of


def pretrain(
    folders: list[Path],
    tokenizer: Path,
    settings: PretrainingSettings,
    checkpoints: Path,
    curve: Path,
    output: Path,
    minutes: float | None = None,
) -> None:
    """Train a model and write its folder, going on from a checkpoint of the same settings and inputs if there is one.

    Raises:
        SmeltError: blocks that do not fit the tokenizer or are damaged, or what smelt.training.loop.train raises.
    """
    import torch

    from smelt.training.batches import Batches
    from smelt.training.checkpoints import Checkpoints
    from smelt.training.loop import Run, train
    from smelt.training.progress import say

    pieces = pieces_of(load_tokenizer(tokenizer))
    blocks = {split: open_blocks(folders, split, pieces, settings.recipe.length) for split in ("train", "validation")}
    identity = identity_of(settings, blocks, pieces)
    with Checkpoints(checkpoints / f"{output.name}-{digest(identity)}", identity) as kept:
        device = choose_device()
        if slow_in(settings.recipe.precision, device):
            say("warning: this processor has no arithmetic for bf16; precision fp32 would be many times faster")
        torch.manual_seed(settings.seed)
        model = new_encoder(settings.shape, settings.recipe, pieces, device)
        batches = Batches(blocks["train"], blocks["validation"], pieces, settings.recipe, settings.alpha, settings.seed)
        run = Run(kept, curve, settings.seed, device, minutes)
        outcome = train(model, objective(), batches, settings.recipe, run)
        write_model(output, Pretrained(model, tokenizer, settings, blocks["train"], outcome.curve, outcome.hours))
        kept.remove()
    for other in sorted(checkpoints.glob(f"{output.name}-*")):
        say(f"{other}: checkpoints of other settings or other texts, no longer needed unless you go back to those")


def open_blocks(folders: list[Path], split: str, pieces: Pieces, length: int) -> list[TokenBlocks]:
    """Return the blocks of each language, whole and of this tokenizer."""
    blocks = [TokenBlocks(folder, split, pieces, length) for folder in folders]
    for part in blocks:
        part.verify()
    return blocks


def identity_of(settings: PretrainingSettings, blocks: dict[str, list[TokenBlocks]], pieces: Pieces) -> dict[str, Any]:
    """Return what a checkpoint must agree on to be gone on from."""
    return {
        "settings": settings.model_dump(),
        "tokenizer": pieces.digest,
        "blocks": {split: {part.language: part.sha256["tokens"] for part in parts} for split, parts in blocks.items()},
    }


def digest(identity: dict[str, Any]) -> str:
    """Return a short name for an identity: checkpoints of changed settings or blocks lie in another folder."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def objective() -> Any:
    """Return ALBERT's objective: masked language modelling plus sentence order prediction, in equal parts."""
    from smelt.training.objectives import MaskedLanguageModel, SentenceOrderPrediction, Weighted

    return Weighted((1.0, MaskedLanguageModel()), (1.0, SentenceOrderPrediction()))


def choose_device() -> Any:
    """Return the GPU where there is one, made to repeat itself bit for bit, or the CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda")


def slow_in(precision: str, device: Any) -> bool:
    """Say whether a precision is emulated on this device: bf16 on x86 processors without AVX-512."""
    import torch

    return precision == "bf16" and device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `pretrain`."""
    parser.add_argument("--blocks", type=Path, nargs="+", required=True, help="block folders, one a language")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
    parser.add_argument(
        "--settings", type=json_object(), required=True, help="shape, recipe, alpha, seed and version, as JSON"
    )
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder for checkpoints of all runs")
    parser.add_argument("--minutes", type=float, help="time of the job; it keeps a checkpoint before that is over")
    parser.add_argument("--threads", type=int, help="CPU threads of torch")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--curve", type=Path, required=True, help="CSV of the learning curve")


def run(arguments: argparse.Namespace) -> None:
    """Pretrain one model."""
    settings = check(PretrainingSettings, arguments.settings, "--settings")
    if arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    pretrain(
        arguments.blocks,
        arguments.tokenizer,
        settings,
        arguments.checkpoints,
        arguments.curve,
        arguments.output,
        arguments.minutes,
    )
