"""What becomes of jobs on SLURM, from its answers and from what jobs leave behind."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fake_slurm import Job, Slurm, Watched
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from smelt.errors import CRASH, NO_INPUT, RESUMABLE
from smelt.slurm import job_script, queue, records
from smelt.slurm.orphans import Tag, last_checkpoint
from smelt.slurm.queue import NoAnswer, Refused

Submit = Callable[..., SubmittedJobInfo]
KEPT = "smelt: training: stopped by SIGTERM; kept a checkpoint of step {}. Run again to go on"


def leave(executor: Watched, number: str, *lines: object) -> None:
    (executor.records / number).write_text("\n".join(["smelt:tag", *map(str, lines)]) + "\n")


def write_log(path: Path, line: str, code: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"cd / && python -m smelt job pretrain\n{line}\n10:00:00  ended with exit code {code} after 0:00:10\n"
    )


def look(executor: Watched, *jobs: SubmittedJobInfo) -> list[str]:
    return asyncio.run(executor.look(*jobs))


def test_one_question_is_asked_for_all_jobs_and_none_of_accounting(
    executor: Watched, slurm: Slurm, submitted: Submit
) -> None:
    slurm.answer("squeue", "7 RUNNING smelt:a\n8 PENDING smelt:b\n9 COMPLETED smelt:c\n3_1 FAILED somebody's\n")
    assert look(executor, *(submitted(number) for number in "789")) == ["7", "8"]
    assert executor.reported == [("9", "done", "")]
    assert len(slurm.asked("squeue")) == 1
    assert "sacct" not in Path(queue.__file__).read_text().replace("(`sacct`)", "")


def test_a_controller_that_is_away_is_waited_for_and_no_job_is_forgotten(
    executor: Watched, slurm: Slurm, submitted: Submit
) -> None:
    jobs = [submitted("7"), submitted("8")]
    slurm.away(True)
    for _ in range(3):
        assert look(executor, *jobs) == ["7", "8"]
    assert len(executor.said) == 1
    assert executor.said[0].startswith("smelt: SLURM's controller has not answered since ")
    slurm.away(False)
    slurm.answer("squeue", "7 COMPLETED smelt:a\n8 RUNNING smelt:b\n")
    assert look(executor, *jobs) == ["8"]
    assert executor.said[-1].startswith("smelt: SLURM's controller answers again, after 0:00:0")


def test_what_slurm_complains_of_is_one_line_that_names_its_command(tmp_path: Path, slurm: Slurm) -> None:
    refusal = "sbatch: error: Memory specification can not be satisfied\n\nsbatch: error: Batch job submission failed\n"
    (tmp_path / "said").write_text(refusal)
    with pytest.raises(queue.Refused) as refused:
        queue.ask(["sh", "-c", f"cat {tmp_path}/said >&2; exit 1"])
    assert str(refused.value) == "sbatch: Memory specification can not be satisfied; Batch job submission failed"
    slurm.away(True)
    with pytest.raises(queue.NoAnswer, match=r"^sinfo: Unable to contact slurm controller"):
        queue.ask(["sinfo"])
    with pytest.raises(queue.Refused, match=r"^sabsent: no such command: run it where SLURM's commands are"):
        queue.ask(["sabsent"])


def test_a_job_that_slurm_has_forgotten_is_decided_by_its_record(executor: Watched, submitted: Submit) -> None:
    leave(executor, "7", 0, "job 0")
    leave(executor, "8", CRASH, "job 1")
    leave(executor, "9")
    assert look(executor, *(submitted(number) for number in ("7", "8", "9", "10"))) == []
    assert executor.reported[0] == ("7", "done", "")
    assert [tried for _, tried, _ in executor.reported[1:]] == ["to be tried again"] * 3
    assert "its record has no end" in executor.reported[2][2]
    assert "left no record" in executor.reported[3][2]
    assert not list(executor.records.iterdir())


def test_a_record_that_is_late_is_waited_for(executor: Watched, slurm: Slurm, submitted: Submit) -> None:
    executor.workflow.execution_settings.latency_wait = 60
    slurm.answer("squeue", "7 FAILED smelt:a\n")
    job = submitted("7")
    assert look(executor, job) == ["7"]
    leave(executor, "7", 1, "job 1")
    assert look(executor, job) == []
    assert executor.reported == [("7", "failed", "")]


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT"])
def test_a_job_that_can_go_on_is_submitted_again_as_the_same_attempt(
    executor: Watched, slurm: Slurm, submitted: Submit, state: str
) -> None:
    job = submitted("7")
    for step in range(1, 9):
        write_log(Path(job.job.log[0]), KEPT.format(step), RESUMABLE)
        leave(executor, "7", RESUMABLE, "job 1")
        slurm.answer("squeue", f"7 {state} smelt:a\n")
        assert look(executor, job) == []
    assert executor.reported == []
    assert executor.submitted == [job.job] * 8
    assert job.job.attempt == 1
    assert "kept a checkpoint of step 8" in executor.said[-1]


def test_a_job_that_stops_at_the_same_place_again_and_again_has_failed(
    executor: Watched, slurm: Slurm, submitted: Submit
) -> None:
    job = submitted("7")
    for step in (1, 2, 2, 2):
        write_log(Path(job.job.log[0]), KEPT.format(step), RESUMABLE)
        leave(executor, "7", RESUMABLE, "job 1")
        slurm.answer("squeue", "7 FAILED smelt:a\n")
        look(executor, job)
    assert len(executor.submitted) == 3
    mend = "mend what its log names, or give it more time (runtime)"
    assert executor.reported == [("7", "failed", f"stopped 3 times at the same place: {mend}")]


@pytest.mark.parametrize(("code", "tried"), [(1, "failed"), (NO_INPUT, "failed"), (CRASH, "to be tried again"),
                                             (74, "to be tried again"), (143, "to be tried again")])  # fmt: skip
def test_an_error_that_cannot_change_is_not_tried_again(
    executor: Watched, slurm: Slurm, submitted: Submit, code: int, tried: str
) -> None:
    slurm.answer("squeue", "7 FAILED smelt:a\n")
    leave(executor, "7", code, "job 1")
    look(executor, submitted("7"))
    assert [report[1] for report in executor.reported] == [tried]


@pytest.mark.parametrize(
    ("state", "details", "tried", "why"),
    [
        ("OUT_OF_MEMORY", "MinMemoryNode=4000M", "to be tried again", "out of memory: asked for 4000M"),
        ("NODE_FAIL", "NodeList=n7", "to be tried again", "node failed: n7"),
        ("CANCELLED", "", "failed", "cancelled by someone (scancel): not tried again in this run"),
        ("TIMEOUT", "TimeLimit=01:00:00", "to be tried again", "time limit of 01:00:00 reached"),
        ("FAILED", "ExitCode=0:9 MinMemoryNode=4G", "to be tried again", "killed, or failed before its command began"
         " (FAILED, signal 9; it had asked for 4G of memory)"),
    ],
)  # fmt: skip
def test_the_error_says_why_slurm_ended_a_job(
    executor: Watched, slurm: Slurm, submitted: Submit, state: str, details: str, tried: str, why: str
) -> None:
    slurm.answer("squeue", f"7 {state} smelt:a\n")
    slurm.answer("scontrol", f"JobId=7 JobName=x {details} End=1\n")
    look(executor, submitted("7"))
    assert executor.reported == [("7", tried, why)]


def test_a_step_that_was_killed_for_its_memory_is_known_by_slurms_log(
    executor: Watched, slurm: Slurm, submitted: Submit, tmp_path: Path
) -> None:
    slurm.answer("squeue", "7 FAILED smelt:a\n")
    slurm.answer("scontrol", "JobId=7 ExitCode=1:0 MinMemoryNode=400M End=1\n")
    (tmp_path / "7.log").write_text("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.\nlast line\n")
    look(executor, submitted("7"))
    assert executor.reported == [("7", "to be tried again", "out of memory: asked for 400M")]


@pytest.mark.parametrize(
    ("state", "said", "lacked"),
    [("OUT_OF_MEMORY", "", "memory"), ("FAILED", "Detected 1 oom_kill event", "memory"), ("NODE_FAIL", "", ""),
     ("TIMEOUT", "", "time")],
)  # fmt: skip
def test_what_slurm_did_to_a_job_counts_for_more_than_the_exit_code_of_a_command_that_it_broke(
    executor: Watched, slurm: Slurm, submitted: Submit, tmp_path: Path, state: str, said: str, lacked: str
) -> None:
    slurm.answer("squeue", f"7 {state} smelt:a\n")
    (tmp_path / "7.log").write_text(said)
    leave(executor, "7", 1, "job 1")
    job = submitted("7")
    look(executor, job)
    assert [tried for _, tried, _ in executor.reported] == ["to be tried again"]
    assert list(executor.lacked.values()) == [{lacked: 1}]


@pytest.mark.parametrize(
    ("line", "said", "codes", "tried"),
    [
        ("7 NODE_FAIL smelt:a\n", "", (), ["to be tried again"]),
        ("7 NODE_FAIL smelt:a\n", "", (RESUMABLE,), []),
        ("", "srun: error: Node failure on n7\n", (), ["to be tried again"]),
        ("", "", (), ["done"]),
        ("", "", (RESUMABLE,), []),
    ],
)
def test_a_script_that_ended_with_0_because_its_node_failed_is_not_taken_for_done(
    executor: Watched, slurm: Slurm, submitted: Submit, tmp_path: Path, line: str, said: str, codes: tuple[int, ...],
    tried: list[str],
) -> None:  # fmt: skip
    slurm.answer("squeue", line)
    (tmp_path / "7.log").write_text(said)
    leave(executor, "7", *codes, "job 0")
    job = submitted("7")
    look(executor, job)
    assert [found for _, found, _ in executor.reported] == tried
    assert executor.submitted == ([] if tried else [job.job])


def test_a_crash_counts_for_more_than_a_machine_that_misses_the_one_that_crashed(
    executor: Watched, slurm: Slurm, submitted: Submit
) -> None:
    leave(executor, "7", CRASH, RESUMABLE, "job 1")
    slurm.answer("squeue", "7 FAILED smelt:a\n")
    look(executor, submitted("7"))
    assert executor.submitted == []
    assert [tried for _, tried, _ in executor.reported] == ["to be tried again"]


def test_a_job_that_was_missing_from_one_answer_has_its_whole_time_when_it_ends(
    executor: Watched, slurm: Slurm, submitted: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.workflow.execution_settings.latency_wait = 60
    job, clock = submitted("7"), [1000.0]
    monkeypatch.setattr("smelt.slurm.executor.time.monotonic", lambda: clock[0])
    for answer in ("", "7 RUNNING smelt:a\n", ""):
        slurm.answer("squeue", answer)
        assert look(executor, job) == ["7"]
        clock[0] += 50
    assert executor.reported == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [("sbatch: error: AssocGrpSubmitJobsLimit", Refused), ("sbatch: error: QOSGrpSubmitJobsLimit", Refused),
     ("sbatch: error: QOSMaxSubmitJobPerUserLimit", Refused),
     ("sbatch: fatal: Could not establish a configuration source", NoAnswer),
     ("sbatch: error: Batch job submission failed: I/O error writing script/environment to file", NoAnswer)],
)  # fmt: skip
def test_a_refusal_that_passes_is_waited_for(
    executor: Watched, slurm: Slurm, monkeypatch: pytest.MonkeyPatch, error: str, kind: type[Exception]
) -> None:
    program, working = slurm.programs / "sbatch", (slurm.programs / "sbatch").read_text()
    program.write_text(f"#!/bin/sh\necho '{error}' >&2; exit 1\n")
    with pytest.raises(kind):
        queue.ask(["sbatch"])
    slurm.answer("sbatch", "7\n")
    executor.stopping = threading.Event()
    monkeypatch.setattr(executor.stopping, "wait", lambda _: program.write_text(working))
    assert executor._sbatch("sbatch", "true", Tag("a", "b", "c", "d"), "wide") == "7"
    assert "waits to be submitted" in executor.said[0]


def test_jobs_are_submitted_one_after_the_other(
    executor: Watched, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.answer("sbatch", "7\n")
    executor.workflow.executor_settings.seconds_between_submissions = 0.5
    pauses: list[float] = []
    monkeypatch.setattr("smelt.slurm.executor.time.monotonic", lambda: 100.0)
    monkeypatch.setattr(executor.stopping, "wait", pauses.append)
    for _ in range(3):
        executor._sbatch("sbatch", "true", Tag("a", "b", "c", "d"), "wide")
    assert pauses == [0.5, 1.0]


def test_a_time_limit_that_passes_as_the_last_process_ends_is_none(
    executor: Watched, slurm: Slurm, submitted: Submit
) -> None:
    slurm.answer("squeue", "7 TIMEOUT smelt:a\n")
    leave(executor, "7", 0, "job 0")
    look(executor, submitted("7"))
    assert executor.reported == [("7", "done", "")]


def test_a_training_whose_time_ends_goes_on_from_a_new_checkpoint_and_without_one_gets_more_time(
    executor: Watched, slurm: Slurm, submitted: Submit, tmp_path: Path
) -> None:
    slurm.answer("squeue", "7 TIMEOUT smelt:a\n")
    slurm.answer("scontrol", "JobId=7 TimeLimit=00:01:00\n")
    job = submitted("7")
    job.job.params = {"checkpoints": "checkpoints/wide"}
    for step in range(1, 6):
        (tmp_path / f"checkpoints/wide/step-{step}").mkdir(parents=True)
        (tmp_path / f"checkpoints/wide/step-{step}/manifest.json").touch()
        look(executor, job)
        assert executor.said[-1].endswith(f"reached; it goes on from checkpoints/wide/step-{step})")
        job.aux["before"] = last_checkpoint(job.job)  # as it is when it is submitted again
    assert executor.submitted == [job.job] * 5
    assert executor.reported == []
    look(executor, job)
    assert executor.reported == [("7", "to be tried again", "time limit of 00:01:00 reached")]
    assert executor._grown("sbatch -t 1", job.job) == "sbatch -t 2"


def test_a_job_that_was_stopped_is_left_to_the_next_run_if_this_one_was_asked_to_end(
    executor: Watched, slurm: Slurm, submitted: Submit
) -> None:
    executor.workflow.scheduler._user_kill = "graceful"
    job = submitted("7")
    leave(executor, "7", RESUMABLE, "job 1")
    slurm.answer("squeue", "7 TIMEOUT smelt:a\n")
    job.aux["slurm_logfile"].touch()
    assert look(executor, job) == []
    assert executor.submitted == []
    assert executor.reported == [("7", "failed", "stopped: the next run goes on with it")]
    assert (executor.records / "7").exists()
    assert job.aux["slurm_logfile"].exists()


def test_a_preempted_job_is_submitted_again(executor: Watched, slurm: Slurm, submitted: Submit) -> None:
    slurm.answer("squeue", "7 PREEMPTED smelt:a\n")
    job = submitted("7", Job(attempt=3))
    look(executor, job)
    assert executor.submitted == [job.job]


def test_the_script_of_a_job_records_the_exit_codes_of_its_commands(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    smelt = f"{sys.executable} -m smelt job scores > {tmp_path}/log 2>&1"  # flags are missing
    text = job_script.script(folder, "smelt:a b", f"{smelt} || ({smelt}; exit 9)")
    environment = {"SLURM_JOB_ID": "12", "PYTHONPATH": str(Path(records.__file__).parents[2])}
    assert subprocess.run(["sh"], input=text, text=True, env=environment).returncode == 9
    assert records.read(folder, "12") == records.JobRecord("smelt:a b", (1, 1), 9)


def test_a_step_is_described_by_its_flags_alone(tmp_path: Path) -> None:
    text = job_script.script(tmp_path, "smelt:a", f"env > {tmp_path}/env")
    given = {"SLURM_JOB_ID": "12", "SLURM_CONF": "/a/slurm.conf", "SLURM_NTASKS": "3", "SRUN_DEBUG": "1", "OTHER": "x"}
    subprocess.run(["sh"], input=text, text=True, env=given | {"PATH": os.environ["PATH"]}, check=True)
    found = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert found.items() >= {"SLURM_JOB_ID": "12", "SLURM_CONF": "/a/slurm.conf", "OTHER": "x"}.items()
    assert not {"SLURM_NTASKS", "SRUN_DEBUG"} & found.keys()


ONE_RULE = """rule made:
    output: "made"
    threads: 2
    resources: gpu=1, nodes=1
    shell: "touch {output}; ps -o args= -p $PPID > command"
"""


def test_a_job_runs_one_snakemake_in_a_step_with_all_that_it_was_granted(tmp_path: Path, slurm: Slurm) -> None:
    (tmp_path / "Snakefile").write_text(ONE_RULE)
    script = "#!/bin/sh\nSLURM_JOB_ID=7 sh > job.log 2>&1\necho 7\n"
    for name, text in (("sbatch", script), ("srun", f'#!/bin/sh\necho "$@" > {tmp_path}/step\nshift 5\nexec "$@"\n')):
        (slurm.programs / name).write_text(text)
        (slurm.programs / name).chmod(0o755)
    slurm.answer("squeue", "7 COMPLETED smelt:a\n")
    words = ["--executor", "smelt-slurm", "--jobs", "1", "--seconds-between-status-checks", "1", "--latency-wait", "5"]
    done = subprocess.run([Path(sys.executable).with_name("snakemake"), *words], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made").exists()
    step = (tmp_path / "step").read_text()
    assert step.startswith(f"--ntasks=1 --cpu-bind=quiet --cpus-per-task=2 --gpus=1 --nodes=1 {sys.executable} ")
    assert (tmp_path / "command").read_text().split()[:3] == [sys.executable, "-m", "smelt.slurm"]


def test_the_next_attempt_asks_for_more_of_what_was_lacking(executor: Watched, slurm: Slurm, submitted: Submit) -> None:
    request, job = "sbatch -t 60 --mem 4000 --ntasks=1", submitted("7")
    asked, known = [], []
    for state in ("NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY"):
        slurm.answer("squeue", f"7 {state} smelt:a\n")
        look(executor, job)
        asked.append(executor._grown(request, job.job))
        script = executor._script(job.job, Tag("study", "product", "sources", "own"))
        known.append(subprocess.check_output(["sh"], input=script, text=True).strip())
    assert known == ["", "120", "120"]  # else the command would end with its rule's minutes
    assert asked == [request, request.replace("60", "120"), "sbatch -t 120 --mem 8000 --ntasks=1"]
    slurm.answer("squeue", "7 COMPLETED smelt:a\n")
    look(executor, job)
    assert executor._grown(request, job.job) == request


def test_snakemake_finds_the_executor_and_takes_its_profile() -> None:
    snakemake = Path(sys.executable).with_name("snakemake")
    printed = subprocess.run([snakemake, "--help"], text=True, capture_output=True, check=True).stdout
    profile = yaml.safe_load((Path(__file__).parents[3] / "profiles/slurm/config.yaml").read_text())
    assert profile["executor"] == "smelt-slurm"
    assert [key for key in profile if f"--{key}" not in printed] == []
