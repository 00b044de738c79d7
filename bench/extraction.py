"""Documents from dumps: `smelt job documents` against wikiextractor alone, on one core and on two.

Both expand templates. wikiextractor decompresses the dump twice, for the templates and for the articles, finds tags
line by line with a regular expression, and writes JSON lines as by default: no list items, headings with a full stop.
Smelt decompresses it once, checks sums and XML, accounts for each page, keeps list items and headings, counts by kind
what it drops or cannot expand, looks for markup that is left, and writes Parquet with statistics.

`extract-<wiki>` takes a dump of SMELT_DATA, `extract-qabwiki` an invented one that uses many templates; their pages are
repeated up to 100 MB of XML. `extract-dumps` takes all dumps of SMELT_DATA as they are, so that start-ups count.
Speeds are of the processor time of all processes of a command. The process that reads the dump and those that read
articles share the cores: as many as there are of the latter.
"""

import bz2
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.dumps import one_file, paths_of, real_dumps
from bench.measure import Benchmark, Figures, SkippedBenchmark, ratio

SIZE = 100_000_000  # bytes of XML
INVENTED = "qabwiki"
EXTRACTIONS = ("bnwiki", "elwiki", "enwiki", "hywiki", "jawiki", "viwiki", INVENTED, "dumps")


@dataclass(frozen=True)
class ExtractionFigures:
    """Seconds that commands took, and megabytes of XML that they read."""

    megabytes: float
    processor: float
    wall: float


def extraction(name: str) -> Benchmark | SkippedBenchmark:
    """Megabytes of XML a second of one core; the wiki stands in the name."""
    wiki, real = name.removeprefix("extract-"), real_dumps()
    if wiki not in (*real, INVENTED, "dumps") or (wiki == "dumps" and not real):
        return SkippedBenchmark(name, f"needs {wiki} of SMELT_DATA")
    held = tempfile.TemporaryDirectory(prefix="smelt-bench-")
    folder = Path(held.name)
    if wiki == "dumps":
        files = paths_of(list(real.values()))
        megabytes = sum(len(bz2.decompress(file.read_bytes())) for file in files) / 1e6
    else:
        files = [folder / f"{wiki}.xml.bz2"]
        megabytes = one_file(real.get(wiki) or _invented(folder / "dump"), SIZE, files[0]) / 1e6
    measured: dict[str, list[ExtractionFigures]] = {}

    def way(words: Callable[[Path, Path, int], Sequence[str]], label: str, processes: int) -> Callable[[], float]:
        def run() -> float:
            figures = _run([words(file, folder, processes) for file in files], megabytes, processes)
            measured.setdefault(label, []).append(figures)
            return megabytes / figures.processor

        return run

    return Benchmark(
        name,
        "MB of XML/s/core",
        "wikiextractor 3.1.0",
        ours=way(_ours, "ours", 1),
        peer=way(_peer, "peer", 1),
        runs=3,
        others={"ours, 2": way(_ours, "ours, 2", 2), "peer, 2": way(_peer, "peer, 2", 2)},
        further=lambda _: _further(measured),
        rehearse=False,  # each run is processes of its own
        close=held.cleanup,
    )


def _ours(dump: Path, folder: Path, processes: int) -> Sequence[str]:
    words = ["smelt", "documents", "--language", "en", "--held-out", "0.01", "--workers", str(processes)]
    written = ["--output-documents", str(folder / "d.parquet"), "--statistics", str(folder / "s.json")]
    return [*words, "--dump", str(dump), *written]


def _peer(dump: Path, folder: Path, processes: int) -> Sequence[str]:
    words = ["wikiextractor.WikiExtractor", "--quiet", "--json", "--processes", str(processes)]
    return [*words, "--output", str(folder / "peer"), str(dump)]


def _run(commands: Sequence[Sequence[str]], megabytes: float, cores: int) -> ExtractionFigures:
    mine = os.sched_getaffinity(0)
    began, before = time.perf_counter(), os.times()
    os.sched_setaffinity(0, sorted(mine)[:cores])  # processes that are started inherit it
    try:
        for words in commands:
            command = [sys.executable, "-m", *words]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        os.sched_setaffinity(0, mine)
    wall, after = time.perf_counter() - began, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return ExtractionFigures(megabytes, processor, wall)


def _further(measured: Mapping[str, list[ExtractionFigures]]) -> Figures:
    found: dict[str, float] = {"MB of XML": measured["ours"][0].megabytes}
    for way, runs in measured.items():
        found[f"{way}, processor s"] = median(one.processor for one in runs)
        found[f"{way}, wall s"] = median(one.wall for one in runs)
    for way, other in (("ours", "peer"), ("ours, 2", "peer, 2")):
        found[f"ratio by wall time{way.removeprefix('ours')}"] = ratio(
            [one.wall for one in measured[other]], [one.wall for one in measured[way]]
        )
    for way in ("ours", "peer"):
        found[f"{way}, 1 process to 2, wall"] = ratio(
            [one.wall for one in measured[way]], [one.wall for one in measured[f"{way}, 2"]]
        )
    return found


def _invented(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "smelt", "demo-data", "--wiki", INVENTED, "--output", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder
