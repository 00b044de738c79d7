"""What is to be published: a model of a study, or one that was fine-tuned and kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, expected_one_of
from smelt.files import read_json
from smelt.provenance import sha256_of
from smelt.study.catalogue import Catalogue
from smelt.study.makers.adopt import Adopt
from smelt.study.makers.base import Maker
from smelt.study.paths import run_of
from smelt.tasks.task_file import TaskFile

PROVENANCE, CARD = "provenance.json", "README.md"


@dataclass(frozen=True)
class PublishedModel:
    """A model of a study whose folder is there."""

    catalogue: Catalogue
    model: str
    """Its name in the study."""
    task: str | None = None
    """The task that it was fine-tuned on."""
    seed: int | None = None

    @property
    def entry(self) -> Maker:
        """Its entry in the study."""
        return self.catalogue.study.models[self.model]

    @property
    def task_file(self) -> TaskFile | None:
        """The task that it was fine-tuned on, as its file has it."""
        return None if self.task is None else self.catalogue.tasks.files[self.task]

    @property
    def run(self) -> Path | None:
        """The folder of its fine-tuning."""
        if self.task is None or self.seed is None:
            return None
        return Path(self.catalogue.paths.finetuned(run_of(self.model, self.task, self.seed)))

    @property
    def folder(self) -> Path:
        """The folder that is published."""
        return self.run / "model" if self.run else Path(self.catalogue.paths.model(self.model))

    @property
    def provenance(self) -> dict[str, Any]:
        """The record of how it was made."""
        beside = self.folder / PROVENANCE
        return read_json(beside if beside.is_file() or self.run is None else self.run / PROVENANCE)

    @property
    def lineage(self) -> list[str]:
        """It and all models of the study that it was made from, itself first."""
        found, left = [], [self.model]
        while left:
            name = left.pop(0)
            if name not in found:
                found.append(name)
                left += self.catalogue.study.models[name].sources
        return found

    def made_from(self) -> Iterator[tuple[str, Maker, Path]]:
        """Yield it, unless it was fine-tuned, and the models that it was made from: name, entry and folder."""
        for name in self.lineage:
            yield name, self.catalogue.study.models[name], Path(self.catalogue.paths.model(name))

    def runs(self) -> list[tuple[str, int]]:
        """Return task and seed of the fine-tunings whose scores are its own."""
        if self.task is not None and self.seed is not None:
            return [(self.task, self.seed)]
        runs = self.catalogue.runs
        pairs = runs.pairs(model=self.model)
        return [(task, seed) for _, task in pairs for seed in runs.seeds_of(self.model, task)]


def find_model(catalogue: Catalogue, name: str) -> PublishedModel:
    """Return the model of a name: <model>, or <model>/<task>/seed-<n> for one that was fine-tuned.

    Raises:
        SmeltError: the study has no such model, task or seed, or it is not built, not kept or not one model.
    """
    where, study = catalogue.paths.where, catalogue.study
    model, *run = name.strip("/").split("/")
    if model not in study.models:
        raise SmeltError(where, f"has no model {model!r}: {expected_one_of(model, study.models)}")
    if run:
        return _finetuned(catalogue, model, run)
    entry = study.models[model]
    found = PublishedModel(catalogue, model)
    if entry.makes_finetuned:
        task = catalogue.runs.pairs(model=model)[0][1] if catalogue.runs.pairs(model=model) else "<task>"
        example = run_of(model, task, catalogue.runs.seeds[0] if catalogue.runs.seeds else 1)
        raise SmeltError(where, f"{model!r} is another model for each task and seed: name one, such as {example}")
    if isinstance(entry, Adopt) and entry.hub and entry.tokenizer == "published":
        raise SmeltError(where, f"{model!r} is {entry.hub} as it was published: publish what was made from it")
    if not Path(catalogue.paths.results).is_dir():
        raise SmeltError(where, f"has no results here ({catalogue.paths.results}): expected the folder that it ran in")
    if not (found.folder / PROVENANCE).is_file():
        raise SmeltError(where, f"{model!r} is not built yet: `smelt run <study>` makes {found.folder}")
    return found


def _finetuned(catalogue: Catalogue, model: str, run: list[str]) -> PublishedModel:
    where, runs = catalogue.paths.where, catalogue.runs
    tasks = [task for _, task in runs.pairs(model=model)]
    if len(run) != 2 or not run[1].startswith("seed-"):
        raise SmeltError(f"{model}/{'/'.join(run)}", "expected <model>, or <model>/<task>/seed-<n>")
    if run[0] not in tasks:
        raise SmeltError(where, f"{model!r} is not fine-tuned on {run[0]!r}: {expected_one_of(run[0], tasks)}")
    seeds = [f"seed-{seed}" for seed in runs.seeds_of(model, run[0])]
    if run[1] not in seeds:
        raise SmeltError(where, f"has no {run[1]} of {model} on {run[0]}: {expected_one_of(run[1], seeds)}")
    found = PublishedModel(catalogue, model, run[0], int(run[1].removeprefix("seed-")))
    assert found.run is not None
    if not (found.run / "metrics.json").is_file():
        raise SmeltError(where, f"{found.run} is not built yet: `smelt run <study>` makes it")
    if not (found.folder / "config.json").is_file():
        kept = "weights of fine-tuned models stay with `finetuning: {keep: best}` alone"
        raise SmeltError(where, f"{found.run} has its scores but no weights: {kept}; set it and run again")
    return found


def refuse_other_weights(published: PublishedModel) -> None:
    """Refuse scores of another model than the one in its folder, as after a training that was repeated.

    Raises:
        SmeltError: a fine-tuning was made from other files.
    """
    if published.run or published.entry.makes_finetuned:
        return
    now = sha256_of(published.folder)
    for task, seed in published.runs():
        run = Path(published.catalogue.paths.finetuned(run_of(published.model, task, seed)))
        if (path := run / PROVENANCE).is_file():
            used = read_json(path).get("inputs", {}).get("model", [])
            if used and used[0].get("sha256") != now:
                raise SmeltError(run, f"was fine-tuned from other files than {published.folder} holds now: run again")
