"""`smelt job dataset`: bring one language of a data set here from the hub, or its first rows."""

import argparse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow
import pyarrow.parquet
from huggingface_hub import constants

from smelt.cli import KeyValues, add_examples
from smelt.corpora.data_sets import FETCHED, rows_of
from smelt.corpora.downloads import add_limit, turn_at
from smelt.errors import SmeltError
from smelt.files import whole_folder, write_json
from smelt.hub import HubRequest, check_whole, open_split, remote_files
from smelt.hub_errors import hub_errors
from smelt.study.data_sets import DataSetPart

ROWS = "rows.parquet"
ROWS_IN_GROUP = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument(
        "--settings",
        action=KeyValues,
        kind=DataSetPart,
        required=True,
        help="name, hub, revision, config, split, columns, limit",
    )
    parser.add_argument("--output", required=True, type=Path, help="folder that names the files, or holds the rows")
    add_limit(parser)
    add_examples(
        parser,
        "--settings name=wiki hub=wikimedia/wikipedia revision=b04c8d1 config=20231101.sw --output fetched",
    )


def run(arguments: argparse.Namespace) -> None:
    """Bring the files into the hub's cache; of the first rows only, stream them into a file."""
    part: DataSetPart = arguments.settings
    if not part.hub or not part.revision:
        raise SmeltError("--settings", "expected hub and revision: a folder is read where it is")
    with turn_at(urlsplit(constants.ENDPOINT).hostname or "", arguments.downloads_per_host):
        _bring(part, HubRequest(part.hub, part.revision, part.config, f"datasets.{part.name}", ""), arguments.output)


def _bring(part: DataSetPart, request: HubRequest, output: Path) -> None:
    """Write the folder of a data set, and print its size."""
    rows: int | None
    files: list[dict[str, Any]]
    with whole_folder(output) as draft:
        if part.limit:
            files_of_split = remote_files(request, part.split)
            with hub_errors(request.where, "data set", request.place):
                rows = _write_rows(part, files_of_split, draft / ROWS)
            files = [{"path": ROWS, "bytes": (draft / ROWS).stat().st_size}]
        else:
            split = open_split(request, part.split)
            rows = check_whole(split, request)
            files = [{"path": str(path.absolute()), "bytes": path.stat().st_size} for path in split.files]
        counted = {} if rows is None else {"rows": rows}
        keys = ("hub", "revision", "config", "split", "limit")
        write_json(draft / FETCHED, {key: getattr(part, key) for key in keys} | counted | {"files": files})
    size = sum(file["bytes"] for file in files)
    print(f"{part.hub} at {part.revision}, {part.config}, {part.split}: {len(files)} files, {size / 1e6:,.1f} MB")


def _write_rows(part: DataSetPart, files: list[str], path: Path) -> int:
    """Write the first rows with the columns that make documents, and return their number."""
    waiting: list[dict[str, Any]] = []
    written, writer = 0, None
    try:
        for row in rows_of(part, files):
            waiting.append({name: None if value is None else str(value) for name, value in row.items()})
            written += 1
            if len(waiting) == ROWS_IN_GROUP:
                writer = _flush(waiting, writer, path)
        if waiting:
            writer = _flush(waiting, writer, path)
    finally:
        if writer:
            writer.close()
    if not written:
        raise SmeltError(f"datasets.{part.name}", f"{part.hub}, {part.config}, {part.split} has no rows")
    return written


def _flush(
    rows: list[dict[str, Any]], writer: pyarrow.parquet.ParquetWriter | None, path: Path
) -> pyarrow.parquet.ParquetWriter:
    if writer is None:
        schema = pyarrow.schema([(name, pyarrow.string()) for name in rows[0]])
        writer = pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")
    writer.write_table(pyarrow.Table.from_pylist(rows, schema=writer.schema))
    rows.clear()
    return writer
