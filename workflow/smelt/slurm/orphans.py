"""Find the jobs that outlived the Snakemake that submitted them: take over what is still wanted, cancel the rest.

The comment of a job in SLURM is its tag: which study it belongs to, what it makes, from what, and a unique end. So the
queue itself is the list of jobs, and a killed run has nothing to write down. A job that ended in the meantime has its
tag in its record. Only one run of a study goes on at a time (`smelt.study.driver`), so every other job of it is one
that was left.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.slurm import queue, records
from smelt.slurm.queue import Refused
from smelt.slurm.records import JobRecord

_FIRST = "smelt"  # of every tag


class OutOfSight(SmeltError):
    """A job of another user may make the same, and SLURM does not show whether it goes on."""


@dataclass(frozen=True)
class Tag:
    """What the comment of a job names, each as the beginning of a checksum."""

    study: str
    product: str
    """What it makes: its first output. A group of jobs goes by the first output of all."""
    sources: str
    """What it is made from: commands, params, inputs with their times."""
    own: str
    """Of this submission alone."""

    def __str__(self) -> str:
        """The comment."""
        return ":".join([_FIRST, self.study, self.product, self.sources, self.own])

    @classmethod
    def read(cls, comment: str) -> "Tag | None":
        """Return the tag that a comment is; None for another's comment."""
        match comment.split(":"):
            case [first, study, product, sources, own] if first == _FIRST:
                return cls(study, product, sources, own)
        return None


def tag_of(job: Any, study: str) -> Tag:
    """Return the tag of a new submission of one of Snakemake's jobs.

    Args:
        job: a job or a group of jobs.
        study: names the study and the folder that it runs in.
    """
    sources = [
        [part.rule.name, part.rule.shellcmd, _named(part.params), sorted(map(_state, part.input))]
        for part in sorted(_parts(job), key=lambda part: sorted(map(str, part.output)))
    ]
    return Tag(_checksum(study), _product(job), _checksum(sources), uuid.uuid4().hex[:8])


class Orphans:
    """The jobs that earlier runs of a study left."""

    def __init__(self, folder: Path, study: str, report: Callable[[str], None]) -> None:
        """Take the folder of records, what names the study, and where to write what was found and done."""
        self.folder, self.study, self.report = folder, _checksum(study), report
        self.left: dict[str, dict[str, Tag]] = {}  # by what they make, by id
        self.alive: set[str] = set()
        self.others: set[str] = set()  # other users whose jobs are among them
        self.hidden: dict[str, OutOfSight] = {}  # by what they make

    def find(self, jobs: Iterable[Any], wanted: Iterable[Any], whole: bool) -> None:
        """Look for jobs that were left, and cancel those that nothing needs.

        Args:
            jobs: of the workflow.
            wanted: those that are to be made.
            whole: whether the workflow was asked for all that the study has.

        Raises:
            NoAnswer: the controller does not answer.
            Refused: it answers with an error.
        """
        known = {
            path.name: record for path in self.folder.iterdir() if (record := records.read(self.folder, path.name))
        }
        owners = self._others_open(known)
        # Jobs that have yet to start have no record: they are known by their comments.
        self.others = {*owners.values(), *(user for user, comment in queue.of_others() if self._is_ours(comment))}
        found = queue.listed(self.others)
        comments = {number: job.comment for number, job in found.items() if job.active}
        self.alive = set(comments)
        comments = {number: record.tag for number, record in known.items()} | comments
        unseen = owners.keys() - found.keys()
        hidden = unseen if unseen and queue.hides_others() else set()
        names, needed = {_product(job): name_of(job) for job in jobs}, {_product(job) for job in wanted}
        for number, comment in comments.items():
            tag = Tag.read(comment)
            if tag is None or tag.study != self.study:
                continue
            if number in hidden:
                error = self.hidden[tag.product] = OutOfSight(
                    f"job {number} of {owners[number]}",
                    "it may still run, and SLURM does not show jobs of others here."
                    f" Once it has ended, remove {self.folder / number}",
                )
                if tag.product not in needed:
                    self.report(str(error))
            elif tag.product in needed:
                self.left.setdefault(tag.product, {})[number] = tag
            elif number not in self.alive:
                records.forget(self.folder, number)
            elif tag.product in names or whole:
                name = names.get(tag.product, "no longer in the study")
                self._cancel(number, f"{name}: nothing needs job {number} of an earlier run: cancelled")
            else:
                self.report(f"job {number} of an earlier run of the study goes on; what was asked for does not need it")

    def claim(self, job: Any, tag: Tag) -> tuple[str | None, list[str]]:
        """Return the id of a job that makes the same from the same, and else those to wait for, which are cancelled.

        Raises:
            OutOfSight: a job that may still run makes the same.
            NoAnswer: the controller does not answer.
        """
        if tag.product in self.hidden:
            raise self.hidden[tag.product]
        left, name = self.left.get(tag.product, {}), name_of(job)
        same = [number for number, other in left.items() if other.sources == tag.sources]
        ended = [number for number in same if number not in self.alive and self._has_made(number, job)]
        taken = next(iter([*(number for number in same if number in self.alive), *ended]), None)
        ending = []
        for number in left.keys() - {taken}:
            if number in self.alive:
                why = "would make it twice" if taken else "makes it from other settings or inputs"
                self._cancel(number, f"{name}: job {number} of an earlier run {why}: cancelled")
                ending.append(number)
            else:
                records.forget(self.folder, number)
        if ending:  # SLURM refuses a job that waits for one that it has forgotten
            known = queue.listed(self.others)
            ending = [number for number in ending if number in known and not taken]
        self.left.pop(tag.product, None)
        if taken:
            state = "goes on" if taken in self.alive else "has made it"
            self.report(f"{name}: job {taken} of an earlier run {state} and is taken over")
        return taken, ending

    def _others_open(self, known: Mapping[str, JobRecord]) -> dict[str, str]:
        """Return the owners of those records of the study without an end that are another user's."""
        owners = {}
        for number, record in known.items():
            if record.end is None and self._is_ours(record.tag):
                with suppress(OSError, KeyError):  # just removed; a user whom this machine does not know
                    if (self.folder / number).stat().st_uid != os.getuid():
                        owners[number] = (self.folder / number).owner()
        return owners

    def _is_ours(self, comment: str) -> bool:
        """Return whether a comment is the tag of a job of the study."""
        tag = Tag.read(comment)
        return tag is not None and tag.study == self.study

    def _has_made(self, number: str, job: Any) -> bool:
        record = records.read(self.folder, number)
        return record is not None and record.end == 0 and all(Path(file).exists() for file in job.output)

    def _cancel(self, number: str, line: str) -> None:
        try:
            queue.cancel([number])
        except Refused as error:
            line = f"{line.removesuffix('cancelled')}it cannot be cancelled: {error}"
        self.report(line)


def name_of(job: Any) -> str:
    """Return a job's name: its log's path without the parts that all logs share, as on Snakemake's screen."""
    log = next(iter(job.log), None)
    return str(log).removeprefix("logs/").removesuffix(".log") if log else str(job.name)


def last_checkpoint(job: Any) -> str:
    """Return the newest checkpoint that a job, or one of a group, can go on from; empty where there is none."""
    folders = [dict(part.params.items()).get("checkpoints") for part in _parts(job)]
    found = []
    for folder in filter(None, folders):
        with suppress(OSError):  # another job removes its own
            for path in Path(folder).rglob("step-*[0-9]/manifest.json"):
                found.append((path.stat().st_mtime_ns, str(path.parent)))
    return max(found, default=(0, ""))[1]


def _parts(job: Any) -> Iterator[Any]:
    """Yield the jobs of a group, or the job."""
    yield from job.jobs if job.is_group() else [job]


def _product(job: Any) -> str:
    return _checksum(min((str(file) for part in _parts(job) for file in part.output), default=""))


def _named(params: Any) -> list[list[str]]:
    return [*([name, str(value)] for name, value in params.items()), *(["", str(value)] for value in params)]


def _state(file: Any) -> list[str | int]:
    """Return a file's path, time and size; of a folder those of the mark that Snakemake leaves in it."""
    path = Path(file)
    mark = path / ".snakemake_timestamp"
    try:
        status = (mark if mark.exists() else path).stat()
    except OSError:
        return [str(file)]
    return [str(file), status.st_mtime_ns, status.st_size]


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]
