"""Reading study files: YAML in, a checked Study out."""

from pathlib import Path
from typing import Any

from smelt.entry import check, read_yaml
from smelt.families import expand_families
from smelt.study.schema import Study


def load_study(path: Path) -> Study:
    """Return the checked study of a YAML file.

    Raises:
        SmeltError: the file is missing, is not YAML, or a key of it is not as it should be; one line for each key.
    """
    return check_study(read_yaml(path), path)


def check_study(value: Any, where: str | Path) -> Study:
    """Return what a study file holds as a checked study, its families of models written out.

    Raises:
        SmeltError: a key is not as it should be; one line for each.
    """
    return check(Study, expand_families(value, where), where)
