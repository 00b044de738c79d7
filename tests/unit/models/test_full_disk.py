"""A disk that takes no more ends a command in one line, with nothing half written."""

import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from reducible import MODELS, write_model

from smelt.errors import IO_ERROR

MOST = 5_000  # bytes of a file, less than any of the outputs


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, MOST))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["adopt", "reduce", "amplify", "documents", "export"])
def test_a_command_whose_disk_is_full_ends_in_a_line_and_leaves_nothing(tmp_path: Path, command: str) -> None:
    model = write_model(tmp_path / "source", MODELS["bert-masked"])
    text, made, temporary = tmp_path / "qaa.txt", tmp_path / "made", tmp_path / "temporary"
    text.write_text("".join(f"pata kama {number:x}\n" for number in range(4000)))
    others = tmp_path / "others.txt"
    others.write_text("".join(f"{random.Random(number).random()}\n" for number in range(4000)))
    temporary.mkdir()
    words = {
        "adopt": ["--source", json.dumps({"folder": str(model)})],
        "reduce": ["--model", f"{model}", "--corpus", f"qaa={text}"],
        "amplify": ["--model", f"{model}", "--corpus", f"qaa={text}"],
        "documents": [
            "--language",
            "qaa",
            "--text",
            f"{others}",
            "--held-out",
            "0.1",
            "--statistics",
            f"{made}/s.json",
        ],
        "export": ["--source", f"{model}", "--settings", '{"format": "onnx"}'],
    }[command]
    output = ["--output-documents", f"{made}/d.parquet"] if command == "documents" else ["--output", f"{made}/out"]
    done = subprocess.run(
        [sys.executable, "-m", "smelt", command, *words, *output],
        capture_output=True, text=True, preexec_fn=limit, env=os.environ | {"TMPDIR": str(temporary)}, check=False,
    )  # fmt: skip
    assert done.returncode == IO_ERROR, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("smelt: ")
    assert "File too large" in done.stderr.splitlines()[-1]
    assert list(made.rglob("*")) == []
    assert [path for path in temporary.iterdir() if path.name.startswith("smelt")] == []
