"""What jobs ask for is compared with what a cluster has, before it is asked to run them."""

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.preflight.conftest import Cluster

from smelt.errors import SmeltError
from smelt.preflight.cluster import account, configuration, environment, requests, srun
from smelt.preflight.partitions import JobRequest, gpus_in, minutes_in, read_partitions
from smelt.preflight.requests import requested

FITS = JobRequest("pretrain", cpus=8, memory=32_000, minutes=240, gpus=0)


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("UNLIMITED", float("inf")), ("2-00:00:00", 2880), ("04:30:00", 270), ("30:00", 30), ("1-12", 2160), ("90", 90)],
)
def test_times_of_slurm_are_read(written: str, minutes: float) -> None:
    assert minutes_in(written) == minutes


def test_gpus_are_counted_by_type() -> None:
    assert gpus_in("gpu:a100:4(S:0-1),gpu:h100:2,shard:8") == {"a100": 4, "h100": 2}
    assert gpus_in("gpu:2") == {"": 2}
    assert gpus_in("(null)") == {}


@pytest.mark.usefixtures("cluster")
def test_nodes_that_are_drained_do_not_count() -> None:
    partitions = read_partitions()
    assert [node.name for node in partitions["gpu"].nodes] == ["n3"]
    assert (partitions["gpu"].minutes, partitions["cpu"].is_default) == (240, True)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("asked", "seen", "mend"),
    [
        ({}, "", ""),
        ({"cpus": 32}, "32 CPUs on 1 node; cpu has nodes of up to 16 CPUs", "set-threads: pretrain"),
        ({"memory": 100_000}, "100,000 MB on 1 node", "set-resources: pretrain: mem_mb"),
        ({"minutes": 3000}, "3,000 minutes; cpu allows 2,880", "set-resources: pretrain: runtime"),
        ({"gpus": 1}, "1 GPUs on 1 node; cpu has nodes of up to 16 CPUs, 64,000 MB, 0", "set-resources: pretrain: gpu"),
        ({"nodes": 3}, "on 3 nodes", "set-threads: pretrain"),
        ({"constraint": "avx2&avx512"}, "", ""),
        ({"constraint": "arm"}, "constraint arm", "set-resources: pretrain: constraint"),
        ({"partition": "gpu", "gpus": 4, "gpu_model": "a100"}, "", ""),
        ({"partition": "gpu", "gpus": 4, "gpu_model": "h100"}, "4 h100 GPUs on 1 node", "set-resources: pretrain: gpu"),
        ({"partition": "gpu", "gpus": 8, "nodes": 2}, "8 CPUs on 2 nodes", "set-threads: pretrain"),
        ({"partition": "gpus"}, "no partition is called gpus: expected one of cpu, gpu; did you mean gpu?", "name one"),
        ({"memory": None, "minutes": None, "gpus": None}, "", ""),
    ],
)  # fmt: skip
def test_a_request_that_no_node_can_grant_is_named_with_what_to_change(
    asked: dict[str, Any], seen: str, mend: str
) -> None:
    found = replace(FITS, **asked).misfit(read_partitions())
    if not seen:
        assert found is None
    else:
        assert found is not None
        assert seen in found[0]
        assert found[1].startswith(mend)


@pytest.mark.usefixtures("cluster")
def test_rows_of_a_cluster_that_takes_all_and_of_one_that_does_not() -> None:
    partitions = read_partitions()
    states = [row.state for row in requests(Counter({FITS: 3}), partitions)]
    assert states == ["ok", "ok"]
    rows = list(requests(Counter({FITS: 3, replace(FITS, rule="blocks", cpus=32): 2}), partitions))
    assert [(row.check, row.state) for row in rows] == [("partition", "ok"), ("rule blocks", "problem")]
    assert "(2 jobs)" in rows[1].seen


@pytest.mark.parametrize(
    ("named", "partition", "state"),
    [("", "", "ok"), ("text", "gpu", "ok"), ("speech", "gpu", "problem"), ("chess", "", "problem")],
)
def test_the_account_is_one_of_the_users_that_the_partition_is_open_to(
    cluster: Cluster, named: str, partition: str, state: str
) -> None:
    asked = Counter({replace(FITS, account=named, partition=partition): 1})
    (row,) = account(asked, read_partitions())
    assert row.state == state
    cluster.program("sacctmgr", "exit 1")
    (row,) = account(Counter({replace(FITS, account="chess"): 1}), read_partitions())
    assert (row.state, "no accounting" in row.seen) == ("ok", True)


def test_a_controller_that_forgets_ended_jobs_soon_is_a_warning(cluster: Cluster) -> None:
    assert [row.state for row in configuration()] == ["ok"]
    cluster.program("scontrol", "echo 'MinJobAge               = 20 sec'")
    assert [row.state for row in configuration()] == ["warning"]


def test_a_tiny_job_imports_what_jobs_import(cluster: Cluster) -> None:
    words = srun(replace(FITS, partition="gpu", account="text", gpus=2, gpu_model="a100"))
    assert {"--partition=gpu", "--account=text", "--gpus=a100:1"} <= set(words)
    (row,) = environment("compute node", words, os.environ, gpus=False)
    assert row.state == "ok", row
    assert "torch 2." in row.seen
    (row,) = environment("compute node", words, os.environ | {"CUDA_VISIBLE_DEVICES": ""}, gpus=True)
    assert (row.state, "no GPU that torch sees" in row.seen) == ("warning", True)
    cluster.program("srun", "echo 'srun: error: Unable to allocate resources: Invalid account' >&2; exit 1")
    (row,) = environment("compute node", words, os.environ, gpus=False)
    assert (row.state, row.seen) == ("problem", "srun: error: Unable to allocate resources: Invalid account")


PLANNED = """group job 1 (jobs in lexicogr. order):
rule table:
    output: results/tables/scores.csv
    resources: short_jobs=1, mem_mb=2000, runtime=10
Shell command: true
rule blocks:
    threads: 2
    resources: mem_mb=500, runtime=60, gpu=1
Shell command: true
"""


@pytest.mark.parametrize(
    ("keys", "table"),
    [
        ({}, (1, 2000, 10)),
        ({"groups": ["table=report"]}, (1, 2000, 10)),
        ({"groups": ["table=report"], "group-components": ["report=5"]}, (5, 10_000, 10)),
        ({"groups": {"table": "report"}, "group-components": {"report": 5}, "resources": ["short_jobs=2"]},
         (2, 4000, 30)),
        ({"groups": "table=report", "group-components": None, "resources": "short_jobs=2"}, (1, 2000, 10)),
        ({"groups": None, "group-components": ["report=0"], "resources": ["tmpdir=/tmp"]}, (1, 2000, 10)),
        ({"groups": ["blocks=report"], "group-components": ["report=3"], "resources": ["short_jobs=2"]},
         (1, 2000, 10)),
    ],
)  # fmt: skip
def test_jobs_of_a_group_ask_for_what_all_of_it_takes(keys: dict[str, Any], table: tuple[int, int, int]) -> None:
    asked = requested(["printf", "%s", PLANNED], os.environ, keys)
    by_rule = {each.rule: (each.cpus, each.memory, each.minutes) for each in asked}
    together = 3 if keys.get("groups") == ["blocks=report"] else 1
    assert by_rule == {"table": table, "blocks": (2 * together, 500 * together, 60)}
    assert {each.rule: each.gpus for each in asked} == {"table": 0, "blocks": together}


def test_a_group_without_a_name_is_named() -> None:
    with pytest.raises(SmeltError, match="profile: groups: found 'table': expected pairs"):
        requested(["printf", "%s", PLANNED], os.environ, {"groups": ["table"]})
