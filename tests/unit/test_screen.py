"""What the screen shows of Snakemake's events, and when Snakemake's own stays."""

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from snakemake.logging import LoggerManager
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from smelt import screen
from smelt.logs import ending

SOURCES = [f"workflow/smelt/report/module_{number}.py" for number in range(60)]


def job(jobid: int, rule: str, log: str, **others: Any) -> dict[str, Any]:
    return {
        "jobid": jobid,
        "rule_name": rule,
        "log": [log],
        "input": SOURCES,
        "reason": "",
        "rule_msg": None,
        "aux": {},
    } | others


def handlers_of(**settings: Any) -> list[logging.Handler]:
    """Return the handlers of Snakemake's logger after the Snakefile has attached the screen."""
    manager = LoggerManager(logging.Logger("snakemake"), OutputSettings(nocolor=True, **settings))
    screen.attach(manager)
    return manager.logger.handlers


def handler_of(**settings: Any) -> screen.Screen:
    (handler,) = handlers_of(**settings)
    assert isinstance(handler, screen.Screen)
    return handler


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that Snakemake runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def send(handler: logging.Handler, event: LogEvent | None, message: str = "", level: int = 20, **fields: Any) -> None:
    fields |= {"event": event} if event else {}
    handler.handle(logging.makeLogRecord({"msg": message, "levelno": level, "created": time.time()} | fields))


def write(log: str, text: str) -> None:
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    Path(log).write_text(f"cd / && python -m smelt pretrain\n{text}\n")


def test_a_job_is_one_line_that_says_what_it_made_and_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of()
    send(handler, LogEvent.RUN_INFO, "Job stats: ...", stats={"pretrain": 2, "all": 1, "total": 3})
    send(handler, LogEvent.JOB_STARTED, "Execute 1 jobs...", jobs=[4])
    send(handler, LogEvent.JOB_INFO, **job(4, "pretrain", "logs/small/models/wide.log"))
    write("logs/small/models/wide.log", ending(0, 4000))
    send(handler, LogEvent.JOB_FINISHED, job_id=4)
    send(handler, LogEvent.PROGRESS, done=1, total=3)
    send(handler, LogEvent.JOB_INFO, **job(0, "all", "") | {"log": []})
    send(handler, LogEvent.JOB_FINISHED, job_id=0)
    send(handler, None, "Select jobs to execute...")
    send(handler, None, "Trying to restart job 5.")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "3 jobs: 2 pretrain"
    assert "logs/<its name below>.log" in lines[1]
    assert lines[2].split() == [lines[2][:8], "1", "of", "3", "1:06:40", "pretrain", "small/models/wide"]
    assert lines[3].split()[1:] == ["2", "of", "3", "0:00:00", "all"]
    assert lines[4:] == ["Trying to restart job 5."]


def test_a_failed_job_is_its_name_its_error_and_its_log_once(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of()
    failed = job(4, "pretrain", "logs/small/models/wide.log")
    send(handler, LogEvent.JOB_INFO, **failed)
    write("logs/small/models/wide.log", f"17:00:00  step 3\nsmelt: step 3: the loss is nan\n{ending(1, 3)}")
    for _ in range(2):  # Snakemake repeats its errors at the end
        send(handler, LogEvent.JOB_ERROR, level=40, shellcmd="x" * 3000, **failed | {"aux": {"external_jobid": 7}})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("pretrain      small/models/wide  FAILED")
    assert [line.strip() for line in lines[1:]] == [
        "smelt: step 3: the loss is nan",
        "log: logs/small/models/wide.log",
        "external_jobid: 7",
    ]
    send(handler, LogEvent.JOB_INFO, **failed)  # a retry that fails too is shown again
    send(handler, LogEvent.JOB_ERROR, level=40, **failed)
    assert "FAILED" in capsys.readouterr().err


def test_what_a_scheduler_says_of_a_failed_job_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of()
    failed = job(
        4, "pretrain", "logs/small/models/wide.log", rule_msg="SLURM-job '7' failed, its status is: 'TIMEOUT'."
    )
    send(handler, LogEvent.JOB_INFO, **failed)
    write("logs/small/models/wide.log", "17:00:00  step 3 of 40  mlm_loss 5.1  0:10:00 left")
    send(handler, LogEvent.JOB_ERROR, level=40, **failed | {"log": [*failed["log"], ".snakemake/slurm_logs/7.log"]})
    assert [line.strip() for line in capsys.readouterr().err.splitlines()[1:]] == [
        "SLURM-job '7' failed, its status is: 'TIMEOUT'.",
        "17:00:00  step 3 of 40  mlm_loss 5.1  0:10:00 left",
        "log: logs/small/models/wide.log, .snakemake/slurm_logs/7.log",
    ]


def test_the_log_of_an_earlier_attempt_is_not_taken_for_this_one(folder: Path) -> None:
    write("logs/a.log", ending(1, 3))
    log = folder / "logs/a.log"
    assert screen.RunningJob("pretrain", log, time.time()).read() is not None
    assert screen.RunningJob("pretrain", log, time.time() + 60).read() is None


def test_running_jobs_are_shown_now_and_then_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = handler_of()
    monkeypatch.setattr(screen, "SECONDS_BETWEEN_LINES", 0.05)
    write("logs/small/models/wide.log", "17:00:00  step 30 of 40  mlm_loss 6.2  0:00:07 left")
    send(handler, LogEvent.JOB_INFO, **job(4, "pretrain", "logs/small/models/wide.log"))
    time.sleep(0.5)
    handler.close()
    line = capsys.readouterr().err.splitlines()[0]
    assert line.endswith("pretrain  small/models/wide  step 30 of 40 (75%)  mlm_loss 6.2  0:00:07 left")


def test_running_jobs_keep_their_place_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "1", "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    handler = handler_of()
    write("logs/small/models/wide.log", "17:00:00  step 30 of 40  mlm_loss 6.2  0:00:07 left")
    send(handler, LogEvent.RUN_INFO, stats={"pretrain": 1, "total": 1})
    send(handler, LogEvent.JOB_INFO, **job(4, "pretrain", "logs/small/models/wide.log"))
    assert handler.live is not None
    handler.live.refresh()
    shown = capsys.readouterr().err
    assert "1 running, 0 of 1 done" in shown
    assert "step 30 of 40 (75%)  mlm_loss 6.2  0:00:07 left" in shown
    handler.close()
    assert "\x1b[?25h" in capsys.readouterr().err, "the cursor comes back"


def test_a_dry_run_names_a_few_jobs_of_each_rule_and_why_they_run(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of(dryrun=True, stdout=True)
    why = "Missing output files: a, b; Input files updated by another job: " + ", ".join(SOURCES)
    send(handler, LogEvent.RUN_INFO, stats={"finetune": 9, "total": 9})
    for number in range(9):
        send(handler, LogEvent.JOB_INFO, **job(number, "finetune", f"logs/small/{number}.log", reason=why))
    send(handler, LogEvent.RUN_INFO, stats={"finetune": 9, "total": 9})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["Job stats:", "job       count", "---------------"]
    assert lines[-2] == "finetune      small/3  (missing output files)"
    assert lines[-1] == "finetune      and 5 more"
    assert len(lines) == 11


@pytest.mark.parametrize(
    "settings", [{"printshellcmds": True}, {"verbose": True}, {"debug_dag": True}, {"skip_plugin_handlers": True}]
)
def test_snakemakes_own_screen_stays_where_more_is_asked_for_and_in_its_jobs(settings: dict[str, bool]) -> None:
    assert [handler.name for handler in handlers_of(**settings)] == ["DefaultStreamHandler"]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of(quiet=[Quietness.ALL])
    send(handler, LogEvent.RUN_INFO, stats={"pretrain": 1, "total": 1})
    assert capsys.readouterr().err == ""
