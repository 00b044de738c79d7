"""`python -m smelt schema`: the JSON schemas of study and task files, for editors that complete and check keys."""

import argparse
from pathlib import Path
from typing import Any

from smelt.entry import Entry
from smelt.files import write_json
from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What validators accept besides a mapping, which pydantic's own schema cannot know.
SHORTHANDS = {
    "Split": {"type": "string", "description": "The file, where the whole of it is meant."},
    "TaskOptions": {"type": "null", "description": "No options."},
    "SettingSplit": {"type": "array", "items": {"type": "string"}, "description": "The languages of the split."},
}
# Families of models, which are written out before the types see them.
FAMILY = r"^[a-z0-9{][a-z0-9._{}-]*\{[a-z]+\}[a-z0-9._{}-]*$"
EACH = {
    "description": "A family: the model that is made for each value of `each`, filled in where its name stands.",
    "type": "object",
    "required": ["maker", "each"],
    "properties": {
        "each": {
            "description": "Languages, or another name to fill in and its values.",
            "anyOf": [
                {"type": "array", "minItems": 1, "uniqueItems": True},
                {"type": "object", "minProperties": 1, "maxProperties": 1},
            ],
        }
    },
}
SCHEMAS: dict[str, type[Entry]] = {"study.schema.json": Study, "task.schema.json": TaskFile}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")


def run(arguments: argparse.Namespace) -> None:
    """Write one schema for each kind of file."""
    for name, kind in SCHEMAS.items():
        write_json(arguments.output / name, schema_of(kind))
        print(arguments.output / name)


def schema_of(kind: type[Entry]) -> dict[str, Any]:
    """Return the JSON schema of a kind of file, with a description wherever its type has one."""
    schema = {"$schema": DIALECT} | kind.model_json_schema()
    for name, shorthand in SHORTHANDS.items():
        if name in schema["$defs"]:
            schema["$defs"][name] = {"anyOf": [shorthand, schema["$defs"][name]]}
    if kind is Study:
        schema["properties"]["models"]["patternProperties"][FAMILY] = EACH
    return schema
