"""config/README.md describes every key of study and task files."""

import re
from pathlib import Path
from typing import Any

import pytest

from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile, load_task

README = Path(__file__).parents[3] / "config/README.md"


def keys_of(schema: dict[str, Any]) -> set[str]:
    """Return every key that any part of a schema has."""
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}


@pytest.mark.parametrize("kind", [Study, TaskFile])
def test_every_key_stands_in_the_readme(kind: Any) -> None:
    prose = re.sub(r"^```.*?^```$", "", README.read_text(), flags=re.DOTALL | re.MULTILINE)  # examples describe nothing
    documented = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert keys_of(kind.model_json_schema()) - documented == set()


def test_the_whole_task_file_of_the_readme_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(title: .*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "mine.yaml").write_text(example)
    assert load_task("mine", tmp_path).languages == ["eu"]
