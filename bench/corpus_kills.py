"""Extraction, cleaning and token blocks that are killed at drawn moments end as if nothing had happened.

One command after the other is started and killed with all its processes, some times, and then run again as it is. What
it has written by then is compared with what an undisturbed run wrote, byte for byte, but for the seconds in
statistics.json. Any output that a kill leaves has to be whole.
"""

import hashlib
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.commands import kill_all, own_environment
from bench.corpus_commands import CorpusCommands
from bench.measure import BenchmarkOutcome, machine, write
from bench.wiki import WikiSize, write_wiki

SIZE = WikiSize(30_000_000, 1_000_000)
TIMES = {"seconds", "processor_seconds", "tokens_per_second"}  # keys of JSON files whose values differ by the run

Digests = Mapping[str, str]
"""The digest of each file, by its path."""


@dataclass
class CorpusSurvival:
    """What became of commands that were killed on their way."""

    kills: dict[str, int] = field(default_factory=dict)
    """By the command's name."""
    in_writes: int = 0
    """Kills that left an output half written, under another name."""
    cut_short: list[str] = field(default_factory=list)
    """Outputs that were there after a kill and were not whole."""
    differing: list[str] = field(default_factory=list)
    """Files that are not those of the undisturbed run at the end."""
    files: int = 0
    """Files that were compared at the end."""
    left: list[str] = field(default_factory=list)
    """What lies there at the end and should not."""


def survive(undisturbed: CorpusCommands, killed: CorpusCommands, kills: Sequence[int], seed: int) -> CorpusSurvival:
    """Run three commands undisturbed, and others with numbers of kills; compare what they write.

    Moments are drawn evenly over the time that a command took undisturbed.
    """
    draw, survived = random.Random(seed), CorpusSurvival()
    temporary = killed.folder / "temporary"
    temporary.mkdir(parents=True)
    for stage, number in zip(("extraction", "cleaning", "blocks"), kills, strict=True):
        words, seconds = getattr(killed, stage)(), run(getattr(undisturbed, stage)())
        if stage == "blocks":
            shutil.copytree(undisturbed.tokenizer, killed.tokenizer, dirs_exist_ok=True)
        if stage == "cleaning":
            run(undisturbed.training())
        expected, done = digests(undisturbed.folder), 0
        while done < number:
            if killed_after(words, draw.uniform(0, seconds), temporary):
                done += 1
                survived.in_writes += any(killed.folder.rglob(".*.draft"))
                survived.cut_short += differing(digests(killed.folder, whole=True), expected)
            else:
                seconds *= 0.9  # it ended before its time
        survived.kills[stage] = done
        run(words, temporary)
    found = digests(killed.folder)
    survived.differing = differing(found, expected) + sorted(expected.keys() - found.keys())
    survived.files = len(expected)
    survived.left = [str(path) for path in (*temporary.iterdir(), *killed.folder.rglob(".*"))]
    return survived


def run(words: Sequence[str], temporary: Path | None = None) -> float:
    """Run a command to its end; return the seconds that it took."""
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, env=_environment(temporary), check=False)
    if done.returncode:
        raise RuntimeError(f"{words[3]} ended with exit code {done.returncode}: {done.stderr.strip()}")
    return time.monotonic() - began


def killed_after(words: Sequence[str], seconds: float, temporary: Path) -> bool:
    """Start a command and kill it with all its processes after some seconds; return whether it was still running."""
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(temporary))
    try:
        if running.wait(seconds):
            raise RuntimeError(f"{words[3]} ended with exit code {running.returncode}")
    except subprocess.TimeoutExpired:
        kill_all(psutil.Process(running.pid))
        running.wait()
        return True
    return False


def digests(folder: Path, whole: bool = False) -> Digests:
    """Return the digests of all files of a folder; of JSON without the times in it.

    whole: only of those that have their final name, whatever is half written beside them.
    """
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    kept = (path for path in paths if path.parts[0] != "temporary")
    return {
        str(path): _digest(folder / path)
        for path in kept
        if not whole or not any(part.startswith(".") for part in path.parts)
    }


def differing(found: Digests, expected: Digests) -> list[str]:
    """Return the files that are not as expected."""
    return sorted(path for path, digest in found.items() if digest != expected.get(path))


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".json":
        content = json.dumps(_without_times(json.loads(content))).encode()
    return hashlib.sha256(content).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if key not in TIMES}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def _environment(temporary: Path | None) -> dict[str, str]:
    return own_environment() | ({"TMPDIR": str(temporary)} if temporary else {})


def corpus_kills(name: str) -> BenchmarkOutcome:
    """How many files survive the kills in the name, and are the same with 1 and 2 processes, and twice in a row."""
    number = int(name.split("-")[1])
    kills = [number // 3 + (place < number % 3) for place in range(3)]
    with tempfile.TemporaryDirectory(prefix="smelt-bench-") as folder:
        dump = Path(folder, "wiki.xml.bz2")
        megabytes = write_wiki(dump, SIZE) / 1e6
        two, killed, one = (
            CorpusCommands(dump, Path(folder, part), processes)
            for part, processes in (("two", 2), ("killed", 2), ("one", 1))
        )
        survived = survive(two, killed, kills, seed=1)
        expected = digests(two.folder)
        shutil.copytree(two.tokenizer, one.tokenizer)
        again = {"1 process": one, "2 processes, once more over their own files": two}
        others = {}
        for label, commands in again.items():
            for words in (commands.extraction(), commands.cleaning(), commands.blocks()):
                run(words)
            others[label] = len(expected) - len(differing(digests(commands.folder), expected))
    outcome = BenchmarkOutcome(
        name=name,
        unit="files of documents, statistics and blocks, the same bytes",
        ours=survived.files - len(survived.differing),
        peer=survived.files,
        peer_name="an undisturbed run",
        ratio=(survived.files - len(survived.differing)) / survived.files,
        runs=1,
        machine=machine(),
        further={
            "MB of XML": megabytes,
            **{f"kills of {stage}": kills for stage, kills in survived.kills.items()},
            "kills with an output half written": survived.in_writes,
            "outputs cut short": len(survived.cut_short),
            "files left behind": len(survived.left),
            **{f"the same with {label}": same for label, same in others.items()},
        },
    )
    write(outcome)
    return outcome
