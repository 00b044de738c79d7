"""YAML as study and task files are written in: read strictly, and only as far as a person would write.

Nothing that a file holds makes reading it slow: what nested aliases stand for is counted while it is read.
"""

import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from smelt.errors import SmeltError, shorten_text
from smelt.files import MOST_LEVELS, TOO_DEEP

MOST_BYTES = 1_000_000  # of a file
MOST_NODES = 20_000  # keys, values and lists of a file, those that aliases stand for among them
LONGEST_NUMBER = 100  # characters

_TAG = "tag:yaml.org,2002:"
_TAGS = {None, "!", f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map"}
"""The tags that a value may bear; those that a value has by itself are not meant."""


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SmeltError(path, f"holds over {MOST_BYTES:,} bytes: expected a file that a person writes")
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise SmeltError(
            path, f"no such file{'' if path.is_absolute() else f' (looked for {path.absolute()})'}"
        ) from None
    except IsADirectoryError:
        raise SmeltError(path, "is a folder: expected a file in YAML") from None
    except UnicodeDecodeError as error:
        raise SmeltError(path, f"is not UTF-8 text (byte {error.start})") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, where: str | Path) -> Any:
    """Return the content of a text in YAML, read strictly: no key occurs twice, and `no` is a word.

    Raises:
        SmeltError: it is not YAML; the line is named.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{where}:{mark.line + 1}" if mark else str(where)
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        # In a flow mapping, the brace of an unquoted ${NAME} begins another one.
        found = "".join(text.splitlines()[mark.line : mark.line + 1]) if mark else ""  # the end may lie behind the last
        unquoted = re.search(r"[{\[,:]\s*\$\{\w+\}", found)
        hint = '; write "${NAME}" in quotes within {} and []' if unquoted else ""
        raise SmeltError(line, f"is not YAML: {problem}{hint}") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML in which no key occurs twice, and `no`, `on` and 2023-05-01 are text (Norwegian's code is `no`)."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._levels = 0
        self._nodes = 0
        self._nodes_of: dict[str, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse more nodes or levels than any file needs, and an alias within what it stands for."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._nodes
        is_alias = self.check_event(yaml.AliasEvent)
        if getattr(event, "tag", None) not in _TAGS:
            self._refuse(event, f"expected a value without the tag {event.tag.replace(_TAG, '!!')}")
        self._levels += 1
        if self._levels > MOST_LEVELS:
            self._refuse(event, TOO_DEEP)
        node = super().compose_node(parent, index)
        self._levels -= 1
        if is_alias and event.anchor not in self._nodes_of:
            self._refuse(event, f"the alias *{event.anchor} stands within what it names, which has no end")
        self._nodes += self._nodes_of[event.anchor] if is_alias else 1
        if self._nodes > MOST_NODES:
            self._refuse(event, f"holds over {MOST_NODES:,} keys and values, counting those that aliases stand for")
        if event.anchor is not None and not is_alias:
            self._nodes_of[event.anchor] = self._nodes - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != f"{_TAG}merge"]
        found = set()
        for key in keys:
            # Keys that cannot be hashed are refused as the mapping is made.
            if key.__hash__ and key in found:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
            found.update([key] if key.__hash__ else [])
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """Refuse 010 and 1:30, which YAML 1.1 reads as 8 and 90, and numbers that nothing counts to."""
        problem = ""
        if re.fullmatch(r"[-+]?(0[0-9_]+|[0-9_]+:.*)", node.value):
            shown = shorten_text(node.value)
            problem = f"{shown} is no decimal number: write it without zeros in front, or a text in quotes"
        elif len(node.value) > LONGEST_NUMBER:
            problem = f"{shorten_text(node.value)} is a number of {len(node.value):,} digits"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(super().construct_yaml_int(node))

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Refuse characters that no file and no command line can hold: NUL, and halves of characters."""
        text = str(self.construct_scalar(node))
        if found := re.search("[\\0\ud800-\udfff]", text):
            problem = f"a text holds the character U+{ord(found[0]):04X}, which cannot be written"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return text

    def _refuse(self, event: Any, problem: str) -> NoReturn:
        raise yaml.composer.ComposerError(None, None, problem, event.start_mark)


_AS_TEXT = (f"{_TAG}bool", f"{_TAG}timestamp")

_StrictLoader.add_constructor(f"{_TAG}int", _StrictLoader.construct_number)
_StrictLoader.add_constructor(f"{_TAG}str", _StrictLoader.construct_text)

_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _AS_TEXT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
