"""A mirror's lists of a dump: the part files, their sizes and their sums."""

import json
import re
from dataclasses import dataclass
from typing import Any

from smelt.errors import SmeltError, quote

# Big wikis list both the parts and one recombined file of the same pages; the parts are made first.
JOBS = ("articlesdump", "articlesdumprecombine")


@dataclass(frozen=True)
class DumpPart:
    """One file of a dump: its name, its size in bytes and its SHA-1 in hexadecimal."""

    name: str
    size: int
    sha1: str


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in names by value: articles2 before articles10."""
    return [(int(digits or 0), text) for digits, text in re.findall(r"(\d+)|(\D+)", name)]


def parts_of(status: bytes, where: str, wiki: str, date: str) -> list[DumpPart]:
    """Return the part files that `dumpstatus.json` lists for the articles of a wiki, in the order of their pages.

    Raises:
        SmeltError: it is not the JSON that the dumps server writes, or the dump is not done.
    """
    try:
        jobs = json.loads(status)["jobs"]
        job = next(jobs[name] for name in JOBS if name in jobs)
        state, files = job["status"], job.get("files") or {}
    except (ValueError, KeyError, TypeError):
        raise SmeltError(where, f"is no list of a dump's files: found {opening(status)}; name another mirror") from None
    except StopIteration:
        raise SmeltError(where, f"lists no articles: expected a job {' or '.join(JOBS)}") from None
    if state != "done":
        raise SmeltError(where, f"the dump is not done (its status is {quote(state)}): wait, or name another date")
    if not files:
        raise SmeltError(where, "lists no file of articles; name another mirror or date")
    return [_part(name, files[name], where, f"{wiki}-{date}-") for name in sorted(files, key=natural_order)]


def check_sums(sums: bytes, where: str, parts: list[DumpPart]) -> None:
    """Compare the sums of `dumpstatus.json` with those of the `sha1sums.txt` beside it.

    Raises:
        SmeltError: a part is missing from the list, or its two sums differ.
    """
    sum_of = {name: digest for digest, name in _sums(sums)}
    for part in parts:
        if part.name not in sum_of:
            raise SmeltError(
                where, f"lists no sha1 of {part.name}: it starts with {opening(sums)}; name another mirror"
            )
        if sum_of[part.name] != part.sha1:
            raise SmeltError(
                where,
                f"the mirror contradicts itself about {part.name}: sha1 {sum_of[part.name]} here,"
                f" {part.sha1} in dumpstatus.json; name another mirror or date",
            )


def parts_of_sums(sums: bytes, where: str, wiki: str, date: str) -> list[list[tuple[str, str]]]:
    """Return the names and sums of the articles' files that `sha1sums.txt` lists: the parts, and the one whole file.

    Archives keep this list and not always `dumpstatus.json`. Either of the two may be missing, and a listed file
    need not be kept.

    Raises:
        SmeltError: it lists no articles.
    """
    listed = [(name, digest) for digest, name in _sums(sums)]
    prefix = re.escape(f"{wiki}-{date}-pages-articles")
    ways = [rf"{prefix}\d+\.xml(-p\d+p\d+)?\.bz2", rf"{prefix}\.xml\.bz2"]
    found = [sorted((entry for entry in listed if re.fullmatch(way, entry[0])), key=_by_number) for way in ways]
    if not any(found):
        raise SmeltError(where, f"lists no {wiki}-{date}-pages-articles….bz2: it starts with {opening(sums)}")
    return list(filter(None, found))


def opening(content: bytes) -> str:
    """Return the beginning of a file, short enough for an error message."""
    text = " ".join(content[:80].decode("utf-8", "replace").split())
    kind = "an HTML page" if re.match(r"<(!doctype\s+)?html", text, re.IGNORECASE) else "other content"
    return f"{kind}, {text[:50]!r}" if text else "nothing"


def _sums(sums: bytes) -> list[tuple[str, str]]:
    return re.findall(r"^([0-9a-f]{40}) [ *](\S+)$", sums.decode("utf-8", "replace"), re.MULTILINE)


def _by_number(entry: tuple[str, str]) -> list[tuple[int, str]]:
    return natural_order(entry[0])


def _part(name: str, entry: Any, where: str, prefix: str) -> DumpPart:
    if not re.fullmatch(re.escape(prefix) + r"[\w.-]+\.bz2", name):
        raise SmeltError(where, f"names a file {quote(name)}: expected {prefix}….bz2")
    try:
        part = DumpPart(name, int(entry["size"]), str(entry["sha1"]).lower())
    except (KeyError, TypeError, ValueError):
        raise SmeltError(where, f"lists no size and sha1 of {name}; name another mirror or date") from None
    if part.size <= 0 or not re.fullmatch(r"[0-9a-f]{40}", part.sha1):
        raise SmeltError(where, f"{name}: size {part.size} and sha1 {quote(part.sha1)} cannot be right")
    return part
