import json
from pathlib import Path

import jsonschema
import pytest

from smelt.__main__ import main
from smelt.strict_yaml import read_yaml
from smelt.study import reference
from smelt.study.reference import SCHEMAS, schema_of
from smelt.tasks.task_file import LIBRARY

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_that_of_the_types(name: str) -> None:
    committed = json.loads((Path(reference.__file__).parent / name).read_text(encoding="utf-8"))
    assert committed == schema_of(SCHEMAS[name]), "run `smelt schema` and commit what it writes"


def test_the_command_writes_every_schema(tmp_path: Path) -> None:
    assert main(["schema", "--output", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_a_valid_schema_with_descriptions(name: str) -> None:
    schema = schema_of(SCHEMAS[name])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all("description" in kind for kind in schema["$defs"].values() if kind.get("type") == "object")


def test_an_editor_accepts_the_studies_and_refuses_a_mistyped_key() -> None:
    validator = jsonschema.Draft202012Validator(schema_of(SCHEMAS["study.schema.json"]))
    studies = [ROOT / "config/config.yaml", *sorted((ROOT / "config/studies").glob("*.yaml"))]
    for path in studies:
        study = read_yaml(path)
        validator.validate(study)
        with pytest.raises(jsonschema.ValidationError, match="corpra"):
            validator.validate(study | {"corpra": {}})


def test_an_editor_accepts_the_task_files() -> None:
    validator = jsonschema.Draft202012Validator(schema_of(SCHEMAS["task.schema.json"]))
    files = sorted(LIBRARY.glob("*.yaml"))
    assert [path.name for path in files if not validator.is_valid(read_yaml(path))] == []


def test_an_editor_accepts_the_shorthands() -> None:
    validator = jsonschema.Draft202012Validator(schema_of(SCHEMAS["study.schema.json"]))
    study = read_yaml(ROOT / "config/config.yaml")
    validator.validate(study | {"tasks": {"demo-ner": None, "demo-intent": {"limit": 5}}})
    assert not validator.is_valid(study | {"tasks": {"demo-ner": {"limits": 5}}})
