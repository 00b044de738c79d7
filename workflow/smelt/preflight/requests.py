"""What the jobs of a study ask for, under a profile: Snakemake's own dry run says it, with set-resources and all."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from smelt.errors import SmeltError
from smelt.preflight.partitions import JobRequest

ALL_CORES = 4096  # a dry run cuts threads to the cores of this machine, or to one
JOB = re.compile(r"^(?P<local>local)?(?:rule|checkpoint) (?P<rule>\w+):$", re.MULTILINE)
TARGET = "all"  # a rule without a job
THREADS = re.compile(r"^    threads: (\d+)$", re.MULTILINE)
SHORT = "short_jobs"  # the resource that says how many jobs of a group run at once
RESOURCES = re.compile(r"^    resources: (.*)$", re.MULTILINE)


def requested(
    command: Sequence[str], environment: Mapping[str, str], profile: Mapping[str, Any]
) -> Counter[JobRequest]:
    """Return what is asked for, and by how many jobs; jobs that run beside Snakemake itself are left out.

    Args:
        command: Snakemake's, with study and profile.
        environment: of the command.
        profile: the profile's keys, among them the partitions that the executor takes where a rule names none.

    Raises:
        SmeltError: the study cannot be planned.
    """
    done = subprocess.run(
        [*command, "--dry-run", "--printshellcmds", "--nocolor", "--cores", str(ALL_CORES)],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    if done.returncode:
        lines = [line for line in printed.splitlines() if line.strip()] or ["it printed nothing"]
        said = next((line.removeprefix("smelt: ") for line in lines if line.startswith("smelt: ")), lines[-1])
        raise SmeltError("snakemake --dry-run", said)
    return Counter(_requests(printed, profile))


def _requests(printed: str, profile: Mapping[str, Any]) -> Iterator[JobRequest]:
    found = list(JOB.finditer(printed))
    groups = _pairs(profile, "groups")
    components, at_once = (_counts(profile, key) for key in ("group-components", "resources"))
    for match, end in zip(found, [*(each.start() for each in found[1:]), len(printed)], strict=True):
        block = printed[match.end() : end].split("\nShell command:")[0]
        listed, threads = RESOURCES.search(block), THREADS.search(block)
        if match["local"] or listed is None or match["rule"] == TARGET:
            continue
        words = dict(word.partition("=")[::2] for word in listed[1].split(", "))
        gpus = _number(words, "gpu")
        of_gpus = profile.get("smelt-slurm-gpu-partition") if gpus else None
        alone = JobRequest(
            match["rule"],
            cpus=int(threads[1]) if threads else 1,
            memory=_number(words, "mem_mb"),
            minutes=_number(words, "runtime"),
            gpus=int(gpus) if gpus is not None else None,
            nodes=int(_number(words, "nodes") or 1),
            partition=words.get("slurm_partition") or str(of_gpus or profile.get("smelt-slurm-partition") or ""),
            gpu_model=words.get("gpu_model") or str(profile.get("smelt-slurm-gpu-type") or "" if gpus else ""),
            constraint=words.get("constraint", ""),
            account=words.get("slurm_account", ""),
        )
        together = components.get(groups.get(alone.rule, ""), 1)
        yield _of_group(alone, together, at_once.get(SHORT, together) if SHORT in words else together)


def _of_group(alone: JobRequest, together: int, at_once: int) -> JobRequest:
    """Return what a group of jobs asks for at most.

    together: jobs of the group.
    at_once: those of them that run side by side.
    """
    wide = min(together, at_once)
    return replace(
        alone,
        cpus=alone.cpus * wide,
        gpus=None if alone.gpus is None else alone.gpus * wide,
        memory=None if alone.memory is None else alone.memory * wide,
        minutes=None if alone.minutes is None else alone.minutes * ceil(together / wide),
    )


def _pairs(profile: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return the pairs that a key of a profile holds, such as `rule=group`: as a mapping, a list or one text.

    Raises:
        SmeltError: it holds something else.
    """
    held = profile.get(key) or []
    listed = [f"{name}={value}" for name, value in held.items()] if isinstance(held, Mapping) else held
    pairs = [str(pair).partition("=") for pair in (listed if isinstance(listed, list) else [listed])]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise SmeltError(f"profile: {key}", f"found {wrong[0]!r}: expected pairs such as name=value")
    return {name: value for name, _, value in pairs}


def _counts(profile: Mapping[str, Any], key: str) -> dict[str, int]:
    """Return the pairs of a key whose values are whole numbers above 0; Snakemake refuses others itself."""
    return {name: int(value) for name, value in _pairs(profile, key).items() if value.isdecimal() and int(value)}


def _number(words: Mapping[str, str], key: str) -> float | None:
    """Return a number that is asked for: 0 where nothing is; None where it is known only with the job's inputs."""
    value = words.get(key, "0")
    return float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else None
