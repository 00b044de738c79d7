"""`${NAME}` in the addresses and paths of a study's sources: filled in where a source is opened, and nowhere before.

So a token stands in no study, command line, record or page. What was filled in is remembered, to write it back as
`${NAME}` where a message or a record would show it.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

VARIABLE = re.compile(r"\$\{(\w+)\}")
"""The place of an environment variable's value."""
SHORTEST = 4  # characters of a value that is written back; shorter ones stand in other words, too
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN")
"""Variables that the hub's client reads by itself."""
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
"""A token of the hub, wherever it comes from."""
_SIGNED = re.compile(r"(?<=\?)[^\s'\"<>]*(?:signature|credential|token|policy)=[^\s'\"<>]*", re.IGNORECASE)
"""What lets everybody who has it fetch a file: the hub sends on to such addresses, and errors name them."""
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")

_filled_in: dict[str, str] = {}


def fill_in(text: str) -> str:
    """Return an address or a path with `${NAME}` filled in from the environment; unset names stay as they are."""

    def value_of(match: re.Match[str]) -> str:
        value = os.environ.get(match[1], match[0])
        for form in {value, quote(value), quote(value, safe="")} - {match[0]} if len(value) >= SHORTEST else ():
            _filled_in[form] = match[0]
        return value

    return VARIABLE.sub(value_of, text)


def as_written(text: str) -> str:
    """Return a text for a record, with `${NAME}` in the place of all that was filled in, and without credentials."""
    return _write_back(text, _filled_in)


def hide_secrets(text: str) -> str:
    """Return a text for a message, likewise; only paths of this machine are shown as they are."""
    return _write_back(text, (value for value in _filled_in if not _is_path(value)))


def has_credentials(address: str) -> bool:
    """Return whether an address holds a user or a password that is written out."""
    return any(VARIABLE.sub("", found).strip(":") for found in _CREDENTIALS.findall(address))


def paths_of(text: str) -> list[str]:
    """Return the variables of a text whose values are paths of this machine, and so no secrets."""
    return [name for name in dict.fromkeys(VARIABLE.findall(text)) if _is_path(os.environ.get(name, ""))]


def _is_path(value: str) -> bool:
    """Return whether a value begins with a folder that is here, which no token does."""
    return value.startswith("/") and Path(*Path(value).parts[:2]).is_dir()


def _write_back(text: str, values: Iterable[str]) -> str:
    for value in sorted(values, key=len, reverse=True):
        text = re.sub(re.escape(value) + r"(?!\w)", _filled_in[value], text)  # ${NAME} is no reference to a group
    for name in _TOKENS:
        if len(token := os.environ.get(name, "").strip()) >= SHORTEST:
            text = text.replace(token, f"${{{name}}}")
    text = _TOKEN.sub("…", _SIGNED.sub("…", text))
    return _CREDENTIALS.sub(lambda match: match[0] if VARIABLE.search(match[0]) else "…", text)
