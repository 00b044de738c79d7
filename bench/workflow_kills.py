"""A demo that is killed at random moments, and gone on with by the same command, ends as if nothing had happened.

One of three is killed: the driver alone, whose jobs run on; one job, under a driver that runs on; or all, as when a
machine loses its power. The clock draws the moment, which falls on long stages; for every other kill it is the first
at which a command runs that few kills have met. Then `smelt run` is typed again. A demo that ends is compared with the
undisturbed one and begins again from nothing, until there were enough kills.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import psutil

from bench.commands import kill_all, own_environment, smelt
from bench.corpus_kills import Digests, differing, digests
from bench.measure import BenchmarkOutcome, machine, write

KINDS = ("driver", "job", "all")
SPACING = (0.03, 0.17)  # between kills, as parts of the time that an undisturbed demo takes
FEW = 3  # kills of a command until the clock alone draws its next
COMMANDS = 5  # after the last kill; one should do
TIMED = (
    "report.html",
    "plan.json",
    "costs.csv",
    "*provenance.json",
    "*README.md",
    "efficiency*",
    "figures/score-by-cost.*",
)
"""Results that hold times, dates or energy beside what was computed."""
ONE_THREAD = ["--set-threads", "pretrain=1", "--cores", "2", "--quiet", "all"]


@dataclass
class WorkflowSurvival:
    """What became of demos that were killed on their way."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what was killed."""
    commands: Counter[str] = field(default_factory=Counter)
    """The kills by a command that was running."""
    demos: int = 0
    """Demos that ended, the last one included."""
    most_commands: int = 0
    """How often the command was typed at most, after a demo's last kill, until it ended."""
    differing: list[str] = field(default_factory=list)
    """Files that are not those of the undisturbed demo."""


class Demo:
    """The demo in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Begin in an empty folder."""
        self.folder = folder
        self.driver: subprocess.Popen[bytes] | None = None

    def type_command(self) -> None:
        """Start the one command."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "printed.txt").open("ab") as printed:
            self.driver = subprocess.Popen(
                smelt("run", "--", *ONE_THREAD), cwd=self.folder, env=own_environment(), stdout=printed, stderr=printed
            )

    def ends_within(self, seconds: float | None) -> int | None:
        """Return the driver's exit code; None if it still runs after some seconds."""
        assert self.driver is not None
        try:
            return self.driver.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def is_killed_at(self, draw: random.Random, seconds: float, met: Counter[str]) -> int | None:
        """Wait for the moment of the next kill; return the driver's exit code if it ends before.

        seconds: what an undisturbed demo takes.
        met: kills by command.
        """
        moment = draw.uniform(*SPACING) * seconds
        if draw.random() < 0.5:
            return self.ends_within(moment)
        deadline = time.monotonic() + moment
        while (code := self.ends_within(0.1)) is None and time.monotonic() < deadline:
            if any(met[command] < FEW for command in self.jobs().values()):
                return self.ends_within(draw.uniform(0, 1))
        return code

    def jobs(self) -> dict[psutil.Process, str]:
        """Return the commands of smelt that run here, those that outlived their driver too, each with its name."""
        found = {}
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                if process.cwd() == str(self.folder) and words[1:3] == ["-m", "smelt"] and words[3] != "run":
                    found[process] = words[4] if words[3] == "job" else words[3]
            except (psutil.Error, IndexError):
                continue
        return found

    def kill(self, kind: str, draw: random.Random, met: Counter[str]) -> list[str]:
        """Kill the driver, the job whose command fewest kills have met, or all.

        Return the names of the commands that were running; nothing is killed if no job was.
        """
        assert self.driver is not None
        jobs = self.jobs()
        if not jobs:
            return []
        if kind == "job":
            killed = min(jobs, key=lambda process: (met[jobs[process]], draw.random()))
            kill_all(killed)
            return [jobs[killed]]
        if kind == "all":
            kill_all(psutil.Process(self.driver.pid))
            for process in jobs:  # of earlier drivers
                kill_all(process)
        self.driver.kill()
        self.driver.wait()
        return sorted(set(jobs.values()))

    def results(self) -> Digests:
        """Return the digests of all results that hold no times."""
        found = digests(self.folder / "results" / "demo", whole=True)
        return {path: digest for path, digest in found.items() if not any(fnmatch(path, timed) for timed in TIMED)}


def survive(folder: Path, expected: Digests, seconds: float, kills: int, seed: int) -> WorkflowSurvival:
    """Kill demos until there were enough kills, and compare each that ends with what an undisturbed one made.

    folder: where demos run.
    expected, seconds: the results of an undisturbed demo, and how long it took.
    """
    draw, survived = random.Random(seed), WorkflowSurvival()
    demo = Demo(folder / "0")
    demo.type_command()
    typed = 1
    while True:
        enough = survived.kills.total() >= kills
        code = demo.ends_within(None) if enough else demo.is_killed_at(draw, seconds, survived.commands)
        if code is None:
            kind = draw.choice(KINDS)
            running = demo.kill(kind, draw, survived.commands)
            survived.kills[kind] += bool(running)
            survived.commands.update(running)
            print(f"demo {survived.demos}, kill {survived.kills.total()}: {kind}, {running}", file=sys.stderr)
            if running and kind != "job":
                demo.type_command()
                typed = 1
        elif code == 0:
            survived.demos += 1
            survived.most_commands = max(survived.most_commands, typed)
            found = demo.results()
            apart = differing(found, expected) + sorted(expected.keys() - found.keys())
            survived.differing += [f"{demo.folder.name}/{path}" for path in apart]
            if enough:
                return survived
            demo, typed = Demo(folder / str(survived.demos)), 1
            demo.type_command()
        elif typed < COMMANDS:
            demo.type_command()
            typed += 1
        else:
            raise RuntimeError(f"{typed} commands did not end the demo: {(demo.folder / 'printed.txt').read_text()}")


def workflow_kills(name: str) -> BenchmarkOutcome:
    """How many results of demos survive the kills in the name."""
    number = int(name.split("-")[1])
    with tempfile.TemporaryDirectory(prefix="smelt-bench-") as temporary:
        folder = Path(temporary).resolve()
        undisturbed, began = Demo(folder / "undisturbed"), time.monotonic()
        undisturbed.type_command()
        if code := undisturbed.ends_within(None):
            raise RuntimeError(f"the demo ended with {code}: {(undisturbed.folder / 'printed.txt').read_text()}")
        seconds, expected = time.monotonic() - began, undisturbed.results()
        survived = survive(folder, expected, seconds, number, seed=1)
    files = len(expected) * survived.demos
    outcome = BenchmarkOutcome(
        name=name,
        unit="results of demos, the same bytes",
        ours=files - len(survived.differing),
        peer=files,
        peer_name="an undisturbed demo",
        ratio=(files - len(survived.differing)) / files,
        runs=1,
        machine=machine(),
        further={
            "seconds of the undisturbed demo": seconds,
            "demos": survived.demos,
            "most commands after the last kill of a demo": survived.most_commands,
            **{f"kills of {kind}": number for kind, number in sorted(survived.kills.items())},
            **{f"kills during {command}": number for command, number in sorted(survived.commands.items())},
        },
    )
    for path in survived.differing:
        print(f"not the same: {path}", file=sys.stderr)
    write(outcome)
    return outcome
