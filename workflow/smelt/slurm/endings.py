"""Decide what the end of a job on SLURM means: done, go on, try again with more, or an error to fix first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from smelt.errors import CRASH, FINAL, RESUMABLE
from smelt.slurm.records import JobRecord

OUT_OF_MEMORY = re.compile(r"exceeded (job )?memory limit|oom.kill|Out Of Memory", re.IGNORECASE)
"""What SLURM writes into its log of a job; the state of the job is often FAILED, because a step of it was killed."""


NODE_FAILURE = re.compile(r"srun: error: Node failure on")
"""What srun writes there when its node fails; it then ends with 0 (SLURM 22.05)."""


class Next(Enum):
    """What happens after the end of a job."""

    DONE = "done"
    RESUBMIT = "submit again as the same attempt"
    RETRY = "failed; try again while attempts are left"
    FAIL = "failed; trying again changes nothing"


@dataclass(frozen=True)
class Ending:
    """How a job ended."""

    next: Next
    why: str = ""
    lacked: str = ""
    """What the next attempt gets more of: `memory` or `time`."""


def ending(state: str | None, details: Mapping[str, str], record: JobRecord | None, kept: str, log: str = "") -> Ending:
    """Return what the end of a job means.

    Args:
        state: SLURM's, of a job that has ended; None where SLURM has forgotten the job.
        details: of `scontrol show job`; may be empty.
        record: that the job left. If its script and all commands in it have ended well, the state counts for nothing:
            a time limit may pass while the last process ends. A node that fails leaves a script that seems to have.
        kept: names the checkpoint that the job left for the next one; empty where it left no new one.
        log: the end of SLURM's own log of the job.
    """
    codes = set(record.codes) if record else set()
    if state in (None, "FAILED") and NODE_FAILURE.search(log):
        state = "NODE_FAIL"
    ended_well = record is not None and record.end == 0 and not any(record.codes)
    if state == "COMPLETED" or (ended_well and state not in ("NODE_FAIL", "BOOT_FAIL")):
        return Ending(Next.DONE)
    if state in ("CANCELLED", "DEADLINE"):
        return Ending(Next.FAIL, _why_ended(state, details))
    if state in (None, "FAILED") and OUT_OF_MEMORY.search(log):
        state = "OUT_OF_MEMORY"
    # What SLURM did to a job explains its exit codes: a process that misses a killed one ends with an error of its own.
    if state in (None, "FAILED") and codes.intersection(FINAL):
        return Ending(Next.FAIL)
    # A machine that misses another one ends with 75; what crashed there explains it.
    stopped = RESUMABLE in codes and CRASH not in codes
    if state != "OUT_OF_MEMORY" and (stopped or state == "PREEMPTED"):
        return Ending(Next.RESUBMIT)
    if state == "TIMEOUT" and kept:
        return Ending(Next.RESUBMIT, f"{_why_ended(state, details)}; it goes on from {kept}")
    lacked = {"TIMEOUT": "time", "NODE_FAIL": "", "BOOT_FAIL": ""}.get(state or "", "memory")
    return Ending(Next.RETRY, _why_killed(state, details, record), lacked)


def _why_killed(state: str | None, details: Mapping[str, str], record: JobRecord | None) -> str:
    codes = record.codes if record else ()
    if state is None:
        known = "its record has no end" if record else "it left no record"
        return f"SLURM has forgotten it and {known}: counted as killed"
    failed = next((code for code in codes if code), None)
    if state in ("OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL") or failed is None:
        return _why_ended(state, details)
    return ""  # the job's log has its error


def _why_ended(state: str, details: Mapping[str, str]) -> str:
    """Return why SLURM ended a job, in words."""
    nodes = details.get("NodeList", "")
    memory = details.get("MinMemoryNode") or details.get("MinMemoryCPU") or ""
    match state:
        case "OUT_OF_MEMORY":
            return f"out of memory: asked for {memory}".removesuffix(": asked for ")
        case "TIMEOUT":
            return f"time limit of {details.get('TimeLimit', 'its partition')} reached"
        case "NODE_FAIL" | "BOOT_FAIL":
            return f"node failed: {nodes}".removesuffix(": ")
        case "CANCELLED":
            return "cancelled by someone (scancel): not tried again in this run"
        case "DEADLINE":
            return "its deadline has passed"
    code, _, number = details.get("ExitCode", "").partition(":")
    end = f"signal {number}" if number not in ("", "0") else f"exit code {code}" if code else "no exit code"
    asked = f"; it had asked for {memory} of memory" if memory else ""
    return f"killed, or failed before its command began ({state}, {end}{asked})"
