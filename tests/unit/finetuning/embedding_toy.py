"""Tasks of embeddings whose answers follow from their words, and models that embed them."""

from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
from invented_tasks import NAMES, PLACES, VERBS, write_task
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

SPLITS = ("train", "validation", "test")


def scored_pairs(count: int, language: str = "en") -> list[dict]:
    """Return pairs with a score from 0 to 2: how many of name and place they share."""
    rows = []
    for number in range(count):
        name, place, verb = NAMES[number % 4], PLACES[number // 4 % 4], VERBS[number % 3]
        other, elsewhere = NAMES[number // 2 % 4], PLACES[number // 8 % 4]
        score = (name == other) + (place == elsewhere)
        row = {"example": number, "language": language, "text": f"{name} {verb} {place}"}
        rows.append(row | {"pair": f"{other} {verb} {elsewhere}", "label": str(score)})
    return rows


def similarity_task(folder: Path, languages: tuple[str, ...] = ("en",), binary: bool = False, count: int = 64) -> Path:
    rows = [row for language in languages for row in scored_pairs(count, language)]
    if binary:
        rows = [row | {"label": str(int(row["label"] == "2"))} for row in rows]
    metric = {"metric": "average-precision"} if binary else {"metric": "spearman", "scores": [0, 2]}
    return write_task(folder, "similarity", dict.fromkeys(SPLITS, rows), pairs=True, labels=[], **metric)


def retrieval_task(folder: Path, languages: tuple[str, ...] = ("en",), metric: str = "ndcg-at-10") -> Path:
    """Write queries "the <place> <name>" for passages that name both among other words."""
    passages = {f"{name}-{place}": f"{name} {verb} the {place} the the"
                for name, verb in zip(NAMES, VERBS, strict=True) for place in PLACES}  # fmt: skip
    rows = []
    for language in languages:
        for number, key in enumerate(passages):
            name, place = key.split("-")
            row = {"example": number, "language": language, "id": f"q{number}", "text": f"the {place} {name}"}
            rows.append(row | {"relevant": [{"passage": key, "grade": 1}]})
    write_task(folder, "retrieval", dict.fromkeys(SPLITS, rows), metric)
    held = [{"split": split, "language": language, "id": key, "text": text}
            for split in SPLITS for language in languages for key, text in passages.items()]  # fmt: skip
    parquet.write_table(arrow.Table.from_pylist(held), folder / "passages.parquet")
    return folder


def sentence_model(encoder: Path, folder: Path, pooling: str = "cls", prompts: dict[str, str] | None = None) -> Path:
    """Write a model of sentence-transformers with a pooling and prompts of its own."""
    states = Transformer(str(encoder))
    modules = [states, Pooling(states.get_embedding_dimension(), pooling), Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save_pretrained(str(folder))
    return folder
