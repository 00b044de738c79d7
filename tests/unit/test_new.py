"""`smelt new` writes a study that is right and can be planned, for each kind of text and machine, or one line."""

import builtins
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from smelt.__main__ import main
from smelt.new import MACHINES, tasks_in
from smelt.report.render import two_digits
from smelt.study.catalogue import Catalogue
from smelt.study.plan import planned_stages, total
from smelt.study.schema import load_study

ROOT = Path(__file__).parents[2]
EXAMPLES = {"train": 337, "validation": 113, "test": 112}
"""Lines of the tutorial's sets, which change a little with the pages that they are from."""
COMMIT = "0123456789012345678901234567890123456789"
TEXTS = {
    "file": ["one.txt"],
    "files": ["one.txt", "two.txt"],
    "dump": ["20230501", "--mirror", "mirror"],
    "folder": ["rows"],
    "hub": [f"org/texts@{COMMIT}:swh_Latn"],
}


@pytest.fixture(autouse=True)
def _texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMELT_DATA", str(tmp_path))
    for name in ("one", "two"):
        Path(f"{name}.txt").write_text("Habari ya asubuhi.\n\nKaribu sana nyumbani.\n" * 500)
    Path("rows").mkdir()
    Path("rows/sw.jsonl").write_text('{"text": "Habari ya asubuhi."}\n')
    Path("mirror/swwiki/20230501").mkdir(parents=True)
    Path("tasks/masakhaner-sw").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        Path(f"tasks/masakhaner-sw/{split}.txt").write_text("Nairobi B-LOC\n\n")


def new(*text: str, language: str = "sw", task: str = "masakhaner-sw", machine: str = "laptop") -> int:
    words = ["--language", language, "--task", task, "--machine", machine, "--output", "mine.yaml", "--text", *text]
    return main(["new", *words])


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("machine", MACHINES)
def test_a_new_study_is_right(text: str, machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(*TEXTS[text], machine=machine) == 0
    assert f"Next: smelt check mine.yaml, then {MACHINES[machine].command.format(study='mine.yaml')}\n" in (
        capsys.readouterr().out
    )
    assert main(["check", "mine.yaml"]) == 0
    study = load_study(Path("mine.yaml"))
    assert (study.study, len(study.models), len(study.tokenizers)) == ("mine", 2, 2)
    assert (study.measured, study.benchmark and study.benchmark.sizes) == (list(study.models), ["fp32"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "machine"), [("file", "gpu"), ("file", "slurm"), *((text, "laptop") for text in TEXTS)]
)
def test_a_new_study_is_planned_without_a_complaint(text: str, machine: str) -> None:
    assert new(*TEXTS[text], machine=machine) == 0
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "workflow/Snakefile"),
        "--dry-run",
        "--cores",
        "1",
    ]
    done = subprocess.run([*command, "--configfile", "mine.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pretrain" in done.stdout + done.stderr
    assert "sources of the study are not there" not in done.stderr


def test_all_pages_name_the_hours_that_the_plan_gives_the_tutorials_study() -> None:
    Path("one.txt").write_text("Habari ya asubuhi.\n" * 20_000)  # as much as the tutorial's text
    tutorial = (ROOT / "docs/tutorial.md").read_text()
    (task,) = re.findall(r"<!-- save as mine/(tasks/pages.yaml) -->\n```yaml\n(.*?)```", tutorial, re.DOTALL)
    Path(task[0]).write_text(task[1])
    assert new("one.txt", language="en", task="pages") == 0
    catalogue = Catalogue.load("mine.yaml")
    before = total(planned_stages(catalogue)).cpu_seconds / 3600
    prepared = Path(catalogue.paths.task("pages"), "task.json")
    prepared.parent.mkdir(parents=True)
    prepared.write_text(json.dumps({"splits": {name: {"examples": number} for name, number in EXAMPLES.items()}}))
    hours = total(planned_stages(catalogue)).cpu_seconds / 3600
    tutorial, readme = (" ".join(text.split()) for text in (tutorial, (ROOT / "README.md").read_text()))
    assert (round(4 * hours), two_digits(hours), two_digits(before)) == (1, "0.24", "1.2")
    assert "a quarter of an hour of one processor core: `smelt plan` says 0.24 hours" in tutorial
    assert "10,000 training examples, which many tasks have, and says 1.2." in tutorial
    for text in (readme, Path("mine.yaml").read_text()):
        assert "a quarter of an hour of a processor core" in text


def test_little_text_makes_small_vocabularies() -> None:
    assert new("one.txt") == 0
    sizes = [tokenizer.vocabulary for tokenizer in load_study(Path("mine.yaml")).tokenizers.values()]
    assert sizes == [200, 100]


def test_a_study_that_is_there_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("mine")
    assert new("one.txt") == 1
    assert capsys.readouterr().err.startswith("smelt: mine.yaml: is there already")
    assert Path("mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"language": "swa"}, "smelt: language: expected 'sw'"),
        ({"task": "masakhaner-sv"}, "did you mean masakhaner-sw"),
        ({"task": "conll2003"}, "smelt: conll2003: has no sw, but en: in sw there are masakhaner-sw, "),
        (
            {"machine": "lapto"},
            "smelt: machine: no such one as lapto: expected one of laptop, gpu, slurm; did you mean",
        ),
    ],
)
def test_a_wrong_answer_is_one_line_and_no_file(
    answers: dict[str, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new("one.txt", **answers) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not Path("mine.yaml").exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("none.txt", "smelt: none.txt: no such file or folder"),
        ("tasks", "smelt: tasks: holds no .parquet"),
        ("one.txt none.txt", "smelt: none.txt: no such file"),
    ],
)
def test_a_text_that_is_not_there_is_named(text: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(*text.split()) == 1
    assert capsys.readouterr().err.startswith(complaint)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "smelt: bad.txt: holds no text: expected a paragraph a line"),
        (b"\n \n", "smelt: bad.txt: holds no text: expected a paragraph a line"),
        (b"\x7fELF\0\0\1", "smelt: bad.txt:1: is not text: a NUL byte stands at byte 5"),
        (b"Habari\n\xff\xfe", "smelt: bad.txt:2: is not UTF-8: byte 0xff"),
        (b"<html><p>Habari", "smelt: bad.txt: is markup, not plain text"),
    ],
)
def test_a_file_that_is_no_text_makes_no_study(
    content: bytes, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.txt").write_bytes(content)
    assert new("one.txt", "bad.txt") == 1
    error = capsys.readouterr().err
    assert (error.startswith(complaint), error.count("\n")) == (True, 1), error
    assert not Path("mine.yaml").exists()


def test_an_empty_answer_names_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert new("") == 1
    assert capsys.readouterr().err == "smelt: --text: is empty\n"


def test_without_a_terminal_missing_answers_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert main(["new", "--language", "sw", "--output", "mine.yaml"]) == 1
    missing = "expected --text, --task, --machine, too"
    assert capsys.readouterr().err == f"smelt: smelt new: no terminal to ask on: {missing}\n"


def test_on_a_terminal_what_is_missing_is_asked_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["", "xx-nothing", "sw", "one.txt", "masakhaner-sw", "gpu"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda *_: next(answers))
    assert main(["new"]) == 0
    assert load_study(Path("my-study.yaml")).models["model-200"].maker == "pretrain"
    assert "no Wikipedia and no language of ISO 639 has the code 'xx-nothing'" in capsys.readouterr().out


def test_tasks_of_a_language_are_those_of_it_alone() -> None:
    assert "masakhaner-sw" in tasks_in("sw")
    assert "wikiann.monolingual.sw" in tasks_in("sw")
    assert "conll2003" not in tasks_in("sw")
