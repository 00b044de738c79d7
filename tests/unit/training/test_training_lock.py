import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest

from smelt.errors import SmeltError
from smelt.training.lock import Lock

QUICK = {"heartbeat": 0.05, "stale": 0.4}


def text_of(path: Path, **fields: object) -> str:
    """Return the text of a lock file, by default from another machine."""
    ours = Lock(path.with_name("model of a lock"))
    ours.acquire()
    said = json.loads(ours.path.read_text())
    ours.release()
    return json.dumps(said | {"host": "elsewhere", "kernel": "another"} | fields)


def here(process: int) -> dict[str, object]:
    """Return the fields of a lock that a process of this machine holds."""
    lines = [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), Path("/proc/self/ns/pid").readlink()]
    return {"host": socket.gethostname(), "kernel": " ".join(map(str, lines)), "process": process}


def finished_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def age(path: Path, seconds: float) -> None:
    changed = path.stat().st_mtime - seconds
    os.utime(path, (changed, changed))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_lock_names_its_holder_and_goes_with_it(path: Path) -> None:
    lock = Lock(path)
    lock.acquire()
    said = json.loads(path.read_text())
    assert (said["host"], said["process"]) == (socket.gethostname(), os.getpid())
    assert said["started"] <= time.time_ns()
    lock.release()
    assert list(path.parent.iterdir()) == []


def test_a_second_holder_is_kept_out_at_once_by_name(path: Path) -> None:
    lock = Lock(path)
    lock.acquire()
    started = time.monotonic()
    with pytest.raises(SmeltError, match=rf"in use by process {os.getpid()} on {socket.gethostname()}\. Wait for it"):
        Lock(path).acquire()
    assert time.monotonic() - started < 2
    assert lock.is_held()
    lock.release()


def hold_for(path: Path, seconds: float) -> None:
    lock = Lock(path)
    lock.acquire()
    time.sleep(seconds)
    lock.release()


def test_a_patient_process_gets_the_lock_once_its_holder_releases_it(path: Path, forkserver: BaseContext) -> None:
    holder = forkserver.Process(target=hold_for, args=(path, 1.0))
    holder.start()
    while not path.exists():
        time.sleep(0.01)
    lock = Lock(path, heartbeat=0.2)
    with pytest.raises(SmeltError, match="in use by process"):
        lock.acquire(patience=0.1)
    lock.acquire(patience=60)
    assert lock.is_held()
    lock.release()
    holder.join()


def test_no_process_waits_for_itself(path: Path) -> None:
    lock = Lock(path)
    lock.acquire()
    with pytest.raises(SmeltError, match="in use by process"):
        Lock(path).acquire(patience=60)
    lock.release()


def test_the_heartbeat_renews_the_file(path: Path) -> None:
    lock = Lock(path, heartbeat=0.02)
    lock.acquire()
    age(path, 1000)
    before = path.stat().st_mtime_ns
    deadline = time.monotonic() + 10
    while path.stat().st_mtime_ns == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.stat().st_mtime > time.time() - 100
    lock.release()


def test_a_lock_of_a_process_that_is_gone_is_taken_over_at_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = finished_process()
    path.write_text(text_of(path, **here(gone)))
    lock = Lock(path)
    lock.acquire()
    assert json.loads(path.read_text())["process"] == os.getpid()
    assert f"process {gone} on {socket.gethostname()} is gone; taking over" in capsys.readouterr().err
    lock.release()
    assert list(path.parent.iterdir()) == []


def test_a_killed_process_that_its_parent_has_not_asked_after_is_gone(path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    path.write_text(text_of(path, **here(process.pid)))
    process.kill()
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    lock = Lock(path)
    lock.acquire()
    assert json.loads(path.read_text())["process"] == os.getpid()
    lock.release()
    process.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be two users")
def test_so_is_one_of_another_user_and_one_that_lives_is_not(path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom smelt.training.lock import Holder\n"
        "os.setuid(4242); print(Holder(sys.argv[1]).is_gone)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    command = [sys.executable, "-c", code, text_of(path, **here(process.pid))]
    alive = subprocess.check_output(command, env=environment, text=True)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    killed = subprocess.check_output(command, env=environment, text=True)
    process.communicate()
    assert (alive, killed) == ("False\n", "True\n")


@pytest.mark.parametrize("text", ["", "process 12 on elsewhere", "[1]", '{"process": "x"}'])
def test_a_file_that_says_nothing_counts_as_held_until_it_is_stale(path: Path, text: str) -> None:
    path.write_text(text)
    lock = Lock(path, **QUICK)
    started = time.monotonic()
    lock.acquire()
    assert time.monotonic() - started > 0.3
    lock.release()


def test_a_silent_holder_on_another_machine_is_waited_for_and_then_taken_over(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(text_of(path, process=7))
    age(path, 0.2)
    started = time.monotonic()
    lock = Lock(path, **QUICK)
    lock.acquire()
    assert time.monotonic() - started > 0.1
    assert json.loads(path.read_text())["process"] == os.getpid()
    errors = capsys.readouterr().err
    assert "held by process 7 on elsewhere; waiting up to" in errors
    assert "process 7 on elsewhere is gone; taking over" in errors
    lock.release()


def test_a_holder_on_another_machine_that_shows_life_keeps_its_lock(path: Path) -> None:
    text = text_of(path, process=7)
    path.write_text(text)
    age(path, 3600)  # its machine slept; only its next heartbeat shows that it lives
    threading.Timer(0.2, os.utime, [path]).start()
    with pytest.raises(SmeltError, match="in use by process 7 on elsewhere"):
        Lock(path, heartbeat=0.5, stale=0.5).acquire()
    assert path.read_text() == text


def test_a_process_of_another_container_does_not_count_as_gone(path: Path) -> None:
    fields = here(finished_process()) | {"kernel": "another"}
    path.write_text(text_of(path, **fields))
    threading.Timer(0.1, os.utime, [path]).start()
    with pytest.raises(SmeltError, match="in use by"):
        Lock(path, heartbeat=0.5, stale=0.5).acquire()


@pytest.mark.parametrize("loss", ["removed", "taken over by process 7 on elsewhere"])
def test_a_holder_notices_that_its_lock_is_lost(path: Path, loss: str) -> None:
    lock = Lock(path)
    lock.acquire()
    lock.confirm()
    theirs = text_of(path, process=7)
    path.unlink()
    if loss != "removed":
        path.write_text(theirs)
    with pytest.raises(SmeltError, match=f"the lock of this process was {loss}"):
        lock.confirm()
    lock.release()
    assert path.exists() == (loss != "removed"), "it lets go of its own lock only"


def test_an_heir_that_died_before_it_took_the_name_has_an_heir_itself(path: Path) -> None:
    gone = finished_process()
    path.write_text(text_of(path, **here(gone)))
    lock = Lock(path)
    dead, _ = lock._holder()
    heir = text_of(path, **here(gone), started=1)
    lock._heir_of(dead).write_text(heir)
    lock.acquire()
    assert lock.is_held()
    assert [file.name for file in path.parent.iterdir()] == ["lock"]
    lock.release()


def test_a_living_heir_that_has_not_taken_the_name_yet_keeps_others_out(path: Path) -> None:
    path.write_text(text_of(path, **here(finished_process())))
    lock = Lock(path)
    dead, _ = lock._holder()
    lock._heir_of(dead).write_text(text_of(path, **here(os.getpid())))
    with pytest.raises(SmeltError, match=f"in use by process {os.getpid()} on"):
        lock.acquire()


def test_what_killed_processes_left_on_their_way_to_the_lock_goes(path: Path) -> None:
    for name in ("lock.draft-1", "lock.after-1"):
        path.with_name(name).write_text(text_of(path))
    lock = Lock(path)
    lock.acquire()
    assert [file.name for file in path.parent.iterdir()] == ["lock"]
    lock.release()


def contend(path: Path, moment: float, losers: Path, others: int) -> bool:
    """Try for a lock at a given moment; hold it, if it was free, until all others have tried."""
    lock = Lock(path)
    time.sleep(max(0, moment - time.time()))
    try:
        lock.acquire()
    except SmeltError:
        (losers / f"{moment} {os.getpid()}").touch()
        return False
    deadline = time.monotonic() + 20
    while len(list(losers.glob(f"{moment} *"))) < others and time.monotonic() < deadline:
        time.sleep(0.01)
    lock.confirm()
    lock.release()
    return True


@pytest.mark.parametrize("stale", [False, True], ids=["free", "stale"])
def test_exactly_one_of_many_that_start_at_once_gets_the_lock(
    tmp_path: Path, forkserver: BaseContext, stale: bool
) -> None:
    (folder := tmp_path / "run").mkdir()
    (losers := tmp_path / "losers").mkdir()
    with ProcessPoolExecutor(6, mp_context=forkserver) as pool:
        list(pool.map(time.sleep, [0.2] * 6))  # all of them have started
        for _ in range(5):
            if stale:
                (folder / "lock").write_text(text_of(folder / "lock", **here(finished_process())))
            moment = time.time() + 0.1
            tries = [pool.submit(contend, folder / "lock", moment, losers, 5) for _ in range(6)]
            assert sum(each.result() for each in tries) == 1
            assert list(folder.iterdir()) == []


def hold_and_die(path: Path) -> None:
    lock = Lock(path)
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def test_after_a_kill_the_next_process_gets_the_lock_and_leaves_nothing(path: Path, forkserver: BaseContext) -> None:
    for _ in range(3):
        process = forkserver.Process(target=hold_and_die, args=(path,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    lock = Lock(path)
    lock.acquire()
    assert [file.name for file in path.parent.iterdir()] == ["lock"]
    lock.release()
