"""A command without a GPU does not see those of the machine; without the setting, it uses those that are there."""

import json
import os
from pathlib import Path

import pytest

from smelt.__main__ import main

STUDENT = {
    "student": {"kind": "bilstm", "embedding": 8, "hidden": 8},
    "stages": [{"losses": {"labels": 1}}],
}
COMMANDS = {
    "finetune": ["--model", "missing", "--task", "missing", "--seed", "1", "--settings", "{}"],
    "signals": ["--teacher", "missing", "--task", "missing", "--settings", "{}"],
    "compress": [
        *["--source", "missing", "--task", "missing", "--seed", "1", "--checkpoints", "kept"],
        *["--settings", json.dumps(STUDENT)],
    ],
}


@pytest.mark.parametrize(("given", "seen"), [(["--gpus", "0"], ""), ([], "7"), (["--gpus", "1"], "7")])
@pytest.mark.parametrize("command", COMMANDS)
def test_gpus_are_hidden_from_a_job_that_asked_for_none(
    command: str, given: list[str], seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert main([command, *COMMANDS[command], *given, "--output", "out"]) == 1  # nothing is there to train on
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
