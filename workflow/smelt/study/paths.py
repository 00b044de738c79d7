"""Where the files of a study stand, which paths a rule makes, and which sources from outside Snakemake may know of."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from smelt.environment import fill_in

GENERATED = "resources/demo/"  # what lies here is made by the project itself
_MADE = re.compile(
    r"resources/demo/(dumps(/qa[abc]wiki(/20\d{6})?)?|tasks/demo-(ner|intent)/(train|validation|test)-qa[abc]\.(conll|tsv))"
)
PACKAGE = Path(__file__).parents[1]
METRICS = (
    *("tasks/kinds", "tasks/metrics.py", "tasks/answers.py", "tasks/rankings.py", "tasks/schemes.py"),
    "tasks/similarities.py",
)
"""Folders and modules that say what a metric is, and how it is computed from predictions."""
_SOURCES = {".py", ".html", ".css", ".js"}


class Paths:
    """The folders of a study's results."""

    def __init__(self, study: str) -> None:
        """Take the study's name."""
        self.study = study
        self.where = f"study {study}"
        """The study's name in errors."""
        self.results = f"results/{study}"
        self.logs = f"logs/{study}"
        self.benchmarks = f"benchmarks/{study}"
        self.checkpoints = f"checkpoints/{study}"
        self.run = f"{self.results}/.run"
        """What belongs to the run that makes them, and is no result."""

    def model(self, name: str) -> str:
        """Return the folder of a model."""
        return f"{self.results}/models/{name}"

    def tokenizer(self, name: str) -> str:
        """Return the folder of a tokenizer."""
        return f"{self.results}/tokenizers/{name}"

    def documents(self, corpus: str, languages: Iterable[str]) -> list[str]:
        """Return the documents of a corpus, one file a language."""
        return [f"{self.results}/corpora/{corpus}/{language}/documents.parquet" for language in languages]

    def finetuned(self, run: str) -> str:
        """Return the folder of a fine-tuned model.

        Args:
            run: <model>/<task>/seed-<n>.
        """
        return f"{self.results}/finetuned/{run}"

    def grid(self, run: str) -> str:
        """Return the folder of the runs of a grid.

        Args:
            run: <model>/<task>/seed-<n>.
        """
        return f"{self.results}/grids/{run}"

    def model_checkpoints(self, model: str) -> str:
        """Return the folder where a model's pretraining or distillation keeps checkpoints."""
        return f"{self.checkpoints}/models/{model}"

    def grid_checkpoints(self, run: str) -> str:
        """Return the folder where the runs of a grid keep checkpoints while they learn; run: as above."""
        return f"{self.checkpoints}/grids/{run}"

    def grid_weights(self, run: str) -> str:
        """Return the folder where the runs of a grid keep their weights until one is chosen; run: as above."""
        return f"{self.checkpoints}/grid-weights/{run}"

    def task(self, name: str) -> str:
        """Return the folder of a prepared task."""
        return f"{self.results}/tasks/{name}"


def run_of(model: str, task: str, seed: int | str) -> str:
    """Return the part of a path that names a fine-tuning."""
    return f"{model}/{task}/seed-{seed}"


def names(values: Iterable[str]) -> str:
    """Return a wildcard constraint that only these names match; nothing matches it where there are none."""
    return "|".join(re.escape(value) for value in values) or "(?!)"


def leading_to(paths: Iterable[str], values: Iterable[str]) -> str:
    """Return a constraint of a path's first wildcard: these names, where the path goes on as one of `paths` does."""
    return f"(?=(?:{_any_of(paths)})/)(?:{names(values)})"


def not_leading_to(paths: Iterable[str], values: Iterable[str]) -> str:
    """Return a constraint of a path's first wildcard: these names, where the path goes on as none of `paths` does."""
    return f"(?!(?:{_any_of(paths)})/)(?:{names(values)})"


def _any_of(paths: Iterable[str]) -> str:
    """Return a pattern of paths, all of one depth; folders in which the same is found stand together.

    Snakemake compiles it for every file of a rule, and a large study has thousands of fine-tunings.
    """
    inside: dict[str, dict[str, None]] = {}
    for path in paths:
        first, _, rest = path.partition("/")
        inside.setdefault(first, {})[rest] = None
    alike: dict[tuple[str, ...], list[str]] = {}
    for first, rests in inside.items():
        alike.setdefault(tuple(rests), []).append(first)
    groups = ((f"(?:{names(firsts)})", [rest for rest in rests if rest]) for rests, firsts in alike.items())
    return "|".join(f"{firsts}/(?:{_any_of(rests)})" if rests else firsts for firsts, rests in groups) or "(?!)"


def is_generated(path: str) -> bool:
    """Return whether a file or folder is one that `rules/demo.smk` makes."""
    return _MADE.fullmatch(path.rstrip("/")) is not None


def outside_sources(files: Iterable[str], made: str) -> list[str]:
    """Return the sources of a job from outside the study that may be inputs of its rule.

    Snakemake plans no job at all if an input is missing. So a missing source is left out of the inputs, and the job
    itself fails with a line that names it. If the job's output exists, the source stays an input: Snakemake then keeps
    the output, while with other inputs it would delete it and try to make it again.

    Args:
        files: the sources: files and folders.
        made: an output of the job.
    """
    stays = Path(made).exists()
    kept = [file for file in map(fill_in, files) if stays or Path(file).exists() or is_generated(file)]
    # A path under a variable that is not set has braces, in which Snakemake sees a wildcard.
    return [file.replace("${", "$(").replace("}", ")") for file in kept]


def modules(*parts: str) -> list[str]:
    """Return the source files of folders and modules: as inputs of cheap stages, an edit of them makes tables again."""
    folders = [PACKAGE / part for part in parts]
    inside = [path for folder in folders for path in folder.rglob("*") if path.suffix in _SOURCES]
    files = [*inside, *(path for path in folders if path.is_file())]
    return sorted(os.path.relpath(path) for path in files)
