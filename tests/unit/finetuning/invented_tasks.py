"""Sentences whose labels follow from their words, tasks made of them, and a tokenizer that reads them."""

import json
import string
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
NAMES = ["anna", "boris", "carla", "dmitri"]
PLACES = ["paris", "oslo", "lima", "cairo"]
VERBS = ["sees", "likes", "leaves", "finds"]


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer whose pieces are letters, and some whole words."""
    pieces = [(piece, 0.0) for piece in SPECIAL] + [("▁", -3.0)]
    pieces += [(letter, -4.0) for letter in string.ascii_lowercase] + [(f"▁{word}", -2.0) for word in [*VERBS, "the"]]
    core = Tokenizer(models.Unigram(pieces, unk_id=1))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def sentences(count: int, language: str = "en") -> list[dict]:
    """Return sentences whose labels follow from their words: "anna sees the oslo"."""
    rows = []
    for number in range(count):
        name, verb, place = (words[(number // step) % 4] for words, step in ((NAMES, 1), (VERBS, 4), (PLACES, 16)))
        words, labels = [name, verb, "the", place], ["B-PER", "O", "O", "B-LOC"]
        rows.append({"example": number, "language": language, "words": words, "labels": labels})
    return rows


def texts(count: int) -> list[dict]:
    rows = []
    for row in sentences(count):
        label = "early" if row["words"][0] in NAMES[:2] else "late"
        rows.append({"example": row["example"], "language": "en", "text": " ".join(row["words"]), "label": label})
    return rows


def pairs(count: int, language: str = "en") -> list[dict]:
    """Return pairs of texts; the label follows from the place in the second text, whatever the first one is."""
    rows = []
    for number in range(count):
        first, second = PLACES[number % 4], PLACES[(number // 4) % 4]
        row = {"example": number, "language": language, "text": f"the {first}", "pair": f"the {second}"}
        rows.append(row | {"label": "north" if second in PLACES[:2] else "south"})
    return rows


def questions(count: int) -> list[dict]:
    """Return questions whose answer is the place that the context names."""
    found = []
    for number in range(count):
        name, verb, place = (words[(number // step) % 4] for words, step in ((NAMES, 1), (VERBS, 4), (PLACES, 16)))
        context = f"{name} {verb} the {place} the {name}"
        row = {"example": number, "language": "en", "id": str(number), "question": f"the {verb}", "context": context}
        found.append(row | {"starts": [context.index(place)], "answers": [place, f"the {place}"]})
    return found


def write_task(
    folder: Path,
    kind: str,
    splits: dict[str, list[dict]],
    metric: str,
    scheme: str | None = None,
    **description_changes: object,
) -> Path:
    folder.mkdir(parents=True)
    labels = sorted(
        {label for row in splits["train"] for label in row.get("labels", [row["label"]] if "label" in row else [])}
    )
    description = {"name": folder.name, "kind": kind, "metric": metric, "scheme": scheme, "labels": labels}
    description |= description_changes
    (folder / "task.json").write_text(json.dumps(description))
    for split, rows in splits.items():
        parquet.write_table(arrow.Table.from_pylist(rows), folder / f"{split}.parquet")
    return folder
