"""The files of a dump: found in their order, decompressed under verification, with the sum of what was read."""

import bz2
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.corpora.bz2_blocks import NotInBlocks, decompress_blocks
from smelt.corpora.listing import natural_order, opening
from smelt.errors import SmeltError
from smelt.files import checksum, read_json

PIECE = 1 << 18
MOST_AT_ONCE = 1 << 20
"""Bytes that are decompressed at once: a few bytes of bz2 may stand for gigabytes."""


@dataclass(frozen=True)
class DumpFile:
    """One bz2 file of a dump, and the SHA-1 and the bytes that the mirror listed for it, if they are known."""

    path: Path
    sha1: str | None = None
    size: int | None = None

    @property
    def date(self) -> str:
        """The date in the file's name, YYYYMMDD, or "" where it has none."""
        match = re.search(r"-(20\d{6})-", self.path.name)
        return match[1] if match else ""


def files_of(dump: Path) -> list[DumpFile]:
    """Return the files of a dump in the order of their pages: a folder of parts, or a single file.

    Raises:
        SmeltError: there is nothing there, or dump.json lists parts that are not.
    """
    if dump.is_file():
        return [DumpFile(dump)]
    if not dump.is_dir():
        raise SmeltError(dump, "no such file or folder: expected a bz2 file, or a folder of them")
    listed = _read_parts(dump)
    found = sorted(dump.glob("*.bz2"), key=lambda path: natural_order(path.name))
    missing = sorted(listed.keys() - {path.name for path in found})
    if missing:
        raise SmeltError(
            dump, f"lacks {', '.join(missing)}, which dump.json lists; delete the folder and download again"
        )
    if not found:
        raise SmeltError(dump, "holds no dump: expected *.bz2 files, as `smelt job download` leaves them")
    return [DumpFile(path, *listed.get(path.name, (None, None))) for path in found]


def decompress(file: DumpFile, threads: int = 1) -> Iterator[bytes]:
    """Yield the XML of a bz2 file in pieces; it may consist of several streams, as multistream dumps do.

    Args:
        file: the file.
        threads: how many decompress.

    Raises:
        SmeltError: it is no bz2, is damaged or ends early, or its sum is not the one that the mirror listed.
    """
    size = file.path.stat().st_size
    if size == 0:
        raise SmeltError(file.path, f"is empty. {remedy(file)}")
    if file.size is not None and size != file.size:
        raise SmeltError(
            file.path, f"has {size:,} bytes where the mirror listed {file.size:,}{_sums(file)}. {remedy(file)}"
        )
    digest = hashlib.sha1()
    given = 0
    try:
        if threads == 1:
            raise NotInBlocks
        for piece in decompress_blocks(_read(file, digest), threads):
            given += len(piece)
            yield piece
    except NotInBlocks:  # what follows says what is wrong with the file, or goes on behind what was given
        digest = hashlib.sha1()
        for piece in _decompress_in_order(file, digest, size):
            yield piece[given:]
            given = max(given - len(piece), 0)
    if file.sha1 and file.sha1 != digest.hexdigest():
        raise SmeltError(file.path, f"is not what was downloaded{_sums(file)}. {remedy(file)}")


def _read(file: DumpFile, digest: "hashlib._Hash") -> Iterator[bytes]:
    with file.path.open("rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
            yield piece


def _decompress_in_order(file: DumpFile, digest: "hashlib._Hash", size: int) -> Iterator[bytes]:
    decompressor = bz2.BZ2Decompressor()
    read = 0
    for compressed in _read(file, digest):
        if read == 0 and not compressed.startswith(b"BZh"):
            raise SmeltError(file.path, f"is not a bz2 file: it holds {opening(compressed)}. {remedy(file)}")
        read += len(compressed)
        piece = compressed
        try:
            while piece or not (decompressor.needs_input or decompressor.eof):
                if decompressor.eof:
                    _check_next_stream(file, piece, read - len(piece), size)
                    decompressor = bz2.BZ2Decompressor()
                yield decompressor.decompress(piece, MOST_AT_ONCE)
                piece = decompressor.unused_data
        except OSError:
            raise SmeltError(
                file.path,
                f"is damaged in the bz2 block near byte {read:,} of {size:,}{_sums(file)}. {remedy(file)}",
            ) from None
    if not decompressor.eof:
        raise SmeltError(
            file.path, f"ends in the middle of a bz2 block at byte {read:,} of {size:,}{_sums(file)}. {remedy(file)}"
        )


def _check_next_stream(file: DumpFile, rest: bytes, end: int, size: int) -> None:
    """Check that what follows the end of a stream, at byte `end`, can be another stream."""
    if rest.startswith(b"BZh") or b"BZh".startswith(rest):
        return
    what = "zero bytes" if not any(rest) else opening(rest)
    raise SmeltError(
        file.path,
        f"goes on after the end of its last bz2 stream, at byte {end:,} of {size:,}, with {what}."
        f" {remedy(file, f'If the dump is whole without them, keep its first {end:,} bytes.')}",
    )


def remedy(file: DumpFile, otherwise: str = "Put a whole dump in its place.") -> str:
    """Return what to do about a damaged file: download it again if smelt downloaded it, or else `otherwise`."""
    if file.sha1:
        return f"Delete {file.path.parent} and run again, or name another mirror or date."
    return otherwise


def _read_parts(folder: Path) -> dict[str, tuple[str, int | None]]:
    record = folder / "dump.json"
    if not record.exists():
        return {}
    parts: Any = read_json(record).get("parts", [])
    return {part["name"]: (part["sha1"], part.get("size")) for part in parts}


def _sums(file: DumpFile) -> str:
    found = checksum(file.path, "sha1")
    if file.sha1 is None:
        return f" (its sha1: {found})"
    return f" (sha1 of the mirror's list: {file.sha1}, of the file: {found})"
