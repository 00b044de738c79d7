"""What Snakemake takes to plan a study, new or finished, beside a workflow of as many jobs that holds nothing else.

Times are of the processor, of the whole command `snakemake -n`. The peer's jobs have an output each and no input, so
what it takes is Snakemake's own: its start, and as many jobs.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.commands import own_environment, run_command
from bench.measure import Benchmark, Figures

CHECKOUT = Path(__file__).parents[1]
PARTS = ("workflow", "config", "envs", "profiles")
STUDIES = {"demo": "config/config.yaml", "malbert": "config/studies/malbert.yaml"}
PACKED = {"malbert": ["--config", "finetuning={runs_per_job: 5}"]}
"""What keeps the number of jobs as it was measured first."""
BARE = """rule all:
    input:
        expand("made/{{number}}", number=range({jobs})),


rule make:
    output:
        "made/{{number}}",
    shell:
        "touch {{output}}"
"""


def planning(name: str) -> Benchmark:
    """Jobs that are planned in a second of a processor; the name has the study, and whether it is finished."""
    _, study, *finished = name.split("-")
    folder = Path(tempfile.mkdtemp(prefix="planning-"))
    ours, bare = folder / "ours", folder / "bare"
    for part in PARTS:
        source = CHECKOUT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, _made(ours) / part)
    words = ["--configfile", STUDIES[study], *PACKED.get(study, []), "--cores", "2"]
    jobs = count(words, ours)
    (_made(bare) / "Snakefile").write_text(BARE.format(jobs=jobs - 1))
    if finished:
        for place, given in ((ours, words), (bare, words[2:])):
            run_command([sys.executable, "-m", "bench.instant_jobs", *given], place, _environment())
    return Benchmark(
        name,
        "jobs/s",
        "bare Snakemake",
        ours=_plans(ours, words, jobs),
        peer=_plans(bare, words[2:], jobs),
        further=lambda speeds: _seconds(speeds, jobs),
        close=lambda: shutil.rmtree(folder),
    )


def count(words: list[str], folder: Path) -> int:
    """Return how many jobs Snakemake plans."""
    command = [*_snakemake(), "--dry-run", *words]
    printed = subprocess.run(command, cwd=folder, env=_environment(), text=True, capture_output=True, check=True)
    found = re.search(r"^total +(\d+)$", printed.stdout + printed.stderr, re.MULTILINE)
    assert found, printed.stdout
    return int(found[1])


def _plans(folder: Path, words: list[str], jobs: int) -> Callable[[], float]:
    """Return what plans once, and returns the jobs planned in a second of the processor."""
    command = [*_snakemake(), "--dry-run", "--quiet", "all", *words]
    return lambda: jobs / run_command(command, folder, _environment()).processor_seconds


def _seconds(speeds: Mapping[str, list[float]], jobs: int) -> Figures:
    return {"jobs": jobs} | {f"{way}, s": jobs / sorted(of_way)[len(of_way) // 2] for way, of_way in speeds.items()}


def _snakemake() -> list[str]:
    return [sys.executable, "-m", "snakemake"]


def _environment() -> dict[str, str]:
    """Return an environment in which compiled modules are kept, as they are where smelt is installed."""
    return own_environment() | {"PYTHONPATH": f"{CHECKOUT}", "PYTHONDONTWRITEBYTECODE": ""}


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
