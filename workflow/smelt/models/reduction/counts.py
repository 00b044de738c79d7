"""How often a language uses each piece of a vocabulary: one file for each tokenizer, corpus and language.

The file is Parquet with a row for each piece seen, in the order of ids: `id`, `piece`, and the numbers of `lines` and
`documents` that hold it and of its `occurrences`. Its metadata say what was counted, so that any threshold and any set
of languages can be chosen afterwards, and counts of another vocabulary are told apart.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.parquet import read_columns

Numbers = NDArray[np.int64]

SCHEMA = pa.schema(
    [
        ("id", pa.int32()),
        ("piece", pa.string()),
        ("lines", pa.int64()),
        ("documents", pa.int64()),
        ("occurrences", pa.int64()),
    ]
)
KEY = b"smelt.counts"


@dataclass(frozen=True)
class Counts:
    """How often one language uses each piece; arrays of shape (pieces,), looked up by id."""

    language: str
    lines: int
    """Lines counted: those of more than five characters, in documents that are not held out."""
    documents: int
    """Documents with such a line."""
    tokens: int
    """Pieces of all these lines."""
    vocabulary: str
    """Digest of the tokenizer's pieces in the order of ids (`vocabulary.digest`)."""
    in_lines: Numbers
    """Lines that hold the piece."""
    in_documents: Numbers
    """Documents that hold it."""
    occurrences: Numbers
    """Times that it occurs."""


def write_counts(path: Path, counts: Counts, pieces: Sequence[str]) -> None:
    """Write the pieces seen, in the order of ids, and what was counted; `pieces` are the vocabulary's, by id."""
    ids = np.flatnonzero(counts.occurrences)
    columns = [counts.in_lines, counts.in_documents, counts.occurrences]
    names = pa.array([pieces[number] for number in ids.tolist()], pa.string())
    table = pa.Table.from_arrays(
        [pa.array(ids, pa.int32()), names, *(pa.array(column[ids], pa.int64()) for column in columns)], schema=SCHEMA
    )
    about = {
        "language": counts.language,
        "lines": counts.lines,
        "documents": counts.documents,
        "tokens": counts.tokens,
        "vocabulary": counts.vocabulary,
        "pieces": len(pieces),
    }
    with whole_file(path) as draft:
        pq.write_table(table.replace_schema_metadata({KEY: json.dumps(about)}), draft, compression="zstd")


def read_counts(path: Path, vocabulary: str | None = None) -> Counts:
    """Return the counts of a file.

    Args:
        path: what write_counts wrote.
        vocabulary: digest of the pieces that the counts have to be of; any by default.

    Raises:
        SmeltError: the file is missing, damaged or something else, or of another vocabulary.
    """
    table = read_columns(path, SCHEMA.names)
    about = _about(path, table)
    if vocabulary is not None and about["vocabulary"] != vocabulary:
        raise SmeltError(
            path,
            f"counts of another tokenizer: of {about['pieces']:,} pieces with digest {about['vocabulary'][:12]}, "
            f"expected {vocabulary[:12]}",
        )
    ids = table.column("id").to_numpy()
    dense = np.zeros((3, about.pop("pieces")), np.int64)
    for row, name in zip(dense, ("lines", "documents", "occurrences"), strict=True):
        row[ids] = table.column(name).to_numpy()
    return Counts(**about, in_lines=dense[0], in_documents=dense[1], occurrences=dense[2])


def _about(path: Path, table: Any) -> dict[str, Any]:
    metadata = table.schema.metadata or {}
    if KEY not in metadata:
        raise SmeltError(path, "does not say what was counted: expected a file that `python -m smelt count` wrote")
    about: dict[str, Any] = json.loads(metadata[KEY])
    return about
