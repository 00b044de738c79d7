"""`smelt job download`: one wiki's dump from the first mirror that has it, verified against the listed sums."""

import argparse
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

from smelt.cli import add_examples
from smelt.corpora.downloads import add_limit, turn_at
from smelt.corpora.listing import DumpPart, check_sums, opening, parts_of, parts_of_sums
from smelt.corpora.mirror import AbsentError, Mirror, PartFile, Patience, ReportBytes, open_mirror
from smelt.environment import as_written
from smelt.errors import SmeltError
from smelt.files import whole_folder, write_json
from smelt.study.corpora import fill_layout

REPORT_SECONDS = 5.0
OfMirror = TypeVar("OfMirror")
DATES = 12  # maximum number that a message names, the newest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--wiki", required=True, help="database name, such as elwiki")
    parser.add_argument("--date", required=True, help="date of the dump, such as 20230501")
    parser.add_argument(
        "--mirror",
        required=True,
        nargs="+",
        help="https://, http://, file:// or a local folder, laid out as the dumps server, or with {wiki} and {date} in"
        " it; of several, the first that has the dump",
    )
    parser.add_argument("--output", required=True, type=Path, help="folder for the verified dump")
    parser.add_argument("--partial", type=Path, help="folder where cut downloads wait to be resumed")
    parser.add_argument("--attempts", type=int, default=Patience.attempts, help="of one download without new bytes")
    parser.add_argument("--pause", type=float, default=Patience.pause, help="seconds before the second attempt")
    parser.add_argument("--silence", type=float, default=Patience.silence, help="seconds that a server may be silent")
    add_limit(parser)
    add_examples(
        parser,
        "--wiki swwiki --date 20230501 --mirror https://dumps.wikimedia.org --output dumps/swwiki",
    )


def run(arguments: argparse.Namespace) -> None:
    """Download and verify."""
    wiki, date, output = arguments.wiki, arguments.date, arguments.output
    if not re.fullmatch(r"[a-z_]+wiki", wiki) or not re.fullmatch(r"\d{8}", date):
        raise SmeltError(f"{wiki} {date}", "is no dump: expected a wiki such as elwiki and a date such as 20230501")
    patience = Patience(arguments.attempts, arguments.pause, arguments.silence)
    partial = arguments.partial or output.parent / ".partial" / f"{wiki}-{date}"

    def bring(mirror: Mirror, parts: list[DumpPart]) -> None:
        download(mirror, parts, wiki, date, output, partial)

    from_first(arguments.mirror, patience, wiki, date, bring, arguments.downloads_per_host)
    print(f"{wiki} {date}: every part verified, in {output}", flush=True)


def from_first(
    addresses: Sequence[str],
    patience: Patience,
    wiki: str,
    date: str,
    use: Callable[[Mirror, list[DumpPart]], OfMirror],
    limit: int | None = None,
) -> OfMirror:
    """Return what `use` makes of the first mirror that has the dump, and of the parts that it lists.

    Where `use` fails, the next mirror is asked. With a limit of downloads from a host, each mirror's turn is awaited.

    Raises:
        SmeltError: no mirror has it; the message gives each mirror's reason on a line.
    """
    refusals: list[SmeltError] = []
    for address in addresses:
        try:
            mirror = open_mirror(address, patience)
        except AbsentError as error:
            refusals.append(error)
            continue
        try:
            with turn_at(mirror.host, limit) if limit is not None and mirror.host else nullcontext():
                used = use(mirror, list_parts(mirror, wiki, date))
        except SmeltError as error:
            refusals.append(error)
            continue
        for refusal in refusals:
            print(f"not from {refusal}", flush=True)
        return used
    if len(refusals) == 1:
        raise refusals[0]
    lines = "".join(f"\n    {refusal}" for refusal in refusals)  # indented, as `JobLog.complaint` reads them
    raise SmeltError(f"{wiki} {date}", f"is on none of the {len(refusals)} mirrors:{lines}")


def download(mirror: Mirror, parts: list[DumpPart], wiki: str, date: str, output: Path, partial: Path) -> None:
    """Bring a dump's verified parts and their record, dump.json, to the folder `output`.

    Parts are gathered in `partial`, which survives a failure, so that the next run continues; a part whose sum is
    wrong is deleted from it.

    Raises:
        SmeltError: a part is not as the mirror lists it.
    """
    partial.mkdir(parents=True, exist_ok=True)
    folder = fill_layout(mirror.layout, wiki, date)
    for part in parts:
        fetch_verified(mirror, f"{folder}/{part.name}", part, partial / part.name)
    with whole_folder(output) as draft:
        for part in parts:
            shutil.move(partial / part.name, draft / part.name)
        record = {"wiki": wiki, "date": date, "parts": [vars(part) for part in parts]}
        write_json(draft / "dump.json", record | {"mirror": as_written(mirror.where("").rstrip("/"))})
    shutil.rmtree(partial)  # with what is left of parts that the mirror no longer lists


def list_parts(mirror: Mirror, wiki: str, date: str) -> list[DumpPart]:
    """Return the parts that both lists of the mirror agree on, or those of the sums where it has no dumpstatus.json.

    Raises:
        AbsentError: the mirror has neither list; the message names the dates that it has.
        SmeltError: the dump is not done, or a list is malformed.
    """
    folder = fill_layout(mirror.layout, wiki, date)
    status, sums = f"{folder}/dumpstatus.json", f"{folder}/{wiki}-{date}-sha1sums.txt"
    try:
        parts = parts_of(mirror.read(status), mirror.where(status), wiki, date)
    except AbsentError:
        return _parts_without_status(mirror, folder, sums, wiki, date)
    check_sums(mirror.read(sums), mirror.where(sums), parts)
    return parts


def _parts_without_status(mirror: Mirror, folder: str, sums: str, wiki: str, date: str) -> list[DumpPart]:
    """Return the parts as an archive lists them, in the sums alone; their sizes are those of its files."""
    try:
        ways = parts_of_sums(mirror.read(sums), mirror.where(sums), wiki, date)
    except AbsentError:
        raise AbsentError(mirror.where(folder), _other_dates(mirror, wiki)) from None
    absent: AbsentError | None = None
    for way in ways:
        try:
            return [DumpPart(name, mirror.size(f"{folder}/{name}"), digest) for name, digest in way]
        except AbsentError as error:
            absent = absent or error
    assert absent is not None, "parts_of_sums returns a way or raises"
    raise absent


def _other_dates(mirror: Mirror, wiki: str) -> str:
    """Return the message for a dump that is not on the mirror, with the dates that its index lists."""
    folders = mirror.layout.replace("{wiki}", wiki).split("/")
    level = next(level for level, name in enumerate(folders) if "{date}" in name)
    pattern = re.compile(re.escape(folders[level]).replace(re.escape("{date}"), r"(20\d{6})"))
    matches = map(pattern.fullmatch, mirror.names("/".join(folders[:level])))
    dates = sorted({match[1] for match in matches if match})
    shown = ("…, " if len(dates) > DATES else "") + ", ".join(dates[-DATES:])
    if not dates:
        return f"no such dump, and no list of the dates of {wiki}: name another date or mirror"
    return f"no such dump; the mirror has {wiki} of {shown}. Name one of these dates, or an archive of old dumps"


def fetch_verified(mirror: Mirror, path: str, part: DumpPart, target: Path) -> None:
    """Bring one part to `target`, unless an earlier run has already, and check its size and sum."""
    file = PartFile(target)
    if (file.size, file.sha1) == (part.size, part.sha1):
        print(f"{part.name}: already here and verified", flush=True)
        return
    mirror.fetch(path, part, file, _reporter(part))
    size, found = file.size, file.sha1
    if (size, found) == (part.size, part.sha1):
        return
    with target.open("rb") as stream:
        start = stream.read(80)
    target.unlink()
    looks = "" if start.startswith(b"BZh") else f" The file starts with {opening(start)}."
    raise SmeltError(
        mirror.where(path),
        f"is not the file that the mirror lists: sha1 {part.sha1} and {part.size:,} bytes listed,"
        f" sha1 {found} and {size:,} bytes found.{looks} Run again, or name another mirror.",
    )


def _reporter(part: DumpPart) -> ReportBytes:
    """Return a callback that prints the progress of a download, every few seconds and at its end."""
    begin = last = time.monotonic()

    def report(have: int) -> None:
        nonlocal last
        now = time.monotonic()
        if have == part.size or now - last >= REPORT_SECONDS:
            last = now
            print(f"{part.name}: {have / 1e6:,.1f} of {part.size / 1e6:,.1f} MB after {now - begin:.0f} s", flush=True)

    return report
