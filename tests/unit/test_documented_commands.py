"""Every command that the pages show is one that smelt, Snakemake or make would take."""

import contextlib
import io
import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from smelt.__main__ import main
from smelt.commands import PASS_ON, parser_of
from smelt.errors import SmeltError

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {*ROOT.glob("*.md"), ROOT / "config/README.md", *(ROOT / "docs").rglob("*.md")} - {ROOT / "docs/commands.md"}
)
"""All but the one that is made of the commands' own help, whose examples another test parses."""
BLOCK = re.compile(r"^ *```(?:sh|bash)\n(.*?)^ *```$|((?:^ {4}[^\n]*\n)+)", re.DOTALL | re.MULTILINE)
"""A block of shell, or indented lines."""
INLINE = re.compile(r"`((?:(?:\w+=\S+ )*)(?:smelt|python -m smelt|snakemake|make) [^`]+)`")
STUDY = "config/config.yaml"
STANDS_FOR = {"my-study.yaml": STUDY, "other.yaml": STUDY, "mine.yaml": STUDY}
"""Files that a reader has, and what a test checks in their place. (Only a reader knows the size of their texts.)"""
CUT = {"...", "…", "<command>"}
"""Words in whose place a reader puts others: flags may be missing there, as where a sentence names a command."""
MISSING_SOURCES = 66


@dataclass(frozen=True)
class Command:
    """A command of a page."""

    page: str
    line: str
    in_sentence: bool = False

    @property
    def words(self) -> list[str]:
        words = shlex.split(self.line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        words = words[2:] if words[:2] == ["python", "-m"] else words
        return list(itertools.takewhile(lambda word: word not in {">", "|", "&&"}, words))

    @property
    def is_cut(self) -> bool:
        return not CUT.isdisjoint(self.words)


def lines_of(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of shell of a page, a line with what it goes on in, and whether it stands in a sentence."""
    for block in BLOCK.finditer(text):
        line = ""
        for part in (block[1] or block[2]).splitlines():
            line += part.strip().removesuffix("\\")
            if not part.endswith("\\") and is_whole(line):
                yield line, False
                line = ""
    for found in INLINE.finditer(BLOCK.sub("", text)):
        yield " ".join(found[1].split()), True


def is_whole(line: str) -> bool:
    """Return whether every quotation in a line of shell ends there."""
    try:
        shlex.split(line, comments=True)
        return True
    except ValueError:
        return False


def commands_of(text: str, page: str = "") -> list[Command]:
    starts = re.compile(r"(?:\w+=\S+ )*(?:smelt|python -m smelt|snakemake|make)(?= |$)")
    found = (Command(page, line.strip(), among) for line, among in lines_of(text) if starts.match(line.strip()))
    return list(dict.fromkeys(found))


COMMANDS = [
    command for page in PAGES for command in commands_of(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
]


def complaint(command: Command) -> str:
    """Return why a command would not be taken; nothing where it would."""
    program, *words = [word for word in command.words if word not in CUT]
    try:
        if program == "make":
            return complaint_of_make(words)
        if program == "snakemake":
            return complaint_of_snakemake(words)
        own = words[: words.index("--")] if "--" in words and words[0] in PASS_ON else words
        behind = words[len(own) + 1 :]
        with contextlib.redirect_stdout(io.StringIO()):
            _, unknown = parser_of(words, "smelt").parse_known_args(own)
        return f"no such flag: {unknown}" if unknown else complaint_of_snakemake(behind)
    except SmeltError as error:
        lacks = r"the following arguments are required|argument \S+: expected one argument"
        return "" if (command.is_cut or command.in_sentence) and re.search(lacks, str(error)) else str(error)
    except SystemExit as ended:  # --help, --version
        return "" if ended.code == 0 else f"exits with {ended.code}"


def complaint_of_make(words: list[str]) -> str:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([\w/.-]+):", makefile.replace("$(VENV)", ".venv"), re.MULTILINE)
    variables = re.findall(r"^(\w+) \?=|\$\(if \$\((\w+)\)", makefile, re.MULTILINE)
    known = {*targets, *(name for pair in variables for name in pair)}
    return ", ".join(word for word in words if word.split("=")[0] not in known)


def complaint_of_snakemake(words: list[str]) -> str:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            get_argument_parser().parse_args([*words, "--cores", "1"])
    except SystemExit:
        return printed.getvalue().strip().splitlines()[-1]
    return ""


@pytest.mark.slow  # for the parsers, whose modules it imports
@pytest.mark.parametrize("page", sorted({command.page for command in COMMANDS}))
def test_the_commands_of_a_page_are_taken(page: str) -> None:
    refused = {command.line: why for command in COMMANDS if command.page == page and (why := complaint(command))}
    assert refused == {}


def test_commands_are_found_in_blocks_and_in_sentences() -> None:
    block = "X=1 smelt check a.yaml   # it's so\nsmelt reduce \\\n  --model m\nmake 'demo\ntest'\n"
    page = f"```sh\n{block}```\n\n    make demo\n\nType `make test`.\n"
    found = ["X=1 smelt check a.yaml   # it's so", "smelt reduce --model m", "make 'demotest'"]
    found += ["make demo", "make test"]
    assert [command.line for command in commands_of(page)] == found
    assert {command.page for command in COMMANDS} >= {"README.md", "docs/cluster.md", "docs/tutorial.md"}


@pytest.mark.parametrize(
    "line",
    [
        "smelt chekc my-study.yaml",
        "smelt plan my-study.yaml --coers 4",
        "smelt run my-study.yaml -- --dryrun-no",
        "smelt reduce --model m --output o --threshhold 3",
        "snakemake --configfiles-no x",
        "make dmeo",
        "make bench ONLI=x",
    ],
)
def test_a_command_that_is_not_taken_is_found(line: str) -> None:
    assert complaint(Command("", line))


CHEAP = {"check", "plan"}
"""Commands that read a study and start nothing."""
NEEDS_RUN = {"--like", "--output"}
"""Flags of these that need a run, or write."""


def cheap() -> list[list[str]]:
    """Return the commands of the pages that are run, and the help of every command that they name."""
    known = {tuple(one.words) for one in COMMANDS if not one.is_cut}
    read = {words for words in known if words[0] == "smelt" and len(words) > 2 and words[1] in CHEAP}
    run = {tuple(STANDS_FOR.get(word, word) for word in words) if words[1] == "check" else words for words in read}
    here = [list(words[1:]) for words in run if (ROOT / words[2]).is_file() and not NEEDS_RUN & {*words}]
    named = {words[1 : 3 if words[1] == "job" else 2] for words in known if words[0] == "smelt" and len(words) > 1}
    return sorted([*here, *([*words, "--help"] for words in named if not words[0].startswith("-"))])


@pytest.mark.slow
@pytest.mark.parametrize("words", cheap(), ids=" ".join)
def test_cheap_commands_do_what_the_pages_say(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(ROOT)
    if words[-1] == "--help":
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith("usage:")
    else:
        assert main(words) in (0, MISSING_SOURCES), capsys.readouterr().err
