"""The tutorial's commands, typed one after the other into an empty folder, lead to its page."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests.workflow.conftest import ROOT, Project, new_project

TUTORIAL = ROOT / "docs/tutorial.md"
FENCE = re.compile(
    r"^(?:<!-- (?P<remark>.*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
SMALLER = {
    "schedule: {steps: 4000}": "schedule: {steps: 20}",
    "validation: {every: 500, blocks: 64}": "validation: {every: 20, blocks: 8}",
    "epochs: 10": "epochs: 1",
    "\ntasks: [pages]": "\ntasks: {pages: {limit: 60}}",
}
"""What the study that `smelt new` writes has instead, so that the test takes a minute of a processor."""


@dataclass
class Step:
    """A block of the page, and the remark before it, which readers do not see."""

    remark: str
    language: str
    text: str


def steps() -> Iterator[Step]:
    for found in FENCE.finditer(TUTORIAL.read_text()):
        yield Step(found["remark"] or "", found["language"], found["text"])


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new))


@pytest.fixture
def checkout(tmp_path: Path) -> Project:
    """A checkout with the pages that the tutorial takes for its text."""
    project = new_project(tmp_path / "checkout")
    shutil.copytree(ROOT / "docs", project.folder / "docs")
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, project.folder)
    return project


@pytest.mark.slow
def test_the_tutorial_can_be_typed_as_it_stands(checkout: Project) -> None:
    printed = []
    for step in steps():
        if step.remark.startswith("save as "):
            (checkout.folder / step.remark.removeprefix("save as ")).write_text(step.text)
            continue
        if step.remark == "by hand":
            continue
        if change := re.fullmatch(r"change (\S+): (.*) -> (.*)", step.remark):
            replace(checkout.folder / change[1], change[2], change[3])
        shell = ["bash", "-euo", "pipefail", "-c"] if step.language == "sh" else [sys.executable, "-c"]
        done = subprocess.run(
            [*shell, step.text], cwd=checkout.folder, env=checkout.environment(), text=True, capture_output=True
        )
        assert done.returncode == 0, f"{step.text}\n{done.stdout}{done.stderr}"[-3000:]
        printed.append(done.stdout if step.language == "python" else done.stdout + done.stderr)
        if "smelt new" in step.text:
            for old, new in SMALLER.items():
                replace(checkout.folder / "mine/pages.yaml", old, new)
    assert (checkout.folder / "results/pages/report.html").is_file()
    fourth = next(text for text in reversed(printed) if "Job stats" in text)
    assert re.search(r"^finetune +2$", fourth, re.MULTILINE), fourth
    assert "pretrain" not in fourth
    model = min((checkout.folder / "results/pages/models").iterdir())
    pieces = AutoTokenizer.from_pretrained(model).get_vocab()
    filled = printed[-1].removesuffix("\n")  # without a blank in front that only the piece has
    assert {filled, f"▁{filled}"} & pieces.keys(), printed[-1]


def test_every_block_of_the_tutorial_is_run_written_or_left_out_by_name() -> None:
    found = list(steps())
    assert len(found) == TUTORIAL.read_text().count("```") / 2
    assert {step.language for step in found if not step.remark.startswith("save as ")} == {"sh", "python"}
    assert {step.text for step in found if step.remark == "by hand"} == {
        "source .venv/bin/activate\n",
        "smelt open mine/pages.yaml\n",  # in a browser
    }
