"""Whether a SLURM cluster takes the jobs of a study, and its nodes can run them."""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from smelt.errors import SmeltError, first_line
from smelt.preflight.findings import Finding, shorten_list
from smelt.preflight.partitions import JobRequest, Partition, describe, settings
from smelt.slurm.queue import ask
from smelt.study.plan import StagePlan

SHORTEST_MEMORY = 60.0  # seconds that the controller should know ended jobs, so that no look at them comes too late
SECONDS = 180.0  # that a tiny job may wait and run
LOOK = """
import json, os, platform, sys
found = {"host": platform.node(), "python": platform.python_version(), "folder": os.path.exists(sys.argv[1])}
try:
    import smelt, snakemake, torch
    found |= {"smelt": smelt.__version__, "snakemake": snakemake.__version__, "torch": torch.__version__}
    found |= {"gpus": torch.cuda.device_count()}
except ImportError as error:
    found["error"] = str(error)
print("preflight:", json.dumps(found))
"""


def requests(asked: Counter[JobRequest], partitions: Mapping[str, Partition]) -> Iterator[Finding]:
    """Yield the partitions, and whether the requests of all rules fit.

    Args:
        asked: the number of jobs of each request.
        partitions: of the cluster, by name.
    """
    used = [partition for partition in partitions.values() if partition.is_default or partition.name in _names(asked)]
    for partition in used:
        if partition.nodes:
            yield Finding("partition", "ok", describe(partition))
    misfits: Counter[tuple[str, str, str]] = Counter()
    for request, number in asked.items():
        if found := request.misfit(partitions):
            misfits[(request.rule, *found)] += number
    for (rule, seen, mend), number in misfits.items():
        yield Finding(f"rule {rule}", "problem", f"asks for {seen} ({_jobs(number)})", mend)
    if asked and not misfits:
        most = f"{max(request.cpus for request in asked)} CPUs, {max(request.memory or 0 for request in asked):,.0f} MB"
        gpus = max(request.gpus or 0 for request in asked)
        minutes = max(request.minutes or 0 for request in asked)
        yield Finding(
            "requests", "ok", f"{_jobs(asked.total())} ask for at most {most}, {gpus} GPUs, {minutes:,.0f} min"
        )
    later = sorted({request.rule for request in asked if None in (request.memory, request.minutes, request.gpus)})
    if later:
        yield Finding("requests", "ok", f"known only when their inputs are made: {shorten_list(later, 6)}")
    if not asked:
        yield Finding("requests", "ok", "all jobs are done")


def memory(stages: list[StagePlan], partitions: Mapping[str, Partition]) -> Iterator[Finding]:
    """Yield the stages whose largest job takes, by estimate, more memory than any node has."""
    most = max((node.memory for partition in partitions.values() for node in partition.nodes), default=0)
    large = [f"{stage.name} ({stage.memory / 1e3:,.0f} GB)" for stage in stages if stage.memory > most]
    if large:
        mend = "smaller batches, or a larger node"
        yield Finding(
            "memory", "warning", f"by estimate more than the {most / 1e3:,.0f} GB of any node: {large[0]}", mend
        )


def account(asked: Counter[JobRequest], partitions: Mapping[str, Partition]) -> Iterator[Finding]:
    """Yield whether the account of the jobs is one of the user's, and may use its partition."""
    named = sorted({request.account for request in asked if request.account})
    for request in asked:
        allowed = partitions[request.partition].accounts if request.partition in partitions else []
        if allowed and request.account and request.account not in allowed:
            seen = f"partition {request.partition} is not open to account {request.account}"
            yield Finding("account", "problem", seen, f"slurm_account: one of {shorten_list(allowed)}")
            return
    user = os.environ.get("USER") or str(os.getuid())
    try:
        listed = ask(
            ["sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user}", "format=account"]
        )
    except SmeltError:
        yield Finding(
            "account", "ok", f"{', '.join(named) or 'the default one'}; no accounting here to compare it with"
        )
        return
    own = sorted(set(listed.split()))
    if wrong := [name for name in named if own and name not in own]:
        yield Finding(
            "account", "problem", f"{wrong[0]} is none of yours: {', '.join(own)}", "slurm_account in the profile"
        )
    else:
        yield Finding(
            "account", "ok", f"{', '.join(named) or 'the default one'}, of {', '.join(own) or 'those not listed'}"
        )


def configuration() -> Iterator[Finding]:
    """Yield what of the controller's settings matters to the jobs of a workflow."""
    found = settings()
    age = re.match(r"\d+", found.get("MinJobAge", ""))
    if age and float(age[0]) < SHORTEST_MEMORY:
        mend = "seconds-between-status-checks in the profile: a third of it at most"
        yield Finding("MinJobAge", "warning", f"the controller forgets ended jobs after {age[0]} s", mend)
    elif age:
        yield Finding("MinJobAge", "ok", f"the controller knows ended jobs for {age[0]} s")


def srun(request: JobRequest) -> list[str]:
    """Return the words that run a command as a tiny job, where a job of the study would run."""
    words = ["srun", "--job-name=smelt-preflight", "--ntasks=1", "--cpus-per-task=1", "--mem=2000", "--time=5"]
    words += [f"--immediate={SECONDS / 2:.0f}"]
    words += [f"--partition={request.partition}"] if request.partition else []
    words += [f"--account={request.account}"] if request.account else []
    words += [f"--constraint={request.constraint}"] if request.constraint else []
    words += [f"--gpus={request.gpu_model + ':' if request.gpu_model else ''}1"] if request.gpus else []
    return words


def environment(check: str, prefix: list[str], variables: Mapping[str, str], gpus: bool) -> Iterator[Finding]:
    """Import what jobs import, in the environment that they get, and yield what was found.

    Args:
        check: the row's name.
        prefix: the words before the command, such as `srun`; none for this machine.
        variables: the environment.
        gpus: whether a GPU is asked for.
    """
    words = [*prefix, "python", "-c", LOOK, str(Path.cwd())]
    try:
        done = subprocess.run(words, env=dict(variables), text=True, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        yield Finding(check, "problem", f"{words[0]}: no such command", "run it where SLURM's commands are")
        return
    except subprocess.TimeoutExpired:
        seen = f"a tiny job did not end in {SECONDS:.0f} s"
        yield Finding(check, "warning", seen, "try again when the cluster is less busy, or leave it out with --no-job")
        return
    answer = re.search(r"^preflight: (.*)$", done.stdout, re.MULTILINE)
    if answer is None:
        yield Finding(check, "problem", first_line(Exception(done.stderr or "it printed nothing")), "see the message")
        return
    found = json.loads(answer[1])
    where = f"{found['host']}: Python {found['python']}"
    if not found["folder"]:
        yield Finding(check, "problem", f"{where}, no folder {Path.cwd()}", "run it in a folder that all nodes see")
    elif "error" in found:
        yield Finding(check, "problem", f"{where}, {found['error']}", "install the environment where nodes see it")
    elif gpus and not found["gpus"]:
        yield Finding(
            check, "warning", f"{where}, {_versions(found)}, no GPU that torch sees", "a torch for its driver"
        )
    else:
        yield Finding(check, "ok", f"{where}, {_versions(found)}, {found['gpus']} GPUs")


def _versions(found: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {found[name]}" for name in ("smelt", "snakemake", "torch"))


def _names(asked: Counter[JobRequest]) -> set[str]:
    return {request.partition for request in asked}


def _jobs(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"
