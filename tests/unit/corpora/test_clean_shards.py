"""Large data sets in shards: documents and counts as of `smelt job documents`, on this machine and by SLURM."""

import json
import os
import random
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from smelt.__main__ import main
from smelt.files import write_json

pytest.importorskip("datatrove", reason="datatrove is not installed: pip install datatrove==0.10.1")

WORDS = ["stone", "river", "cloud", "lantern", "copper", "meadow", "winter", "harbour", "letter", "garden", "silver"]
CLEANING = {
    "nfc": True,
    "control_characters": True,
    "boilerplate": ["references"],
    "duplicate_paragraphs": {"min_characters": 30},
    "min_characters": 60,
    "language": {"certainty": 0.9},
    "near_duplicates": {},
}
FRENCH = "Le conseil municipal a voté hier soir la construction d'un nouveau pont sur la rivière, malgré l'opposition."


def sentence(rng: random.Random, words: int = 12) -> str:
    return f"The {' '.join(rng.choices(WORDS, k=words))} was near the old house of the village."


def texts(number: int) -> list[str]:
    """Documents, some with paragraphs of others or almost the same, in other shards too."""
    rng = random.Random(1)
    found: list[str] = []
    for place in range(number):
        lines = [sentence(rng) for _ in range(rng.randint(1, 5))]
        if place % 5 == 1:
            lines.insert(0, rng.choice(found).split("\n")[-1])
        if place % 7 == 2:
            lines += ["## References", "Cafe\u0301, 1984."]
        if place % 11 == 3:  # one word differs, so that it is no paragraph that stood before
            lines = [line.replace("The ", "A ", 1) for line in rng.choice(found).split("\n")]
            lines += [sentence(rng, 60)] if place % 2 else []
        if place % 13 == 4:
            lines = [FRENCH, f"{FRENCH} {place}"]
        found.append("\n".join(lines) if place % 17 else "")
    return found


@pytest.fixture
def data(tmp_path) -> Path:
    """Three files of Parquet without ids, of several row groups each, and one of JSON lines with ids."""
    folder = tmp_path / "data"
    folder.mkdir()
    made = texts(400)
    for number in range(3):
        table = pyarrow.table({"text": made[100 * number : 100 * number + 100]})
        pyarrow.parquet.write_table(table, folder / f"web-{number}.parquet", row_group_size=30)
    lines = [json.dumps({"text": text, "id": f"d{number}"}) for number, text in enumerate(made[300:])]
    (folder / "own.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def sources(data: Path) -> list[str]:
    parts = [("web", ["web-*.parquet"]), ("own", ["own.jsonl"])]
    return [json.dumps({"name": name, "folder": str(data), "files": files}) for name, files in parts]


def in_one_piece(data: Path, output: Path, cleaning: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    words = ["documents", "--language", "en", "--data-set", *sources(data), "--cleaning", json.dumps(cleaning)]
    places = ["--output-documents", str(output / "d.parquet"), "--statistics", str(output / "s.json")]
    assert main([*words, "--held-out", "0.1", *places]) == 0
    return rows(output / "d.parquet"), json.loads((output / "s.json").read_text())


def rows(*files: Path) -> list[dict[str, Any]]:
    found = [row for file in files for row in pyarrow.parquet.read_table(file).to_pylist()]
    return [{name: row[name] for name in ("id", "title", "text")} for row in found]


def shards(data: Path, output: Path, *more: str, cleaning: dict[str, Any] = CLEANING, number: int = 3) -> int:
    words = ["clean-shards", "--language", "en", "--data-set", *sources(data), "--cleaning", json.dumps(cleaning)]
    return main([*words, "--output", str(output), "--shards", str(number), *more])


def written(output: Path) -> list[dict[str, Any]]:
    return rows(*sorted((output / "documents").iterdir()))


def without_time(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in step.items() if name != "processor_seconds"} for step in steps]


def assert_same(output: Path, whole: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    documents, expected = whole
    assert written(output) == documents
    found = json.loads((output / "statistics.json").read_text())
    assert without_time(found["cleaning"]) == without_time(expected["cleaning"])
    same = ("language", "documents", "paragraphs", "words", "characters", "bytes", "sources")
    assert {name: found[name] for name in same} == {name: expected[name] for name in same}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "workers"), [(3, 1), (3, 2), (1, 1), (50, 2)])
def test_shards_give_the_documents_and_counts_of_the_whole(number, workers, data, tmp_path):
    whole = in_one_piece(data, tmp_path / "whole", CLEANING)
    steps = {step["step"]: step for step in whole[1]["cleaning"]}
    assert steps["duplicate_paragraphs"]["within_source"] > 10
    assert steps["duplicate_paragraphs"]["across_sources"] > 2
    assert steps["near_duplicates"]["documents_removed"] > 5
    assert steps["language"]["found"]["fr"] > 5
    assert shards(data, tmp_path / "out", "--workers", str(workers), number=number) == 0
    assert_same(tmp_path / "out", whole)


@pytest.mark.parametrize(
    "cleaning",
    [
        {},
        {"near_duplicates": {}},
        {"nfc": True, "min_characters": 60},
        {"duplicate_paragraphs": {"min_characters": 30}},
    ],
)
def test_any_choice_of_steps_gives_the_same_too(cleaning, data, tmp_path):
    assert shards(data, tmp_path / "out", cleaning=cleaning) == 0
    assert_same(tmp_path / "out", in_one_piece(data, tmp_path / "whole", cleaning))


def prepared(folder: Path, example: str) -> Path:
    """Write a prepared task with one test example."""
    folder.mkdir()
    kept = {"name": "pairs", "kind": "sequence-classification", "metric": "accuracy", "scheme": "none", "labels": ["a"]}
    write_json(folder / "task.json", kept)
    columns = {"example": [0, 1], "language": ["en"] * 2, "text": [example, "Nothing of it."], "label": ["a"] * 2}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "test.parquet")
    return folder


def test_test_examples_are_counted_once_though_several_shards_hold_them(data, tmp_path):
    task = prepared(tmp_path / "task", max(texts(400)[4].split("\n"), key=len))
    table = pyarrow.parquet.read_table(data / "web-0.parquet")
    pyarrow.parquet.write_table(table, data / "web-2.parquet", row_group_size=30)  # all of it once more
    cleaning = {"test_examples": {"words": 8, "remove": "nothing"}}
    assert shards(data, tmp_path / "out", "--tests", f"pairs={task}", cleaning=cleaning) == 0
    [step] = json.loads((tmp_path / "out" / "statistics.json").read_text())["cleaning"]
    assert step["tasks"]["pairs"]["examples"] == 2
    assert step["tasks"]["pairs"]["found"] == 1
    assert step["tasks"]["pairs"]["paragraphs"] >= 2


def test_a_study_reads_the_result_as_the_same_documents_with_the_same_lots(data, tmp_path):
    (data / "own.jsonl").write_text('{"id": 1, "text": ""}\n{"id": 2, "text": "Short."}\n')
    assert shards(data, tmp_path / "out", number=7) == 0
    source = {"name": "web", "folder": str(tmp_path / "out" / "documents"), "files": ["*.parquet"]}
    words = ["documents", "--language", "en", "--held-out", "0.1", "--data-set"]
    places = ["--output-documents", str(tmp_path / "again.parquet"), "--statistics", str(tmp_path / "again.json")]
    assert main([*words, json.dumps(source), *places]) == 0
    in_one_piece(data, tmp_path / "whole", CLEANING)
    again, whole = (
        pyarrow.parquet.read_table(path) for path in (tmp_path / "again.parquet", tmp_path / "whole/d.parquet")
    )
    assert again.to_pylist() == whole.to_pylist()
    assert 0 < sum(whole["held_out"].to_pylist()) < len(whole)


def damaged(path: Path) -> bytes:
    """Damage a file after its first row groups, and return what it was."""
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(2000) + content[half + 2000 :])
    return content


@pytest.mark.parametrize("workers", [1, 2])
def test_a_shard_that_fails_is_one_line_and_a_rerun_does_what_is_missing(workers, data, tmp_path, capfd):
    content = damaged(data / "web-2.parquet")
    output = tmp_path / "out"
    assert shards(data, output, "--workers", str(workers), number=3) == 1
    out, error = capfd.readouterr()
    assert error.count("\n") == 1
    # Both shards 1 and 2 have rows of it; with two workers either may be the first.
    assert re.match(rf"smelt: clean-1, shard [12]: {re.escape(str(data))}/web-2.parquet: cannot be read: ", error)
    assert "clean-1: 3 of 3 to do" in out
    assert not (output / "statistics.json").exists()
    marked = len(list(output.glob("work/clean-1/log/completions/*")))
    assert len(re.findall("clean-1, shard .: done", out)) <= marked  # a worker may be stopped between mark and line
    (data / "web-2.parquet").write_bytes(content)
    assert shards(data, output, "--workers", str(workers), number=3) == 0
    assert f"clean-1: {3 - marked} of 3 to do" in capfd.readouterr().out
    assert not list(output.glob("work/*/data")), "what was kept between stages goes"
    assert_same(output, in_one_piece(data, tmp_path / "whole", CLEANING))
    capfd.readouterr()
    assert shards(data, output, number=3) == 0
    assert capfd.readouterr().out == f"{output}/statistics.json: everything is done\n"


def test_other_settings_or_files_are_refused_where_others_began(data, tmp_path, capsys):
    output = tmp_path / "out"
    assert shards(data, output) == 0
    assert shards(data, output, cleaning={"nfc": True}) == 1
    mend = "name another --output, or delete it"
    assert capsys.readouterr().err == f"smelt: {output}: was begun with another cleaning: {mend}\n"
    assert shards(data, output, number=2) == 1
    assert "was begun with other shards, or files that have changed: " in capsys.readouterr().err
    with (data / "own.jsonl").open("a") as stream:
        stream.write('{"id": "x", "text": "More."}\n')
    assert shards(data, output) == 1
    assert "was begun with other shards, or files that have changed: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 5, "name": "own", "files": ["own.jsonl"]}, "own.jsonl: limit 5 needs row numbers: expected Parquet"),
        (
            {"name": "own", "files": ["bare.jsonl"]},
            "own: has a row without an id: expected one where rows have no",
        ),
        (
            {"columns": {"text": "body"}},
            "web-0.parquet: has no column 'body', which datasets.web.columns names: it",
        ),
        ({"files": ["none-*.parquet"]}, "none-*.parquet: no such file: expected Parquet or JSON lines"),
        ({"files": ["broken.parquet"]}, "broken.parquet: cannot be read: "),
    ],
)
def test_bad_sources_are_one_line(change, message, data, tmp_path, capfd):
    (data / "bare.jsonl").write_text('{"text": "No id."}\n')
    (data / "broken.parquet").write_text("a page that says: try again later")
    source = {"name": "web", "folder": str(data), "files": ["web-*.parquet"]} | change
    words = ["clean-shards", "--language", "en", "--data-set", json.dumps(source), "--output", str(tmp_path / "out")]
    assert main(words) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_two_data_sets_of_one_name_are_refused(data, tmp_path, capsys):
    words = [
        "clean-shards",
        "--language",
        "en",
        "--output",
        str(tmp_path / "out"),
        "--data-set",
        *sources(data)[:1] * 2,
    ]
    assert main(words) == 1
    assert capsys.readouterr().err == "smelt: --data-set: names web twice: their documents would share ids\n"


def test_steps_that_leave_nothing_are_refused_by_their_counts(data, tmp_path, capfd):
    assert shards(data, tmp_path / "out", cleaning={"min_characters": 100_000}) == 1
    message = "smelt: cleaning: leaves none of 375 documents (min_characters 375): expected some\n"
    assert capfd.readouterr().err == message
    assert not (tmp_path / "out" / "statistics.json").exists()


def test_the_first_rows_are_those_of_the_whole(data, tmp_path):
    source = json.dumps({"name": "web", "folder": str(data), "files": ["web-*.parquet"], "limit": 135})
    assert main(["clean-shards", "--language", "en", "--data-set", source, "--output", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "statistics.json").read_text())["sources"][0]["rows"] == 135
    assert [row["text"] for row in written(tmp_path / "out")] == [text.strip() for text in texts(400)[:135] if text]


SBATCH = """#!{python}
# Runs the tasks of a job at once, unless one that it depends on has failed.
import os, re, subprocess, sys
from pathlib import Path
folder = Path({folder!r})
number = len(list(folder.glob("*.script"))) + 1
script = Path(sys.argv[-1]).read_text()
(folder / f"{{number}}.script").write_text(script)
(folder / f"{{number}}.words").write_text(" ".join(sys.argv[1:-1]))
needed = re.findall(r"dependency=afterok:(\\d+)", script + " ".join(sys.argv))
print("Submitted batch job", number)
sys.stdout.flush()
if any((folder / f"{{needs}}.failed").exists() for needs in needed):
    (folder / f"{{number}}.failed").touch()
    sys.exit()
for task in range(int(re.search(r"array=0-(\\d+)", script)[1]) + 1):
    environment = os.environ | {{"SLURM_ARRAY_TASK_ID": str(task), "SLURM_NODELIST": "here", "RUN_OFFSET": "0"}}
    done = subprocess.run(["bash", sys.argv[-1]], env=environment, capture_output=True, text=True)
    log = Path(re.search("output=(.*)", script)[1].replace("%A", str(number)).replace("%a", str(task)))
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        (folder / f"{{number}}.failed").touch()
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """A folder with what stands in for SLURM's commands: sbatch runs the scripts, and keeps them."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    commands = {
        "sbatch": SBATCH.format(python=sys.executable, folder=str(folder)),
        "squeue": f"#!/bin/sh\ncat {folder}/queue 2>/dev/null || true\n",
        "scontrol": "#!/bin/sh\necho here\n",
        "srun": '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do [ "$1" = -n ] && shift; shift; done\nexec "$@"\n',
    }
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


SLURM = ["--executor", "slurm", "--partition", "cpu", "--workers", "2", "--sbatch", "account=me"]


@pytest.mark.slow
def test_slurm_gets_an_array_for_each_stage_and_its_tasks_give_the_same(slurm, data, tmp_path, capfd):
    content = damaged(data / "web-2.parquet")
    output = tmp_path / "out"
    assert shards(data, output, *SLURM) == 0
    assert not (output / "statistics.json").exists()
    errors = [line for log in output.rglob("*.out") for line in log.read_text().splitlines() if "SmeltError" in line]
    assert any(f"{data}/web-2.parquet: cannot be read: " in line for line in errors)
    assert "says why" in capfd.readouterr().out
    missing = {0, 1, 2} - {int(path.name) for path in (output / "work/clean-1/log/completions").iterdir()}
    assert missing in ({1}, {1, 2})
    scripts = [(slurm / f"{number}.script").read_text() for number in (1, 3)]
    asked = [dict(re.findall(r"#SBATCH --([\w-]+)(?:=(.*))?", script)) for script in scripts]
    name = asked[0]["job-name"]
    assert name.startswith("smelt-out-")
    limits = {
        "partition": "cpu",
        "time": "12:00:00",
        "account": "me",
        "kill-on-invalid-dep": "yes",
        "cpus-per-task": "1",
    }
    for found, array, memory in zip(asked, ("0-2%2", "0-0%2"), ("4G", "32G"), strict=True):
        assert limits.items() <= found.items()
        assert (found["array"], found["mem-per-cpu"]) == (array, memory)
        assert not found.keys() & {"requeue", "qos"}
    assert "dependency=afterok:1" in (slurm / "3.words").read_text()
    (data / "web-2.parquet").write_bytes(content)
    (slurm / "queue").write_text("7\n8\n")
    assert shards(data, output, *SLURM) == 1
    waits = f"smelt: {output}: 2 jobs of an earlier call are in SLURM's queue: wait for them, or `scancel"
    assert capfd.readouterr().err == f"{waits} --name {name}`\n"
    (slurm / "queue").unlink()
    before = len(list(slurm.glob("*.script")))
    assert shards(data, output, *SLURM) == 0
    assert f"array=0-{len(missing) - 1}%2" in (slurm / f"{before + 1}.script").read_text()
    assert_same(output, in_one_piece(data, tmp_path / "whole", CLEANING))


def test_slurm_is_asked_for_nothing_without_a_partition_or_with_a_bad_option(slurm, data, tmp_path, capfd):
    assert shards(data, tmp_path / "out", "--executor", "slurm") == 1
    assert capfd.readouterr().err == "smelt: --partition: expected the partition of SLURM to run in\n"
    assert shards(data, tmp_path / "out", *SLURM, "verbose") == 1
    assert "argument --sbatch: expected NAME=VALUE, found 'verbose'" in capfd.readouterr().err
    (slurm / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: cpu' >&2\nexit 1\n")
    assert shards(data, tmp_path / "out", *SLURM) == 1
    log = tmp_path / "out" / "work" / "engine.log"
    assert capfd.readouterr().err == f"smelt: sbatch: refused a job (exit code 1): {log} says why\n"
    assert "invalid partition specified: cpu" in log.read_text()
    (slurm / "squeue").unlink()
    assert not list(slurm.glob("*.script"))


def test_without_the_engine_its_name_is_the_error(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "datatrove", None)
    assert shards(data, tmp_path / "out") == 1
    message = "smelt: clean-shards: needs datatrove: pip install datatrove=="
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "out").exists()
