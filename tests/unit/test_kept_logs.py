"""The log of an attempt that did not finish is kept."""

import subprocess
import sys
from pathlib import Path

from smelt.logs import LOGS_KEPT, ending, keep_earlier

PACKAGE = Path(__file__).parents[2] / "workflow"
SNAKEFILE = """
from snakemake.jobs import Job

from smelt.logs import keeping_logs

Job.remove_existing_output = keeping_logs(Job.remove_existing_output)

rule made:
    output: "made.txt"
    log: "logs/made.log"
    shell: "echo after $(ls logs | wc -l) > {log}; [ -e logs/made.log.2 ] && touch {output}"
"""


def test_each_attempt_has_its_own_log_until_one_has_finished(tmp_path: Path) -> None:
    log = tmp_path / "a [b]" / "wide.log"
    log.parent.mkdir()
    for attempt in (1, 2, 3):
        log.write_text(f"attempt {attempt}\n{ending(1, 5)}\n")
        keep_earlier(log)
        assert not log.exists()
    assert [(log.parent / f"wide.log.{n}").read_text()[:9] for n in (1, 2, 3)] == [
        "attempt 1",
        "attempt 2",
        "attempt 3",
    ]
    log.write_text(f"{ending(0, 5)}\na library says good-bye\n")
    keep_earlier(log)
    assert [path.name for path in log.parent.iterdir()] == ["wide.log"]
    keep_earlier(tmp_path / "there is none.log")


def test_no_kept_log_is_overwritten_and_their_number_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "wide.log"
    for attempt in range(1, LOGS_KEPT + 6):
        log.write_text(f"attempt {attempt}\n{ending(75, 5)}\n")
        keep_earlier(log)
        if attempt == 3:
            (tmp_path / "wide.log.1").unlink()
    kept = {path.name: path.read_text().split("\n")[0] for path in tmp_path.iterdir()}
    assert kept == {f"wide.log.{n}": f"attempt {n}" for n in range(6, LOGS_KEPT + 6)}


def test_snakemake_keeps_the_logs_of_attempts_that_failed(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    words = [sys.executable, "-m", "snakemake", "--cores", "1", "--retries", "2", "--quiet"]
    subprocess.run(words, cwd=tmp_path, env={"PYTHONPATH": str(PACKAGE), "PATH": "/usr/bin:/bin"}, check=True)
    logs = sorted((tmp_path / "logs").iterdir())
    assert [(path.name, path.read_text()) for path in logs] == [
        ("made.log", "after 2\n"), ("made.log.1", "after 0\n"), ("made.log.2", "after 1\n"),
    ]  # fmt: skip
