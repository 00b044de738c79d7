"""A study with models and scores, to publish from."""

from pathlib import Path

import pytest
from tests.unit.publish.published_study import write_scores, write_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small study that has been run."""
    root = tmp_path_factory.mktemp("tiny")
    write_study(root)
    write_scores(root)
    return root
