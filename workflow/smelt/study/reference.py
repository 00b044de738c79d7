"""`smelt schema`: what editors and people read about files that people write, from their types.

Editors read JSON schemas. People read pages, which hold the table of a type between two lines, with prose around them:

    <!-- keys of Corpus -->
    <!-- end of keys -->
"""

import argparse
import json
import os
import re
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from smelt.cli import add_examples
from smelt.complaints import meaning_of
from smelt.entry import Entry, meanings
from smelt.errors import SmeltError
from smelt.files import write_json
from smelt.report.published import PaperNumbers
from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What validators accept in place of a mapping; pydantic's own schema does not know it.
SHORTHANDS = {
    "Split": {"type": "string", "description": "The file, where the whole of it is meant."},
    "TaskOptions": {"type": "null", "description": "No options."},
    "SettingSplit": {"type": "array", "items": {"type": "string"}, "description": "The languages of the split."},
}
# Families of models and tasks, which are written out before the types see them.
FAMILY = r"^[a-z0-9{][a-z0-9._{}-]*\{[a-z]+\}[a-z0-9._{}-]*$"
EACH = {
    "description": "A family: the model or task for each value of `each`, filled in where its name stands.",
    "type": "object",
    "required": ["each"],
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
SCHEMAS: dict[str, type[Entry]] = {
    "study.schema.json": Study,
    "task.schema.json": TaskFile,
    "published.schema.json": PaperNumbers,
}
CHECKOUT = Path(__file__).parents[3]
BLOCK = re.compile(r"^<!-- keys of (\w+) -->\n(?P<table>.*?)^<!-- end of keys -->$", re.MULTILINE | re.DOTALL)
HEAD = ["| key | value | default | meaning |", "|---|---|---|---|"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--output", type=Path, help="folder for the schemas, if they and the pages are to stay as they are"
    )
    add_examples(
        parser,
        "  # after keys of study or task files changed",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write one schema for each kind of file, and fill in the pages."""
    folder = arguments.output or Path(__file__).parent
    for name, kind in SCHEMAS.items():
        write_json(folder / name, schema_of(kind))
        print(folder / name)
    for page in [] if arguments.output else fill_in():
        print(page)


def schema_of(kind: type[Entry]) -> dict[str, Any]:
    """Return the JSON schema of a kind of file, with a description wherever its type has one."""
    schema = {"$schema": DIALECT} | kind.model_json_schema()
    for name, shorthand in SHORTHANDS.items():
        if name in schema["$defs"]:
            schema["$defs"][name] = {"anyOf": [shorthand, schema["$defs"][name]]}
    if kind is Study:
        schema["properties"]["models"]["patternProperties"][FAMILY] = EACH | {"required": ["maker", "each"]}
        (tasks,) = (kind for kind in schema["properties"]["tasks"]["anyOf"] if kind["type"] == "object")
        tasks["patternProperties"][FAMILY] = EACH
    return schema


@dataclass(frozen=True)
class KeyPlace:
    """Where the table of a type stands: a page, and the heading above the table."""

    page: Path
    heading: str

    def link_from(self, page: Path) -> str:
        """Return a link from another page, or from the same one."""
        path = "" if page == self.page else Path(os.path.relpath(self.page, page.parent)).as_posix()
        return f"[{self.heading}]({path}#{slug(self.heading)})"


def pages() -> list[Path]:
    """Return the pages of a checkout that hold tables; an installed package has none."""
    found = [CHECKOUT / "config/README.md", *sorted((CHECKOUT / "docs/reference").glob("*.md"))]
    return [page for page in found if page.is_file()]


def places(texts: dict[Path, str]) -> dict[str, KeyPlace]:
    """Return the place of each type's table in the texts of the pages."""
    found: dict[str, KeyPlace] = {}
    for page, text in texts.items():
        for block in BLOCK.finditer(text):
            if block[1] in found:
                raise SmeltError(page, f"keys of {block[1]}: stand on {found[block[1]].page} too")
            headings = re.findall(r"^#+ (.+)$", text[: block.start()], re.MULTILINE)
            found[block[1]] = KeyPlace(page, headings[-1].strip())
    return found


def types() -> dict[str, type[Entry]]:
    """Return every type with keys of its own in these files by name, those that others extend included."""
    found: dict[str, type[Entry]] = {}
    ahead: list[Any] = list(SCHEMAS.values())
    while ahead:
        part = ahead.pop()
        if isinstance(part, type) and issubclass(part, Entry) and part.model_fields:
            if part in found.values():
                continue
            if part.__name__ in found:
                raise SmeltError(part.__name__, f"a type of {part.__module__} and of {found[part.__name__].__module__}")
            if part.model_fields.keys() & vars(part).get("__annotations__", {}).keys():
                found[part.__name__] = part
            ahead += [*part.__bases__, *(field.annotation for field in part.model_fields.values())]
        else:
            ahead += typing.get_args(part)
    return found


def fill_tables(texts: dict[Path, str]) -> dict[Path, str]:
    """Return the texts of the pages with every table renewed.

    Raises:
        SmeltError: a page names a type that no file has, or no page has the table of a type.
    """
    where = places(texts)

    def renew(page: Path) -> str:
        return BLOCK.sub(lambda block: _table(block[1], page, where), texts[page])

    return {page: renew(page) for page in texts}


def fill_in() -> list[Path]:
    """Renew the tables in the pages of this checkout; return the pages."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    for page, text in fill_tables(texts).items():
        if text != texts[page]:
            page.write_text(text, encoding="utf-8")
    return list(texts)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _table(name: str, page: Path, where: dict[str, KeyPlace]) -> str:
    """Return the table of a type, between the two lines that enclose it."""
    kind = types().get(name)
    if kind is None:
        raise SmeltError(page, f"keys of {name}: no such type in study or task files")
    about = " ".join((kind.__doc__ or "").split())
    table = [*HEAD, *_rows(kind, page, where)]
    return "\n".join([f"<!-- keys of {name} -->", "", about, "", *table, "", "<!-- end of keys -->"])


def _rows(kind: type[Entry], page: Path, where: dict[str, KeyPlace]) -> Iterable[str]:
    """Return a row for each key, except those in the table of a type that this one extends."""
    schema = kind.model_json_schema()
    properties = schema["properties"] if "properties" in schema else schema["$defs"][kind.__name__]["properties"]
    required = schema.get("required") or schema.get("$defs", {}).get(kind.__name__, {}).get("required", [])
    above = [base for base in kind.__mro__[1:] if base.__name__ in where and issubclass(base, Entry)]
    inherited = {key for base in above for key in base.model_fields} - set(vars(kind).get("__annotations__", {}))
    own = meanings(kind)
    fields = {field.alias or key: field for key, field in kind.model_fields.items()}
    writer = _Writer(schema.get("$defs", {}), page, where)
    for key, about in properties.items():
        if key not in inherited:
            default = "required" if key in required else _default(about)
            meaning = " ".join((own.get(key) or _meaning_of(fields[key]) or "").split())
            cells = [f"`{key}`", writer.values(about), default, meaning]
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _meaning_of(field: FieldInfo) -> str | None:
    """Return the docstring of the one type that a key without one of its own holds."""
    kinds = [part for part in (field.annotation, *typing.get_args(field.annotation)) if isinstance(part, type)]
    return next((kind.__doc__ for kind in kinds if issubclass(kind, Entry)), None)


def _default(about: dict[str, Any]) -> str:
    """Return a default as a study file spells it; an empty one, or one that has keys of its own, is a dash."""
    value = about.get("default")
    if value in (None, "", [], {}) or isinstance(value, dict):
        return "–"
    return _code(value)


def _code(value: Any) -> str:
    """Return a value as a study file spells it."""
    plain = isinstance(value, str) and value.strip()
    return f"`{value if plain else json.dumps(value, ensure_ascii=False)}`"


@dataclass(frozen=True)
class _Writer:
    """The values that a key may have, in words, from its JSON schema."""

    definitions: dict[str, Any]
    page: Path
    where: dict[str, KeyPlace]

    def values(self, about: dict[str, Any]) -> str:
        """Return the values that one part of a schema allows."""
        words = list(dict.fromkeys(self._branches(about)))
        return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))

    def _branches(self, about: dict[str, Any]) -> list[str]:
        """Return the alternatives of a part of a schema, those of a union inside it among them."""
        if "$ref" in about:
            name = about["$ref"].rsplit("/", 1)[-1]
            if name in self.where:
                return [self.where[name].link_from(self.page)]
            if "properties" in self.definitions[name]:
                expected = f"expected a heading on a page of docs/reference, and below it <!-- keys of {name} -->"
                raise SmeltError(name, f"no page has a table of its keys: {expected} and <!-- end of keys -->")
            return self._branches(self.definitions[name])
        for union in ("anyOf", "oneOf"):
            if union in about:
                return [word for branch in about[union] for word in self._branches(branch)]
        if about.get("type") == "null":
            return []
        return [_code(value) for value in about.get("enum", [about["const"]] if "const" in about else [])] or [
            self._type_in_words(about)
        ]

    def _type_in_words(self, about: dict[str, Any]) -> str:
        match about.get("type"):
            case "array" if "prefixItems" in about:
                return f"[{', '.join(self.values(item) for item in about['prefixItems'])}]"
            case "array":
                return f"list of {_plural(self.values(about.get('items', {})))}"
            case "object":
                inside = [*about.get("patternProperties", {}).values(), about.get("additionalProperties")]
                return f"{_key(about)} → {self.values(next(part for part in inside if isinstance(part, dict)))}"
            case "string":
                return _meaning(about["pattern"]) if "pattern" in about else about.get("format", "text")
            case "boolean":
                return "`true` or `false`"
            case "integer" | "number":
                return " ".join([str(about["type"]), *_bounds(about)])
        return "any value"


def _key(about: dict[str, Any]) -> str:
    names = about.get("propertyNames", {})
    patterns = [*about.get("patternProperties", {}), *filter(None, [names.get("pattern")])]
    return _meaning(patterns[0]) if patterns else names.get("format", "name")


def _meaning(pattern: str) -> str:
    """Return what a pattern means; the index says which letters names have."""
    words = meaning_of(pattern).removeprefix("a ").removeprefix("the ")
    return "name" if words.startswith("name of a to z") else words


def _bounds(about: dict[str, Any]) -> list[str]:
    """Return the limits of a number in words."""
    low, high = about.get("minimum"), about.get("maximum")
    over, below = about.get("exclusiveMinimum"), about.get("exclusiveMaximum")
    if about["type"] == "integer":  # over 0 is from 1
        low, over = (low, None) if over is None else (over + 1, None)
        high, below = (high, None) if below is None else (below - 1, None)
    limits = {"from": low, "over": over, "to": high, "below": below}
    named = {2**32 - 1: "2³² − 1", 10**6: "10⁶", 10**9: "10⁹", 10**12: "10¹²"}
    return [f"{word} {named.get(limit) or f'{limit:g}'}" for word, limit in limits.items() if limit is not None]


def _plural(words: str) -> str:
    return re.sub(r"^(name|language|edition|text|integer|number)\b", r"\1s", words)
