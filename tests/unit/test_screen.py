"""What the screen shows of Snakemake's events, and when Snakemake's own stays."""

import io
import logging
import time
from pathlib import Path
from types import SimpleNamespace
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
    workflow = SimpleNamespace(logger_manager=manager, overwrite_workdir=None)
    screen.attach(workflow, [Path.cwd() / "my studies/one.yaml"])
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
    Path(log).write_text(f"cd / && python -m smelt job pretrain\n{text}\n")


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
    send(handler, LogEvent.JOB_INFO, **failed)
    write("logs/small/models/wide.log", f"smelt: training: stopped by SIGINT. Run again to go on\n{ending(75, 3)}")
    send(handler, LogEvent.JOB_ERROR, level=40, **failed)
    assert capsys.readouterr().err.splitlines()[0].endswith("pretrain      small/models/wide  stopped")
    write("logs/small/models/wide.log", f"17:00:00  step 3\nsmelt: step 3: the loss is nan\n{ending(1, 3)}")
    send(handler, LogEvent.JOB_INFO, **failed)  # a retry that fails too is shown again
    send(handler, LogEvent.JOB_ERROR, level=40, **failed)
    assert "FAILED" in capsys.readouterr().err


def test_the_schedulers_message_about_a_failed_job_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
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
    monkeypatch.setattr(screen, "SECONDS_BETWEEN_LINES", (0.05,))
    write("logs/small/models/wide.log", "17:00:00  step 30 of 40  mlm_loss 6.2  0:00:07 left")
    send(handler, LogEvent.JOB_INFO, **job(4, "pretrain", "logs/small/models/wide.log"))
    time.sleep(0.5)
    handler.close()
    line = capsys.readouterr().err.splitlines()[0]
    assert line.endswith("pretrain  small/models/wide  step 30 of 40 (75%)  mlm_loss 6.2  0:00:07 left")


def test_running_jobs_keep_their_place_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(monkeypatch)
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


def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "1", "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)


def test_jobs_that_a_cluster_has_not_begun_are_waiting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(monkeypatch)
    handler = handler_of()
    send(handler, LogEvent.RUN_INFO, stats={"pretrain": 3, "total": 3})
    for number in range(3):
        send(handler, LogEvent.JOB_INFO, **job(number, "pretrain", f"logs/small/{number}.log"))
    write("logs/small/1.log", "17:00:00  step 30 of 40  mlm_loss 6.2  0:00:07 left")
    assert handler.live is not None
    capsys.readouterr()
    handler.live.refresh()
    shown = capsys.readouterr().err
    assert "1 running, 2 waiting, 0 of 3 done" in shown
    assert "small/1" in shown
    assert "small/0" not in shown
    handler.close()


def test_looks_at_running_jobs_become_rare_in_a_long_run() -> None:
    class Clock(screen.threading.Event):
        """Counts the looks of a day."""

        looks, seconds = -1, 0.0

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            self.looks, self.seconds = self.looks + 1, self.seconds + timeout
            return self.seconds > 24 * 3600

    handler = handler_of()
    handler.ended = clock = Clock()
    handler._print_now_and_then()
    assert clock.looks < 60
    assert screen.SECONDS_BETWEEN_LINES[0] == 60


def test_the_hint_names_the_study_file_and_a_folder_that_is_another(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(handler_of(), LogEvent.RUN_INFO, stats={"pretrain": 1, "total": 1})
    assert "`smelt watch 'my studies/one.yaml'` shows what runs" in capsys.readouterr().err
    moved = screen.watch_command([Path("/far/one.yaml"), folder / "two.yaml"], moved=True)
    assert moved == f"smelt watch /far/one.yaml {folder}/two.yaml --directory {folder}"


GROUP = {"groupid": "b1", "aux_logs": [".snakemake/slurm_logs/7.log"]}


def test_a_failed_group_is_its_state_its_log_and_the_jobs_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of()
    jobs = [job(number, "pretrain", f"logs/small/{number}.log") for number in range(4)]
    send(handler, LogEvent.GROUP_INFO, "Group job b1 (jobs in lexicogr. order):", group_id="b1", jobs=[])
    for each in jobs:
        send(handler, LogEvent.JOB_INFO, **each)
    write("logs/small/0.log", ending(0, 3))
    write("logs/small/1.log", f"smelt: step 3: the loss is nan\n{ending(1, 3)}")
    write("logs/small/2.log", "17:00:00  step 3 of 40  mlm_loss 5.1  0:10:00 left")  # killed
    for _ in range(2):  # Snakemake repeats its errors at the end
        infos = [each | {"aux": {"external_jobid": 7}} for each in jobs]
        send(handler, LogEvent.GROUP_ERROR, "Error in group b1", 40, job_error_info=infos, **GROUP)
        for each in jobs:
            send(handler, LogEvent.JOB_ERROR, level=40, **each)
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert lines[0].endswith("  group b1: 4 jobs, 1 finished, 1 not begun  FAILED")
    assert lines[1:3] == ["log: .snakemake/slurm_logs/7.log", "external_jobid: 7"]
    assert lines[3].endswith("0:00:03  pretrain      small/1  FAILED")
    assert lines[4:6] == ["smelt: step 3: the loss is nan", "log: logs/small/1.log"]
    assert lines[6].endswith("pretrain      small/2  FAILED")
    assert lines[7:] == ["17:00:00  step 3 of 40  mlm_loss 5.1  0:10:00 left", "log: logs/small/2.log"]
    assert handler.running == {}


def test_an_event_that_is_not_known_or_not_as_expected_is_shown_as_snakemake_shows_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = handler_of()
    send(handler, "something_new", "a disk is full")  # type: ignore[arg-type]
    send(handler, LogEvent.RUN_INFO, "Job stats: 3 blocks")
    assert capsys.readouterr().err.splitlines() == ["a disk is full", "Job stats: 3 blocks"]


def test_snakemake_says_when_it_ends_after_the_running_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    send(handler_of(), None, "Will exit after finishing currently running jobs (scheduler).")
    assert capsys.readouterr().err == "Will exit after finishing currently running jobs (scheduler).\n"


def test_the_run_goes_on_where_nobody_reads_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Broken())
    handler = handler_of()
    for _ in range(2):
        send(handler, LogEvent.RUN_INFO, stats={"pretrain": 1, "total": 1})
    assert handler.total == 1


@pytest.mark.parametrize(
    "workflow", [SimpleNamespace(), SimpleNamespace(logger_manager=SimpleNamespace(settings=None))]
)
def test_the_screen_of_another_snakemake_stays(workflow: SimpleNamespace) -> None:
    screen.attach(workflow, [])
    manager = LoggerManager(logging.Logger("snakemake"), OutputSettings())
    manager.logger.handlers[0].name = "AnotherHandler"
    screen.attach(SimpleNamespace(logger_manager=manager, overwrite_workdir=None), [])
    assert [handler.name for handler in manager.logger.handlers] == ["AnotherHandler"]


def test_the_whole_log_of_a_failed_job_is_shown_where_the_user_asks(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of(show_failed_logs=True)
    failed = job(4, "pretrain", "logs/small/models/wide.log")
    send(handler, LogEvent.JOB_INFO, **failed)
    write("logs/small/models/wide.log", f"line 1\n2\n3\n4\nsmelt: step 3: the loss is nan\n{ending(1, 3)}")
    send(handler, LogEvent.JOB_ERROR, level=40, **failed)
    assert "    line 1\n    2\n" in capsys.readouterr().err


def test_reasons_come_without_files_and_the_values_of_params() -> None:
    params = 'Params have changed since last execution: \'licence: mit; as the project\', "cite": "a"'
    assert screen.reason(f"Code has changed since last execution; {params}") == (
        "code has changed since last execution; params have changed since last execution"
    )
    assert screen.reason(f"{params}; Software environment definition has changed since last execution") == (
        "params have changed since last execution; software environment definition has changed since last execution"
    )
    assert screen.reason("Input files updated by another job: a, b") == screen.ANOTHER


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


def test_a_quiet_dry_run_counts_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of(dryrun=True, quiet=[Quietness.PROGRESS])
    send(handler, LogEvent.RUN_INFO, stats={"blocks": 6, "total": 6})
    for number in range(6):
        send(handler, LogEvent.JOB_INFO, **job(number, "blocks", f"logs/small/{number}.log", reason="Forced execution"))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["blocks", "small/3", "(forced", "execution)"],
        ["blocks", "and", "2", "more"],
    ]
    assert len(lines) == 5


def test_without_progress_there_is_no_view_of_running_jobs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(monkeypatch)
    handler = handler_of(quiet=[Quietness.PROGRESS])
    failed = job(4, "pretrain", "logs/small/models/wide.log")
    send(handler, LogEvent.RUN_INFO, stats={"pretrain": 2, "total": 2})
    send(handler, LogEvent.JOB_INFO, **job(3, "pretrain", "logs/small/models/deep.log"))
    send(handler, LogEvent.JOB_FINISHED, job_id=3)
    send(handler, LogEvent.JOB_INFO, **failed)
    assert handler.live is None
    assert capsys.readouterr().err == ""
    send(handler, LogEvent.JOB_ERROR, level=40, **failed)
    assert "1 of 2" in capsys.readouterr().err


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    handler = handler_of(quiet=[Quietness.ALL])
    send(handler, LogEvent.RUN_INFO, stats={"pretrain": 1, "total": 1})
    assert capsys.readouterr().err == ""
