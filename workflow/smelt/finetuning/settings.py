"""How a model is fine-tuned: the study's `finetuning` entry, as the command line hands it over."""

from typing import Any

from smelt.entry import check
from smelt.study.schema import Finetuning


def read_settings(found: dict[str, Any]) -> Finetuning:
    """Return the settings of `--settings`; the seed has its own flag, and `version` is for Snakemake's eyes.

    `tested_on`, the languages of the test split that count, and `keep` are the command's own.

    Raises:
        SmeltError: a key is not as it should be.
    """
    settings = {key: value for key, value in found.items() if key not in ("version", "tested_on", "keep")}
    return check(Finetuning, settings | {"seeds": [0]}, "--settings")
