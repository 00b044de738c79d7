"""Helpers with which the Snakefile loads a study: files, warnings, and patterns of wildcards."""

import contextlib
import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

from smelt.cli import DEMO
from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.strict_yaml import parse_yaml, read_yaml
from smelt.study.catalogue import Catalogue
from smelt.study.check import left_over, missing_sources, warnings
from smelt.study.driver import Driver
from smelt.study.makers import MAKERS
from smelt.study.makers.trained import TrainedOnBlocks
from smelt.study.origin import Origin
from smelt.study.revisions import unpinned
from smelt.study.schema import check_study
from smelt.tasks.task_file import OWN_TASKS
from smelt.training.lock import FINISHED

FORMER = {
    r"python -m smelt job ": "python -m smelt ",
    r"\$\{\{SMELT_MINUTES:-(\{resources\.runtime\})\}\}": r"\1",
    r"@\{params\.lists:q\}/blocks": "{params.blocks:q}",
    r"@\{params\.lists:q\}/(\w+)": r"{input.\1:q}",
}
"""Patterns of parts of the commands of rules, and what stood in their place in earlier versions."""
WAITS = "what needs them fails, all else is made, and the report waits"


def load(files: Iterable[str | Path], given: Mapping[str, Any]) -> Catalogue:
    """Return the catalogue of the study that Snakemake was given; a wrong study ends the program."""
    try:
        return catalogue_of(files, given)
    except SmeltError as error:
        _end(error)


def catalogue_of(files: Iterable[str | Path], given: Mapping[str, Any]) -> Catalogue:
    """Return the catalogue of one or more study files, as Snakemake's `--configfile` takes them.

    The files are read here and not by Snakemake, whose reader lets a key stand twice and takes Norwegian's `no` for
    false. The folder `tasks` beside each file may hold task files of the study's own; the last file's counts first.

    Args:
        files: study files, by default the demo's; keys of later ones replace those of earlier ones.
        given: keys of the command line, which replace those of files.

    Raises:
        SmeltError: a file or a key is not as it should be.
    """
    paths = [Path(file) for file in files] or [DEMO]
    where = " + ".join([*map(_relative, paths), *(["--config"] if given else [])])
    whole: dict[str, Any] = {}
    for path in paths:
        content = read_yaml(path)
        if not isinstance(content, Mapping):
            raise SmeltError(_relative(path), f"expected a mapping of keys, found {type(content).__name__}")
        whole = _merge(whole, content)
    study = check_study(_merge(whole, given), where, [path.parent for path in reversed(paths)])
    return Catalogue(study, *(path.parent / OWN_TASKS for path in reversed(paths)))


def warn(catalogue: Catalogue) -> None:
    """Print which sources of a study are not there, whose jobs fail while the rest is made, and what grids left."""
    if lines := warnings(missing_sources(catalogue), unpinned(catalogue.study.models)):
        print(f"smelt: sources of the study are not there; {WAITS}", *lines, sep="\n  ", file=sys.stderr)
    for line in left_over(catalogue):
        print(f"smelt: {line}", file=sys.stderr)


def files_of(workflow: Any, config: Mapping[str, Any], demo: Path) -> list[Path]:
    """Return the study files: of the command line, else those that `configfile:` names, else the demo's.

    As a module of another workflow, smelt needs that workflow's `configfile` and `config: config`: it reads the files
    itself (see `catalogue_of`), so another `config` would be left out in silence, and ends the program.

    Args:
        workflow: of the Snakefile.
        config: Snakemake's, of the Snakefile.
        demo: the demo's study file.
    """
    files = [Path(file) for file in workflow.config_settings.configfiles or workflow.configfiles]
    if workflow.modifier.is_main_snakefile():
        return files or [demo]
    if not files or config != workflow.modifier_stack[0].globals["config"]:
        _end(
            SmeltError(workflow.main_snakefile, 'a module of smelt needs `configfile: "<study>"` and `config: config`')
        )
    return files


def lock_of(study: Catalogue, files: Sequence[str | Path]) -> Callable[[Any], AbstractContextManager[None]]:
    """Return the method that takes the place of the one with which Snakemake locks its folder.

    A study whose name is that of another one with results ends the program.

    Args:
        study: the study's catalogue.
        files: the files it is read from.
    """
    paths = study.paths
    origin = Origin(paths, files)
    try:
        origin.check()
    except SmeltError as error:
        _end(error)

    @contextlib.contextmanager
    def lock(persistence: Any) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(Driver(paths).drive(persistence.dag))
                origin.remember()
                held.enter_context(unlocked(persistence))
            except SmeltError as error:
                _end(error)
            except OSError as error:
                _end(SmeltError(error.filename or paths.run, error.strerror or str(error)))
            yield

    unlocked = without_lock(study, files)
    return lock


def compare_commands(code_of: Callable[[Any, Any], str | None]) -> Callable[[Any, Any], str | None]:
    """Return what Snakemake calls for the command of a rule, to run jobs again whose command differs.

    What earlier versions called otherwise counts as that: results of theirs stay as they are.

    Args:
        code_of: what Snakemake calls itself, with its persistence and a rule.
    """

    def code_as_before(persistence: Any, rule: Any) -> str | None:
        code = code_of(persistence, rule)
        for now, before in FORMER.items():
            code = code and re.sub(now, before, code)
        return code

    return code_as_before


def without_lock(study: Catalogue, files: Sequence[str | Path]) -> Callable[[Any], AbstractContextManager[None]]:
    """Return what takes the place of a lock under `--nolock`: how each run begins and ends.

    Not `onstart:` and the like, which Snakemake leaves out in a module.
    """

    @contextlib.contextmanager
    def unlocked(persistence: Any, *_: object) -> Iterator[None]:
        study.report.write(files)
        write_lists(persistence.dag)
        yield
        remove_checkpoints(study, persistence.dag)

    return unlocked


def write_lists(dag: Any) -> None:
    """Write the inputs of jobs that take them from files: a file for each name, with a path a line.

    Blocks are beside them, which the page reads without that they are inputs of its job.

    dag: Snakemake's jobs; those whose rule has a param `lists` name the folder.
    """
    for job in dag.needrun_jobs():
        if folder_of := getattr(job.rule.params, "lists", None):  # its other params may not be known yet
            blocks = getattr(job.rule.params, "blocks", None)
            beside = {"blocks": blocks(job.wildcards, job.input)} if blocks else {}
            for name, paths in (dict(job.input.items()) | beside).items():
                with whole_file(Path(folder_of(job.wildcards, job.input), name)) as draft:
                    lines = [paths] if isinstance(paths, str) else paths
                    draft.write_text("".join(f"{path}\n" for path in lines), encoding="utf-8")


async def leave_unrecorded(*_: object) -> None:
    """Record nothing about a job that has ended: what Snakemake calls in the place of its own record."""


def remove_checkpoints(catalogue: Catalogue, dag: Any) -> None:
    """Remove the last checkpoints of models that are written and that Snakemake has accepted.

    Until then it may take a model for that of a failed job and delete it.

    Args:
        catalogue: the study's.
        dag: Snakemake's jobs, at the end of the workflow.
    """
    trained = {name for name, maker in MAKERS.items() if issubclass(maker, TrainedOnBlocks)}
    for job in filter(dag.noneedrun_finished, dag.jobs):
        if job.rule.name in trained:
            for finished in Path(catalogue.paths.model_checkpoints(job.wildcards.model)).glob(f"*/{FINISHED}"):
                shutil.rmtree(finished.parent)
                with contextlib.suppress(OSError):  # it has checkpoints of other settings, too
                    finished.parents[1].rmdir()


def given_keys(words: Iterable[str]) -> dict[str, Any]:
    """Return the keys that `--config` sets, from words such as `country=FRA`; values are YAML, as in a study file."""
    keys: dict[str, Any] = {}
    try:
        for word in words:
            key, _, value = word.partition("=")
            keys = _merge(keys, {key: parse_yaml(value, f"--config {key}")})
    except SmeltError as error:
        _end(error)
    return keys


def started_rules(words: Sequence[str]) -> list[str] | None:
    """Return the rules that the process of a job may run, from the words of its command line; None where they say none.

    Snakemake itself reads them only after the Snakefile.
    """
    if "--allowed-rules" not in words:
        return None
    behind = itertools.dropwhile(lambda word: word != "--allowed-rules", words)
    return list(itertools.takewhile(lambda word: not word.startswith("-"), itertools.islice(behind, 1, None)))


def image_of(workflow: Any) -> str | None:
    """Return the image that jobs run in under `--sdm apptainer`, that of SMELT_CONTAINER.

    Where `--sdm apptainer` is given and there is none, this ends the program: Snakemake would run the jobs in its own
    environment, in silence. Not with conda beside it, which gives them one, nor in a module: its user may have images.

    workflow: of the Snakefile.
    """
    image = os.environ.get("SMELT_CONTAINER") or None
    methods = {str(method) for method in workflow.deployment_settings.deployment_method}
    if "apptainer" in methods and "conda" not in methods and workflow.modifier.is_main_snakefile():
        if image is None:
            _end(SmeltError("SMELT_CONTAINER", "is not set; --sdm apptainer needs the image that jobs are to run in"))
        if "://" not in image and not Path(image).exists():
            _end(SmeltError("SMELT_CONTAINER", f"there is no image {image}"))
    return image


def gives_gpus(resources: Any) -> bool:
    """Return whether jobs that ask for a GPU get one: on a cluster, or where `--resources gpu=` counts them.

    resources: those that Snakemake has to give, its `global_resources`.
    """
    return any(resources.get(name).value for name in ("_nodes", "gpu"))


def share_settings(settings: Any, rule: str, others: Iterable[str]) -> None:
    """Let what a profile or the command line sets for a rule count for others too, unless they have their own.

    settings: Snakemake's ResourceSettings.
    """
    for key in ("overwrite_resources", "overwrite_threads"):
        known = dict(getattr(settings, key))
        if rule in known:
            setattr(settings, key, dict.fromkeys(others, known[rule]) | known)
            vars(settings).pop(f"_parsed_{key}", None)  # Snakemake keeps what it has read of them


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys with others that replace them; mappings in both are merged likewise."""
    both = {key for key in new if isinstance(old.get(key), Mapping) and isinstance(new[key], Mapping)}
    return {**old, **new, **{key: _merge(old[key], new[key]) for key in both}}


def _relative(path: Path) -> str:
    """Return a file's path as a user would name it: Snakemake makes all of them absolute."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _end(error: SmeltError) -> NoReturn:
    print(f"smelt: {error}", file=sys.stderr)
    sys.exit(1)
