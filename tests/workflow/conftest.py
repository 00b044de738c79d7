"""A small study, run for real once, from generated dump to report page; tests then ask what an edit would rerun."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARTS = ["workflow", "config", "envs", "profiles"]

STUDY: dict[str, Any] = {
    "study": "small",
    "country": "FRA",
    "corpora": {
        "wiki": {"wikipedia": {"date": "20260101", "languages": ["qaa", "qab"], "mirror": "resources/demo/dumps"}}
    },
    "tokenizers": {
        "unigram-300": {"algorithm": "unigram", "vocabulary": 300, "corpus": "wiki"},
        "unigram-600": {"algorithm": "unigram", "vocabulary": 600, "corpus": "wiki"},
    },
    "models": {
        name: {
            "maker": "pretrain",
            "architecture": {"layers": 1, "hidden": 32, "heads": 2, "feed_forward": 64, "embedding": 16},
            "tokenizer": tokenizer,
            "corpus": "wiki",
            "recipe": "small",
            "settings": {
                "data": {"batch": 4, "length": 64},
                "schedule": {"steps": 40},
                "validation": {"blocks": 8},
                "checkpoints": {"every": 5},
            },
        }
        for name, tokenizer in [("narrow", "unigram-300"), ("wide", "unigram-600")]
    }
    | {
        "narrow-qaa": {"maker": "reduce", "source": "narrow", "corpus": "wiki", "languages": ["qaa"], "tasks": []},
        "student-qaa": {
            "maker": "distil",
            "teacher": "narrow",
            "corpus": "wiki",
            "languages": ["qaa"],
            "student": {"layers": 1},
            "recipe": "distil",
            "settings": {
                "data": {"batch": 4, "length": 64},
                "model": {"precision": "fp32"},
                "schedule": {"steps": 20},
                "validation": {"blocks": 8},
            },
            "tasks": [],
        },
    },
    "tasks": {"demo-ner": {"limit": 60}, "demo-intent": {"limit": 60}},
    # Each run is a job, so that tests can count runs; test_seeds_of_a_job.py has several.
    "finetuning": {"seeds": [1, 2], "epochs": 1, "learning_rate": 1e-3, "runs_per_job": 1},
    "significance": {"resamples": 200},
    "efficiency": False,
    "tables": {
        "slots": {"kind": "scores", "tasks": ["demo-ner"]},
        "segmentation": {"kind": "segmentation", "tasks": ["demo-ner"]},
        "example": {"kind": "example", "task": "demo-ner"},
    },
}


@dataclass
class Project:
    """A checkout with a study file of its own."""

    folder: Path

    @property
    def study(self) -> dict[str, Any]:
        return yaml.safe_load((self.folder / "study.yaml").read_text())

    def write(self, study: dict[str, Any]) -> None:
        (self.folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def command(self, *words: str) -> list[str]:
        snakemake = str(Path(sys.executable).with_name("snakemake"))
        return [snakemake, "--configfile", "study.yaml", "--cores", "2", *words]

    def run_command(self, *words: str) -> list[str]:
        """Return the command that users type, which needs no repair after a kill."""
        return [sys.executable, "-m", "smelt", "run", "study.yaml", "--", "--cores", "2", *words]

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PATH": path, "PYTHONPATH": str(self.folder / "workflow"), "HF_HUB_OFFLINE": "1"}

    def snakemake(self, *words: str, check: bool = True) -> str:
        """Run Snakemake here and return all it printed."""
        done = subprocess.run(
            self.command(*words), cwd=self.folder, env=self.environment(), text=True, capture_output=True
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0 or not check, printed[-6000:]
        return printed

    def planned(self, *targets: str) -> dict[str, int]:
        """Return how many jobs of each rule a run would start now, without the target rule."""
        printed = self.snakemake("--dry-run", *targets)
        table = re.search(r"^Job stats:\njob +count\n[- ]+\n(.*?)^total", printed, re.MULTILINE | re.DOTALL)
        if table is None:
            assert "Nothing to be done" in printed, printed[-3000:]
            return {}
        jobs = {name: int(count) for name, count in (line.split() for line in table[1].splitlines())}
        return {name: count for name, count in jobs.items() if name != "all"}


def new_project(folder: Path) -> Project:
    """Return a checkout in which nothing has run, with the small study."""
    folder.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            # With __pycache__, but for what is being written there, so that no job has to compile the package again.
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.pyc.*", "*.egg-info"))
        else:
            shutil.copy2(source, folder / part)
    project = Project(folder)
    project.write(STUDY)
    return project


def project_of_models(folder: Path, models: dict[str, Any]) -> Project:
    """Make a checkout whose study has these models beside the pretrained `narrow`, and no tasks."""
    project = new_project(folder)
    left = {key: value for key, value in STUDY.items() if key not in ("tasks", "finetuning", "tables")}
    project.write(left | {"models": {"narrow": STUDY["models"]["narrow"]} | models})
    return project


def training_of(project: Project) -> int:
    """Return the process that trains."""
    (lock,) = project.folder.glob("checkpoints/**/lock")
    return int(json.loads(lock.read_text())["process"])


@contextmanager
def held(project: Project) -> Iterator[None]:
    """Stop the process that trains, and let it go on at the end."""
    training = training_of(project)
    os.kill(training, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(training, signal.SIGCONT)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small study, run to its report: by one of the parallel workers, while the others wait for it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of the temporary folders of all workers
    folder = root / "finished"
    printed = folder / "printed.txt"
    with (root / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            shutil.rmtree(folder, ignore_errors=True)
            printed.write_text(new_project(folder).snakemake())
    return Project(folder)


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Callable[[], Project]:
    """A maker of copies of the finished project, to edit; times are kept, so that nothing looks changed."""

    def copy() -> Project:
        folder = tmp_path / "project"
        shutil.copytree(finished.folder, folder, symlinks=True)
        return Project(folder)

    return copy
