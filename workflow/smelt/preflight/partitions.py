"""What the partitions of a SLURM cluster have and allow, and whether the requests of jobs fit there.

SLURM lets a job that asks for more than any node has wait for ever, unless the site sets `EnforcePartLimits`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from smelt.errors import expected_one_of
from smelt.slurm.queue import ask

UNUSABLE = ("down", "drain", "fail", "maint", "inval", "unk")
MINUTES_OF = (1440, 60, 1, 1 / 60)  # of days, hours, minutes, seconds


@dataclass(frozen=True)
class Node:
    """What one node has."""

    name: str
    cpus: int
    memory: int
    """MB."""
    gpus: Mapping[str, int]
    """GPUs by type; "" where the site names none."""
    features: frozenset[str]


@dataclass(frozen=True)
class Partition:
    """What one partition allows, and its nodes that are up."""

    name: str
    nodes: list[Node]
    minutes: float
    is_default: bool = False
    is_up: bool = True
    accounts: list[str] = field(default_factory=list)
    """Accounts that may use it; empty for all."""


@dataclass(frozen=True)
class JobRequest:
    """What the jobs of a rule ask for; None where it is known only when their inputs are there."""

    rule: str
    cpus: int
    memory: float | None
    """MB on each node."""
    minutes: float | None
    gpus: int | None
    """Of all nodes."""
    nodes: int = 1
    partition: str = ""
    gpu_model: str = ""
    constraint: str = ""
    account: str = ""

    def misfit(self, partitions: Mapping[str, Partition]) -> tuple[str, str] | None:
        """Return what does not fit, and what to do; None where the jobs can run."""
        default = next((name for name, partition in partitions.items() if partition.is_default), "")
        partition = partitions.get(self.partition or default)
        if partition is None:
            known = expected_one_of(self.partition, partitions)
            found = f"no partition is called {self.partition}" if self.partition else "no partition is the default one"
            return f"{found}: {known}", "name one in the profile"
        if not partition.is_up or not partition.nodes:
            return f"partition {partition.name} has no node that is up", "choose another, or wait for it"
        if (self.minutes or 0) > partition.minutes:
            asked = f"{self.minutes:,.0f} minutes; {partition.name} allows {partition.minutes:,.0f}"
            return asked, f"set-resources: {self.rule}: runtime, or another partition; a training goes on in a next job"
        return self._too_large(partition)

    def _too_large(self, partition: Partition) -> tuple[str, str] | None:
        nodes, gpus = partition.nodes, -(-(self.gpus or 0) // self.nodes)
        for words, key, fits in (
            (f"{self.cpus} CPUs", "set-threads", self._has_cpus),
            (f"{self.memory or 0:,.0f} MB", "mem_mb", self._has_memory),
            (" ".join(filter(None, [str(gpus), self.gpu_model, "GPUs"])), "gpu", self._has_gpus),
            (f"constraint {self.constraint}", "constraint", self._has_features),
        ):
            nodes = [node for node in nodes if fits(node)]
            if len(nodes) < self.nodes:
                have = f"{partition.name} has nodes of {_largest(partition.nodes)}"
                mend = f"{key}: {self.rule}" if key == "set-threads" else f"set-resources: {self.rule}: {key}"
                return f"{words} on {_count(self.nodes, 'node')}; {have}", f"{mend}, or another partition"
        return None

    def _has_cpus(self, node: Node) -> bool:
        return node.cpus >= self.cpus

    def _has_memory(self, node: Node) -> bool:
        return node.memory >= (self.memory or 0)

    def _has_gpus(self, node: Node) -> bool:
        there = node.gpus.get(self.gpu_model, 0) if self.gpu_model else sum(node.gpus.values())
        return there * self.nodes >= (self.gpus or 0)

    def _has_features(self, node: Node) -> bool:
        """Return whether a node has the features asked for, where they are plain names joined by `&`."""
        plain = re.fullmatch(r"[\w.-]+(&[\w.-]+)*", self.constraint)
        return not plain or set(self.constraint.split("&")) <= node.features


def read_partitions() -> dict[str, Partition]:
    """Return the cluster's partitions by name.

    Raises:
        SmeltError: SLURM's commands are not there, or the controller does not answer.
    """
    nodes: dict[str, list[Node]] = {}
    for line in ask(["sinfo", "--noheader", "--Node", "--format=%N|%R|%c|%m|%G|%f|%T"]).splitlines():
        name, partition, cpus, memory, gres, features, state = line.strip().split("|")
        if not state.lower().startswith(UNUSABLE):
            featured = frozenset(features.split(",")) - {"(null)"}
            node = Node(name, int(cpus.rstrip("+")), int(memory.rstrip("+")), gpus_in(gres), featured)
            nodes.setdefault(partition, []).append(node)
    partitions = {}
    for line in ask(["scontrol", "--oneliner", "show", "partition"]).splitlines():
        fields = dict(word.partition("=")[::2] for word in line.split() if "=" in word)
        name, accounts = fields["PartitionName"], fields.get("AllowAccounts", "ALL")
        partitions[name] = Partition(
            name,
            nodes.get(name, []),
            minutes_in(fields.get("MaxTime", "UNLIMITED")),
            fields.get("Default") == "YES",
            fields.get("State", "UP") == "UP",
            [] if accounts == "ALL" else accounts.split(","),
        )
    return partitions


def settings() -> dict[str, str]:
    """Return the cluster's configuration by its keys.

    Raises:
        SmeltError: the controller does not answer.
    """
    lines = ask(["scontrol", "show", "config"]).splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


def minutes_in(limit: str) -> float:
    """Return the minutes of one of SLURM's times: minutes, minutes:seconds, [days-]hours:minutes:seconds, UNLIMITED."""
    days, dash, rest = limit.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in [*parts, *filter(None, [days])]):
        return float("inf")
    numbers = [int(part) for part in parts]
    hours_first = numbers if dash or len(numbers) == 3 else [0, *numbers]
    return sum(number * minutes for number, minutes in zip([int(days or 0), *hours_first], MINUTES_OF, strict=False))


def gpus_in(gres: str) -> dict[str, int]:
    """Return the GPUs by type of a list such as `gpu:a100:4(S:0-1),gpu:2`."""
    found: dict[str, int] = {}
    for entry in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *rest = entry.split(":")
        if kind == "gpu":
            model, count = (rest[0] if len(rest) > 1 else "", rest[-1] if rest else "1")
            found[model] = found.get(model, 0) + (int(count) if count.isdecimal() else 1)
    return found


def _largest(nodes: Iterable[Node]) -> str:
    """Return the most of each that a node has, in words."""
    nodes = list(nodes)
    gpus = max(sum(node.gpus.values()) for node in nodes)
    models = sorted({model for node in nodes for model in node.gpus if model})
    named = f" ({', '.join(models)})" if models else ""
    cpus, memory = max(node.cpus for node in nodes), max(node.memory for node in nodes)
    return f"up to {_count(cpus, 'CPU')}, {memory:,} MB, {_count(gpus, 'GPU')}{named}"


def describe(partition: Partition) -> str:
    """Return what a partition has, in words."""
    limit = "no time limit" if partition.minutes == float("inf") else f"at most {partition.minutes:,.0f} minutes"
    name = f"{partition.name} (default)" if partition.is_default else partition.name
    return f"{name}: {_count(len(partition.nodes), 'node')} of {_largest(partition.nodes)}, {limit}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
