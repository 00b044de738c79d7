"""`smelt plan`: sizes that are given, rates that another study corrects, and what it refuses."""

import json
from pathlib import Path

import pytest

from smelt.__main__ import main
from smelt.report.render import two_digits
from smelt.study.workflow import catalogue_of

STUDY = """
study: planned
corpora: {wiki: {text: {sw: sw.txt, en: en.txt}}}
tokenizers: {small: {algorithm: unigram, vocabulary: 8000, corpus: wiki}}
models:
  tiny: {maker: pretrain, architecture: albert-tiny, tokenizer: small, corpus: wiki, recipe: small}
"""


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where a study lies whose Swahili text is there, while the English one is not."""
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    Path("sw.txt").write_bytes(bytes(1_000_000))


def planned(*words: str) -> dict[str, dict[str, float]]:
    """Return the stages of the plan by name."""
    assert main(["plan", "study.yaml", *words, "--output", "plan.json"]) == 0
    return {stage["name"]: stage for stage in json.loads(Path("plan.json").read_text())["stages"]}


def test_takes_what_is_not_here_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert planned("--text", "wiki=3MB")["documents"]["disk"] == pytest.approx(0.4 * 3e6)
    assert planned("--text", "wiki/en=3MB")["documents"]["disk"] == pytest.approx(0.4 * 4e6)
    shown = capsys.readouterr().out
    assert "models: pretrain" in shown
    assert "GPU hours" not in shown


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "wiki/en: the size of the text is not known: give it, as in --text wiki=10GB"),
        (["--text", "wiki"], "--text: expected a size such as wiki=91GB or wiki/fr=5GB, found wiki"),
        (["--text", "wikis=1GB"], "--text: no corpus is called 'wikis': expected one of wiki; did you mean wiki?"),
        (["--text", "wiki/fr=1GB"], "--text: wiki has no language 'fr': expected one of sw, en"),
        (["--text", "wiki=1kB"], "--text: wiki=1kB: the text of wiki that is here has more already"),
        (["--text", "wiki=2MB", "--like", "study.yaml"], "study.yaml: no stage of it was measured to its end below"),
        (["--text", "wiki=2MB", "--rates", "rates.yaml"], "rates.yaml: no such file"),
    ],
)
def test_says_what_it_cannot_plan(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "study.yaml", *words]) == 1
    assert line in capsys.readouterr().err


def test_is_corrected_by_a_study_that_ran_here() -> None:
    Path("en.txt").write_bytes(bytes(1_000_000))
    before = planned()
    for name, seconds in (("corpora/wiki/sw", 30), ("corpora/wiki/en", 50), ("blocks/wiki/small/lines-64/sw", 9)):
        file = Path("benchmarks/planned", f"{name}.tsv")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\tcpu_time\n100\t{seconds}\n")
    after = planned("--like", "study.yaml")
    assert after["documents"]["cpu_seconds"] == pytest.approx(80)
    assert after["tokenizers"]["cpu_seconds"] == pytest.approx(before["tokenizers"]["cpu_seconds"])
    assert after["blocks"]["cpu_seconds"] == before["blocks"]["cpu_seconds"]  # only one of two jobs was measured


def test_measurements_of_what_the_study_no_longer_has_correct_nothing() -> None:
    Path("en.txt").write_bytes(bytes(1_000_000))
    for name in ("corpora/wiki/sw", "corpora/wiki/en", "counts/wiki/small/sw", "finetuned/tiny/names/seed-1"):
        file = Path("benchmarks/planned", f"{name}.tsv")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("s\tcpu_time\n100\t40\n")
    assert planned("--like", "study.yaml")["documents"]["cpu_seconds"] == pytest.approx(80)


def test_says_how_long_the_machines_take(capsys: pytest.CaptureFixture[str]) -> None:
    planned("--text", "wiki=400GB", "--cores", "4", "--gpus", "2")
    shown = capsys.readouterr().out
    assert "GPU hours" in shown
    assert "On 4 cores and 2 GPUs:" in shown
    assert " hours, if none of them waits." in shown


def test_what_the_study_itself_took_stands_beside_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    Path("en.txt").write_bytes(bytes(1_000_000))
    assert all(stage["measured"] is stage["ratio"] is None for stage in planned().values())
    assert "ratio" not in capsys.readouterr().out
    for name in ("corpora/wiki/sw", "corpora/wiki/en"):
        file = Path("benchmarks/planned", f"{name}.tsv")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("s\tmax_rss\tcpu_time\n100\t100\t40\n")
    documents = planned()["documents"]
    assert documents["measured"]["cpu_seconds"] == 80  # type: ignore[index]
    assert documents["ratio"] == pytest.approx(80 / documents["cpu_seconds"])
    assert f"{documents['ratio']:.2f}" in capsys.readouterr().out


def test_a_study_that_is_given_as_json_is_planned_as_its_file() -> None:
    Path("en.txt").write_bytes(bytes(1_000_000))
    before = planned()
    report = catalogue_of([Path("study.yaml")], {}).report
    report.write(["study.yaml"])
    written = f"@{report.written(None, None)}"
    assert Path(report.text(None, None)).read_text() == Path("study.yaml").read_text(), (
        "with its comments, for the page"
    )
    Path("study.yaml").unlink()
    assert main(["plan", "--written", written, "--folder", "tasks", "--output", "again.json"]) == 0
    again = json.loads(Path("again.json").read_text())["stages"]
    assert {stage["name"]: stage for stage in again} == before


def test_check_prints_the_sum_of_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    Path("en.txt").write_bytes(bytes(1_000_000))
    whole = sum(stage["cpu_seconds"] for stage in planned().values()) / 3600
    capsys.readouterr()
    assert main(["check", "study.yaml"]) == 0
    assert f"by estimate {two_digits(whole)} hours of a core without GPUs" in capsys.readouterr().out
