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
LONGEST_SEARCHED = 100_000  # characters of a library's message in which secrets are looked for
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN")
"""Variables that the hub's client reads by itself."""
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
"""A token of the hub, wherever it comes from."""
_ADDRESS = re.compile(r"[^\s'\"<>]+")
_SIGNED = re.compile(r"(?:signature|credential|token|policy)=", re.IGNORECASE)
"""What lets everybody who has it fetch a file: the hub sends on to such addresses, and errors name them."""
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")

_WORD = re.compile(r"[A-Za-z]{,15}")
_NAMES_OF_SECRETS = re.compile(r"TOKEN|KEY|SECRET|PASS|PWD|AUTH|CREDENTIAL|LOGIN|USER", re.IGNORECASE)

_filled_in: dict[str, str] = {}
_words: set[str] = set()
"""Those of them that are words of a path, such as `data`, and so no secrets."""


def fill_in(text: str) -> str:
    """Return an address or a path with `${NAME}` filled in from the environment; unset names stay as they are."""

    def value_of(match: re.Match[str]) -> str:
        value = os.environ.get(match[1], match[0])
        if len(value) < SHORTEST or value == match[0]:
            return value
        if _WORD.fullmatch(value) and "://" not in text and not _NAMES_OF_SECRETS.search(match[1]):
            _words.update({value} - _filled_in.keys())  # a secret stays one
        else:
            _words.discard(value)
        _filled_in.update(dict.fromkeys((value, quote(value), quote(value, safe="")), match[0]))
        return value

    return VARIABLE.sub(value_of, text)


def as_written(text: str) -> str:
    """Return a text for a record, with `${NAME}` in the place of all that was filled in, and without credentials."""
    return _write_back(text, _filled_in)


def hide_secrets(text: str) -> str:
    """Return a text for a message, likewise; only paths of this machine and their words are shown as they are."""
    return _write_back(text, (value for value in _filled_in if value not in _words and not _is_path(value)))


def hide_secrets_at_start(text: str) -> str:
    """Return the start of a text, likewise; what a cut could leave of a secret goes with the rest."""
    start = hide_secrets(text[:LONGEST_SEARCHED])
    if len(text) > LONGEST_SEARCHED:
        tokens = (os.environ.get(name, "") for name in _TOKENS)
        start = start[: -max(map(len, (*_filled_in, *tokens))) or None]
        start = start[: max(map(start.rfind, " \n\t")) + 1]  # an address is known by what stands at its end
    return start


def has_credentials(address: str) -> bool:
    """Return whether an address holds a user or a password that is written out."""
    return any(VARIABLE.sub("", found).strip(":") for found in _CREDENTIALS.findall(address))


def paths_of(text: str) -> list[str]:
    """Return the variables of a text whose values are paths of this machine, and so no secrets."""
    return [name for name in dict.fromkeys(VARIABLE.findall(text)) if _is_path(os.environ.get(name, ""))]


def _is_path(value: str) -> bool:
    """Return whether a value begins with a folder that is here, which no token does."""
    return value.startswith("/") and Path(*Path(value).parts[:2]).is_dir()


def _pattern(value: str) -> str:
    """Return where a value is written back: a path as a whole prefix, a word as a whole one, a secret everywhere."""
    if _is_path(value):
        return rf"(?:(?<![\w/.~%-])|(?<=://)){re.escape(value)}(?![\w~%+@-]|\.\w)"
    return rf"(?<!\w){value}(?!\w)" if value in _words else re.escape(value)


def _cut_signed(match: re.Match[str]) -> str:
    address, mark, query = match[0].partition("?")
    return f"{address}{mark}…" if _SIGNED.search(query) else match[0]


def _write_back(text: str, values: Iterable[str]) -> str:
    if patterns := "|".join(map(_pattern, sorted(values, key=len, reverse=True))):
        text = re.sub(patterns, lambda match: _filled_in[match[0]], text)
    for name in _TOKENS:
        if len(token := os.environ.get(name, "").strip()) >= SHORTEST:
            text = text.replace(token, f"${{{name}}}")
    text = _TOKEN.sub("…", _ADDRESS.sub(_cut_signed, text))
    return _CREDENTIALS.sub(lambda match: match[0] if VARIABLE.search(match[0]) else "…", text)
