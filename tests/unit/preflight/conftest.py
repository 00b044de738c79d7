"""A cluster of programs named as SLURM's, on the PATH: they print what a real one does."""

import os
from pathlib import Path

import pytest

NODES = """\
n1|cpu|16|64000|(null)|avx2|idle
n2|cpu|16|64000|(null)|avx2,avx512|mixed
n3|gpu|64+|512000+|gpu:a100:4(S:0-1)|avx512|allocated
n4|gpu|128|1000000|gpu:h100:8|avx512|drained*
"""
PARTITIONS = """\
PartitionName=cpu AllowGroups=ALL AllowAccounts=ALL Default=YES MaxTime=2-00:00:00 State=UP TotalNodes=2
PartitionName=gpu AllowGroups=ALL AllowAccounts=vision,text Default=NO MaxTime=04:00:00 State=UP TotalNodes=2
"""
PROGRAMS = {
    "sinfo": f"cat <<'END'\n{NODES}END",
    "scontrol": f"[ $2 = config ] && echo 'MinJobAge   = 300 sec' && exit\ncat <<'END'\n{PARTITIONS}END",
    "sacctmgr": "printf 'text\\nspeech\\n'",
    "srun": 'while [ "$1" != python ]; do shift; done; exec "$@"',
}


class Cluster:
    """The programs, each of which a test may replace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name, lines in PROGRAMS.items():
            self.program(name, lines)

    def program(self, name: str, lines: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made
