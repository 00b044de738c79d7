"""The studies of papers, for tests of what they set."""

from pathlib import Path

from smelt.study.makers.compress import Compress
from smelt.study.makers.distil import Distil
from smelt.study.makers.pretrain import Pretrain
from smelt.study.schema import load_study

STUDIES = Path(__file__).parents[3] / "config/studies"


PAPERS = ("malbert", "smaller-mbert", "eliquare", "albeto", "xtremedistil")


def pretrained(study: str, model: str) -> Pretrain:
    entry = load_study(STUDIES / f"{study}.yaml").models[model]
    assert isinstance(entry, Pretrain)
    return entry


def distilled(study: str, model: str) -> Distil:
    entry = load_study(STUDIES / f"{study}.yaml").models[model]
    assert isinstance(entry, Distil)
    return entry


def compressed(study: str, model: str) -> Compress:
    entry = load_study(STUDIES / f"{study}.yaml").models[model]
    assert isinstance(entry, Compress)
    return entry
