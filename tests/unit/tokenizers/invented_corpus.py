"""Small corpora of invented words in several scripts."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from smelt.tokenizers.command import TokenizerSettings

ALPHABETS = {
    "xl": "abcdefgilmnoprstuvéàßø'",
    "xg": "αβγδεζηθικλμνοπρστυφχψωάή",
    "xd": "कखगघचछजझटठडढतथदधनपबमयरलवसहािीुूेैोौंँ्",
    "xj": "日本語東京大学人山川田中国会社新聞電車時間",
}


def sentence(alphabet: str, generator: random.Random) -> str:
    """Return a line of invented words; the last alphabet is written without blanks."""
    words = ["".join(generator.choices(alphabet, k=generator.randint(1, 7))) for _ in range(generator.randint(3, 15))]
    return ("" if alphabet == ALPHABETS["xj"] else " ").join(words) + generator.choice([".", "!", " ,", '"', "''"])


def write_documents(folder: Path, documents: list[str], every: int = 10) -> Path:
    """Write documents.parquet with every tenth document held out."""
    folder.mkdir(parents=True)
    columns = {
        "id": [str(number) for number in range(len(documents))],
        "title": [f"title {number}" for number in range(len(documents))],
        "text": documents,
        "held_out": [number % every == 0 for number in range(len(documents))],
    }
    pq.write_table(pa.table(columns), folder / "documents.parquet", compression="zstd")
    return folder / "documents.parquet"


def settings(**changes: object) -> TokenizerSettings:
    """Return settings fit for the small corpora; a change to None leaves a key out."""
    usual = {"algorithm": "unigram", "vocabulary": 400, "sample": 1000, "character_coverage": 0.9995, "seed": 1}
    usual |= {"alpha": 0.7} | changes
    return TokenizerSettings.model_validate({key: value for key, value in usual.items() if value is not None})
