import multiprocessing
import random
from multiprocessing.context import BaseContext

import pytest
from training_toy import LENGTH, Toy, document, train_tokenizer, write_documents

from smelt.training.pack import pack

IMPORTED_BY_TRANSFORMERS = [
    "transformers.models.albert.modeling_albert",
    "transformers.models.albert.tokenization_albert",
    "transformers.models.auto.tokenization_auto",
]


@pytest.fixture(scope="session")
def forkserver() -> BaseContext:
    """Starts fresh processes that need not import torch each time."""
    context = multiprocessing.get_context("forkserver")
    imported = ["sentencepiece", "pyarrow.parquet", "codecarbon", "torch.utils.tensorboard", *IMPORTED_BY_TRANSFORMERS]
    context.set_forkserver_preload(imported)
    return context


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Two languages of one toy vocabulary, the first three times as large as the second."""
    folder = tmp_path_factory.mktemp("toy")
    draw = random.Random(5)
    texts = [document(draw) for _ in range(240)]
    tokenizer = train_tokenizer(folder / "tokenizer", texts, 90)
    parts = {"aa": texts[:180], "bb": texts[180:]}
    blocks = []
    for language, part in parts.items():
        write_documents(folder / "documents" / f"{language}.parquet", part)
        pack(folder / "documents" / f"{language}.parquet", tokenizer, LENGTH, folder / "blocks" / language)
        blocks.append(folder / "blocks" / language)
    return Toy(tokenizer, folder / "documents", blocks)
