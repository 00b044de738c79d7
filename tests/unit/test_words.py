"""Plain English: turns of phrase that stop a reader stay out of code, rules, tests, docs and configuration."""

import io
import re
import tokenize
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("workflow", "docs", "config", "bench", "findings", "tests")
FILES = ("README.md", "CONTRIBUTING.md", "workflow/Snakefile")
ENDINGS = {".py", ".sh", ".smk", ".rst", ".md", ".yaml", ".html", ""}

GONE = (
    r"told|tells?|telling",  # reported, given, distinguish, shows
    "anew",  # again, from the start
    "besides",  # and, apart from, as well as
    r"(?:says?|said|speaks?|spoken) of",  # about
    r"comes? to(?! mean)",  # is, becomes, amounts to
    "so many",  # this many, as many as
    r"(?<!one.)(?<!two.)(?<!all.)(?<!any.)(?<!each.)(?<!most.)(?<!some.)of which",  # whose, and of these
    r"whoever|who runs",  # anyone who, if you run
    "as may be",  # as possible
    "ruler",  # benchmark
    "pupils?",  # student
    "lessons?",  # workload, data of a stage
)
"""Each with plainer words for it."""

WORDS = re.compile(rf"\b(?:{'|'.join(GONE)})\b".replace(" ", r"\s+"), re.IGNORECASE | re.DOTALL)
QUOTED = re.compile(r"“[^”]*”|`[^`\n]*`")
"""Quotations, and code in backquotes, stay as they are."""


def prose_of(path: Path) -> Iterator[str]:
    """Yield what people read of a file; of Python: comments, strings, and names of functions and classes."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield text
        return
    strings = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in strings:
            yield token.string
        elif before in ("def", "class"):
            yield token.string.replace("_", " ")
        before = token.string


def phrases_in(path: Path) -> list[str]:
    """Return what a file says in words that are gone."""
    return [" ".join(found.split()) for text in prose_of(path) for found in WORDS.findall(QUOTED.sub("", text))]


def test_prose_is_plain() -> None:
    paths = set(chain((ROOT / name for name in FILES), *((ROOT / folder).rglob("*") for folder in FOLDERS)))
    paths.remove(Path(__file__))  # which has the phrases
    found = {
        str(path.relative_to(ROOT)): phrases_in(path)
        for path in sorted(paths)
        if path.is_file() and path.suffix in ENDINGS
    }
    assert {path: phrases for path, phrases in found.items() if phrases} == {}


def test_words_are_found_in_comments_messages_and_defined_names_and_not_in_other_code(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        'told = 1  # what it was told\nmessage = """so\n    many"""\nother = "“anew”, `tell`, one of which"\n'
        "def test_it_comes_to_one() -> None: ...\nclass Told: ...\n"
    )
    assert phrases_in(path) == ["told", "so many", "comes to", "Told"]
