"""What the tokenizers make of each language, from the records of token blocks: sentences, pieces, unknown ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.render import Cell, Grid, Group, PaperTable, Row, number


@dataclass(frozen=True)
class BlocksRecord:
    """The training texts of a language as the pieces of a vocabulary."""

    corpus: str
    vocabulary: str
    language: str
    sentences: int
    characters: int
    tokens: int
    fertility: float | None
    """Pieces a word."""
    characters_per_piece: float | None
    unknown_share: float | None

    @property
    def sentence(self) -> float | None:
        """Characters of a mean sentence."""
        return self.characters / self.sentences if self.sentences else None


def read_blocks(paths: Iterable[Path]) -> list[BlocksRecord]:
    """Return the records of blocks.json files that are there; of one corpus, vocabulary and language the first.

    Blocks may be deleted once models are trained, so that a missing file is no error.

    Raises:
        SmeltError: a file holds something else.
    """
    found: dict[tuple[str, str, str], BlocksRecord] = {}
    for path in paths:
        corpus, vocabulary, _, language = path.parent.parts[-4:]
        if (corpus, vocabulary, language) not in found and path.is_file():
            found[corpus, vocabulary, language] = _record(path, corpus, vocabulary, language)
    return list(found.values())


def _record(path: Path, corpus: str, vocabulary: str, language: str) -> BlocksRecord:
    train = read_json(path).get("train", {})
    keys = ("sentences", "characters", "tokens", "fertility", "characters_per_piece", "unknown_share")
    try:
        return BlocksRecord(corpus, vocabulary, language, **{key: train[key] for key in keys})
    except KeyError as missing:
        raise SmeltError(path, f"has no {missing}: make the blocks again") from None


def blocks_tables(records: Sequence[BlocksRecord]) -> list[PaperTable]:
    """Return a table for each corpus and vocabulary: a row a language, the one with most tokens first."""
    columns = ["Sentences", "Characters a sentence", "Pieces", "Pieces a word", "Characters a piece", "Unknown"]
    notes = [
        "Of the training texts. Words are runs of characters between white space, so that pieces a word say little in "
        "scripts without spaces. Unknown: share of pieces that are the unknown token."
    ]
    tables = []
    for corpus, vocabulary in dict.fromkeys((record.corpus, record.vocabulary) for record in records):
        own = [record for record in records if (record.corpus, record.vocabulary) == (corpus, vocabulary)]
        rows = [Row(record.language, _cells(record)) for record in sorted(own, key=lambda record: -record.tokens)]
        grid = Grid("Language", columns, [Group(rows)])
        tables.append(PaperTable(f"blocks-{corpus}-{vocabulary}", f"{corpus}: pieces of {vocabulary}", [grid], notes))
    return tables


def _cells(record: BlocksRecord) -> list[Cell]:
    texts = [f"{record.sentences:,}", number(record.sentence, ".0f"), f"{record.tokens:,}"]
    texts += [number(record.fertility), number(record.characters_per_piece), number(record.unknown_share, ".2%")]
    return [Cell(text) for text in texts]
