"""The little that the Snakefile needs besides the catalogue."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.load import check_study, expand

DEMO = Path("config/config.yaml")


def load(files: Iterable[str | Path], config: Mapping[str, Any]) -> Catalogue:
    """Return the catalogue of the study that Snakemake was given, or of the demo; a wrong study ends the program."""
    paths = [Path(file) for file in files]
    where = " + ".join(map(str, paths)) or "--config"
    try:
        if not config:
            return Catalogue.load(DEMO)
        if len(paths) == 1 and _is_content_of(paths[0], config):
            return _with_its_variables(Catalogue.load(paths[0]), where)
        return _with_its_variables(Catalogue(check_study(expand(dict(config)), where)), where)
    except SmeltError as error:
        print(f"smelt: {error}", file=sys.stderr)
        sys.exit(1)


def names(values: Iterable[str]) -> str:
    """Return a wildcard constraint that only these names match; one that nothing matches where there are none."""
    return "|".join(re.escape(value) for value in values) or "(?!)"


def leading_to(paths: Iterable[str], values: Iterable[str]) -> str:
    """Return a constraint of a path's first wildcard: these names, where the path goes on as one of `paths` does."""
    return f"(?=(?:{names(paths)})/)(?:{names(values)})"


def not_leading_to(paths: Iterable[str], values: Iterable[str]) -> str:
    """Return a constraint of a path's first wildcard: these names, where the path goes on as none of `paths` does."""
    return f"(?!(?:{names(paths)})/)(?:{names(values)})"


def _is_content_of(path: Path, config: Mapping[str, Any]) -> bool:
    """Whether Snakemake's `config` is what the file holds, with nothing merged in from --config.

    Then the file is better read anew: Snakemake's reader lets a key stand twice, and turns Norwegian's `no` into false.
    """
    return bool(yaml.safe_load(path.read_text(encoding="utf-8")) == dict(config))


def _with_its_variables(catalogue: Catalogue, where: str) -> Catalogue:
    """Return the catalogue, unless a source of its corpora or models lies under a variable that is not set.

    A task's sources may lie so: the job that needs them names them, and a study can be planned without them.
    """
    sources = catalogue.study.model_dump_json(include={"corpora", "models"})
    unset = sorted(set(re.findall(r"\$\{(\w+)\}", sources)))
    if unset:
        raise SmeltError(
            where, f"environment variable {', '.join(unset)} is not set: sources of the study lie under it"
        )
    return catalogue
