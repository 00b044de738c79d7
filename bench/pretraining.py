"""A pretraining step with the head on masked positions only, against AlbertForPreTraining's own loss on all of them."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import AlbertConfig, AlbertForPreTraining

from bench.measure import Benchmark
from smelt.study.architectures import ARCHITECTURES
from smelt.training.batches import Batch
from smelt.training.objectives import MaskedLanguageModel, SentenceOrderPrediction, Trainee, Weighted, weighted_loss

ROWS, LENGTH, MASKED = 16, 128, 0.15
STEPS = 3


def masked_head(name: str) -> Benchmark:
    """Tokens a second of ALBERT tiny, forward and backward, in fp32; the vocabulary's size stands in the name."""
    vocabulary = int(name.rsplit("-", 1)[1].removesuffix("k")) * 1000
    model = _albert_tiny(vocabulary)
    batch = _random_batch(vocabulary)
    trainee = Trainee(model, Weighted((1.0, MaskedLanguageModel()), (1.0, SentenceOrderPrediction())))
    labels = torch.full((ROWS * LENGTH,), -100).index_copy(0, batch.masked, batch.labels).view(ROWS, LENGTH)

    def all_positions() -> torch.Tensor:
        output = model(
            input_ids=batch.input_ids,
            token_type_ids=batch.token_type_ids,
            labels=labels,
            sentence_order_label=batch.sentence_labels,
        )
        return torch.as_tensor(output.loss)

    return Benchmark(
        name,
        "tokens/s",
        "transformers' AlbertForPreTraining",
        lambda: _speed(model, lambda: weighted_loss(trainee(batch))),
        lambda: _speed(model, all_positions),
    )


def _albert_tiny(vocabulary: int) -> Any:
    shape = ARCHITECTURES["albert-tiny"]
    config = AlbertConfig(
        vocab_size=vocabulary,
        embedding_size=shape.embedding,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return AlbertForPreTraining._from_config(config, attn_implementation="sdpa")


def _random_batch(vocabulary: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, vocabulary, (ROWS, LENGTH), generator=generator)
    masked = torch.randperm(ROWS * LENGTH, generator=generator)[: round(MASKED * ROWS * LENGTH)].sort().values
    return Batch(
        input_ids=ids,
        token_type_ids=(torch.arange(LENGTH) >= LENGTH // 2).long().expand(ROWS, LENGTH).contiguous(),
        attention_mask=None,
        masked=masked,
        labels=ids.flatten()[masked],
        sentence_labels=torch.randint(0, 2, (ROWS,), generator=generator),
        lengths=np.full(ROWS, LENGTH),
        cut=np.zeros(ROWS, np.int64),
    )


def _speed(model: Any, loss: Callable[[], torch.Tensor]) -> float:
    began = time.perf_counter()
    for _ in range(STEPS):
        loss().backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)
    return STEPS * ROWS * LENGTH / (time.perf_counter() - began)
