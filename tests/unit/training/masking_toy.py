"""Rows of a vocabulary, and draws to mask them by."""

from typing import Any

import numpy as np
from tokenizers import decoders, models

from smelt.training.masking import Masking
from smelt.training.pieces import Pieces
from smelt.training.recipes import ObjectiveSettings
from smelt.training.sampler import seeded_draws

CLS, SEP, MASK, PAD = 2, 3, 4, 0


class Vocabulary:
    """What pieces_of asks of a tokenizer, over a list of pieces."""

    pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id = 0, 1, 2, 3, 4
    all_special_ids = (0, 1, 2, 3, 4)

    def __init__(self, pieces: list[str], model: Any = None, decoder: Any = None) -> None:
        self.model, self.decoder = model or models.Unigram(), decoder or decoders.Metaspace()
        self.pieces = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", *pieces]
        self.backend_tokenizer = self

    def __len__(self) -> int:
        return len(self.pieces)

    def to_str(self) -> str:
        return "\n".join(self.pieces)

    def convert_ids_to_tokens(self, ids: range) -> list[str]:
        return [self.pieces[number] for number in ids]


def objective_settings(masking: str, **others: Any) -> ObjectiveSettings:
    return ObjectiveSettings.model_validate({"masking": masking, **others})


def draws_of(masking: Masking, rows: int, length: int, step: int = 1) -> np.ndarray:
    count = masking.draws_per_token * length
    return seeded_draws(1, 0, step, range(rows), count).reshape(rows, -1, length)


def make_rows(pieces: Pieces, rows: int, length: int) -> np.ndarray:
    ids = np.random.default_rng(0).choice(pieces.ordinary, (rows, length))
    ids[:, 0], ids[:, length // 2], ids[:, -1] = CLS, SEP, SEP
    return ids
