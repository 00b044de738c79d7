"""The peer: transformers' Trainer on AlbertForPreTraining, at its best simple settings."""

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import AlbertConfig, AlbertForPreTraining, DataCollatorForLanguageModeling, Trainer, TrainingArguments

from bench.clock import StepClock
from bench.pretraining_ways import SEED, Opened, Throughput, TrainingWorkload
from smelt.training.blocks import SPECIAL_TOKENS, TokenBlocks
from smelt.training.pieces import Pieces


class TrainerBlocks(Dataset[dict[str, Any]]):
    """Blocks that are tokenised already, each in two halves that are swapped in every other one."""

    def __init__(self, blocks: TokenBlocks, pieces: Pieces, length: int) -> None:
        """Take blocks for rows of a length, special tokens included."""
        self.blocks, self.pieces, self.half = blocks, pieces, (length - SPECIAL_TOKENS) // 2
        self.types = (torch.arange(length) > self.half + 1).long()
        self.mask = torch.ones(length, dtype=torch.long)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.blocks)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Return a row without masks."""
        content = self.blocks.content(np.array([number]))[0][: len(self.types) - SPECIAL_TOKENS]
        halves = [content[: self.half], content[self.half :]]
        swapped = number % 2
        first, second = halves[::-1] if swapped else halves
        separator = [self.pieces.separator]
        ids = np.concatenate([[self.pieces.classification], first, separator, second, separator])
        return {
            "input_ids": torch.from_numpy(ids),
            "token_type_ids": self.types,
            "attention_mask": self.mask,
            "sentence_order_label": swapped,
        }


def trainer(workload: TrainingWorkload) -> Callable[[], Throughput]:
    """Fused AdamW, sdpa, its own collator in worker processes, bf16 by its flag, no evaluation, nothing kept.

    Labels stand at all positions, ignored where nothing is masked: AlbertForPreTraining knows no other way.
    """
    opened = Opened(workload)
    dataset = TrainerBlocks(opened.blocks["train"], opened.pieces, workload.corpus.length)
    collator = DataCollatorForLanguageModeling(
        opened.tokenizer, mlm_probability=workload.recipe.objective.masking_probability
    )

    def run() -> Throughput:
        torch.manual_seed(SEED)
        model = albert(opened)
        with tempfile.TemporaryDirectory() as folder, StepClock(workload.warm, workload.steps) as clock:
            arguments = settings(workload, folder, opened.device)
            Trainer(model, arguments, train_dataset=dataset, data_collator=collator).train()
            return Throughput(workload.tokens / clock.seconds)

    return run


def settings(workload: TrainingWorkload, folder: str, device: torch.device) -> TrainingArguments:
    """Return the Trainer's settings."""
    on_gpu = device.type == "cuda"
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=workload.rows,
        max_steps=workload.warm + workload.steps,
        learning_rate=1e-4,
        optim="adamw_torch_fused",
        weight_decay=workload.recipe.optimizer.weight_decay,
        max_grad_norm=workload.recipe.optimizer.clip,
        use_cpu=not on_gpu,
        bf16=workload.precision == "bf16",
        torch_compile=on_gpu,
        dataloader_num_workers=2 if on_gpu else 1,
        dataloader_pin_memory=on_gpu,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def albert(opened: Opened) -> Any:
    """Return a new AlbertForPreTraining as its own configuration makes it, without dropout."""
    shape = opened.workload.shape
    config = AlbertConfig(
        vocab_size=opened.pieces.size,
        embedding_size=shape.embedding,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=max(512, opened.workload.corpus.length),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        classifier_dropout_prob=0.0,
        pad_token_id=opened.pieces.padding,
    )
    return AlbertForPreTraining._from_config(config, attn_implementation="sdpa")
