"""Write outputs whole or not at all, read JSON, compute checksums, check ends of lines, and mend text."""

import glob
import hashlib
import itertools
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from smelt.disk import written_to
from smelt.errors import SmeltError, not_found

MOST_LEVELS = 40  # lists and mappings within each other
TOO_DEEP = f"lists and mappings lie within each other over {MOST_LEVELS} levels deep"

LONGEST_LINE = 1 << 26
"""Bytes; a few compressed ones may stand for a line that no memory holds."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` when the block ends well, and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_drafts(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with written_to(path):
            yield draft
            _share(draft)
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` to fill; it takes the place of `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_drafts(path)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent))
    try:
        with written_to(path):
            yield draft
            _share(draft, *draft.rglob("*"))
            if path.exists():
                shutil.rmtree(path)
            draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: Path, value: Any, exact: bool = False) -> None:
    """Write `value` as indented JSON, with every script readable.

    JSON has no word for NaN and infinity, and most readers refuse a file that holds them: they are written as null, or
    refused in files that must hold exactly `value`, such as a model's configuration, where null means something else.

    Raises:
        SmeltError: `exact`, and a number is NaN or infinite.
    """
    if exact and (found := _not_finite(value)):
        place, number = found
        raise SmeltError(path, f"{place} is {number}, which JSON cannot hold: expected a finite number")
    with whole_file(path) as draft:
        draft.write_text(json_text(value, indent=2) + "\n", encoding="utf-8")


def json_text(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON that every reader takes: NaN and infinity are null."""
    return json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that the JSON file holds; a missing or broken file is an error that names it."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        raise not_found(path) from None
    except UnicodeDecodeError as error:
        raise SmeltError(path, f"is not UTF-8 text (byte {error.start})") from None
    if not isinstance(value, dict):
        raise SmeltError(path, f"expected a JSON object, found {type(value).__name__}")
    return value


def parse_json(text: str, where: str | Path) -> Any:
    """Return the value of a text in JSON.

    Raises:
        SmeltError: it is not JSON, or its lists and objects lie too deep within each other.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SmeltError(where, f"is not JSON ({error})") from None
    except RecursionError:
        raise SmeltError(where, TOO_DEEP) from None
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [part for outer in level for part in _parts(outer)]
    if level:
        raise SmeltError(where, TOO_DEEP)
    return value


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def lines_of(stream: IO[bytes], where: str | Path) -> Iterator[bytes]:
    """Yield the lines of a file, with their ends.

    Raises:
        SmeltError: a line is longer than LONGEST_LINE.
    """
    for number in itertools.count(1):
        if not (line := stream.readline(LONGEST_LINE + 1)):
            return
        if len(line) > LONGEST_LINE:
            raise SmeltError(
                f"{where}:{number}", f"is a line of more than {LONGEST_LINE:,} bytes: expected shorter ones"
            )
        yield line


def refuse_carriage_return(line: str, where: str) -> None:
    """Refuse a line, given without its end, that holds a carriage return.

    Where lines end with it, as on old Macs, a whole file would pass for one line: one word, or one paragraph.

    Raises:
        SmeltError: it does.
    """
    if "\r" in line:
        place = line.index("\r") + 1
        raise SmeltError(
            where, f"has a carriage return inside the line, at character {place}: end lines with \\n or \\r\\n"
        )


def encodable(text: str) -> str:
    """Return the text with lone surrogates, which numeric entities such as &#xD800; make, as replacement characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _finite(value: Any) -> Any:
    """Return `value` with None in place of every number that is not finite."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _not_finite(value: Any, place: str = "") -> tuple[str, float] | None:
    """Return the place of the first number that is not finite, as keys joined by dots, and the number."""
    if isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        found = (_not_finite(each, f"{place}.{key}" if place else str(key)) for key, each in parts)
        return next(filter(None, found), None)
    return (place, value) if isinstance(value, float) and not math.isfinite(value) else None


def _clear_drafts(path: Path) -> None:
    """Remove drafts of `path` that killed processes left; nothing else would, and a draft may be large."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*.draft"):
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def _share(*paths: Path) -> None:
    """Give results the user's default permissions: mkdtemp and safetensors write for their owner alone.

    Folders that pass on their group keep doing so.
    """
    mask = os.umask(0)
    os.umask(mask)
    for path in paths:
        if not path.is_symlink():
            inherited = path.stat().st_mode & stat.S_ISGID if path.is_dir() else 0
            path.chmod((0o777 if path.is_dir() else 0o666) & ~mask | inherited)
