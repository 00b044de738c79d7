import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed

from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.files import checksum
from smelt.training.checkpoints import (
    Checkpoints,
    Manifest,
    read_manifest,
    write_manifest,
)
from smelt.training.distributed import Processes
from smelt.training.recipes import RECIPES
from smelt.training.steps import random_state, set_random_state

IDENTITY = {"settings": {"seed": 1, "recipe": {"schedule": {"steps": 10}}}, "tokenizer": "abc"}


@pytest.fixture
def checkpoints(tmp_path: Path):
    with Checkpoints(tmp_path / "run", IDENTITY) as kept:
        yield kept


def save(checkpoints: Checkpoints, step: int, loss: float | None = None) -> None:
    checkpoints.save(step, {"weights": torch.full((100,), float(step))}, {"rank": checkpoints.processes.rank}, loss)


def steps(checkpoints: Checkpoints) -> list[int]:
    """Return the steps in the folder; all in it but the lock has to be a whole checkpoint."""
    return sorted(int(path.name.removeprefix("step-")) for path in checkpoints.folder.iterdir() if path.name != "lock")


def test_the_newest_checkpoint_is_loaded_and_the_last_two_are_kept(checkpoints: Checkpoints) -> None:
    for step in (5, 10, 15):
        save(checkpoints, step)
    state = checkpoints.load()
    assert (state.step, state.shared["weights"].tolist(), state.own) == (15, [15.0] * 100, {"rank": 0})
    assert steps(checkpoints) == [10, 15]


def test_without_a_checkpoint_there_is_nothing_to_load(checkpoints: Checkpoints) -> None:
    assert checkpoints.load() is None
    assert checkpoints.best() is None


def flip(path: Path) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def to_what_torch_cannot_read(path: Path) -> None:
    """Write a part, with its true checksum in the manifest."""
    path.write_bytes(b"not a state")
    manifest = read_manifest(path.parent)
    write_manifest(path.parent, Manifest(**vars(manifest) | {"sha256": {**manifest.sha256, path.name: checksum(path)}}))


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, damage) for name in ("shared.pt", "rank-0.pt", "manifest.json") for damage in (flip, cut, Path.unlink)]
    + [(name, to_what_torch_cannot_read) for name in ("shared.pt", "rank-0.pt")],
)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], None]
) -> None:
    for step in (5, 10):
        save(checkpoints, step)
    newest = checkpoints.folder / "step-000000010" / name
    damage(newest)
    assert checkpoints.load().step == 5
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"smelt: warning: {newest}: ")
    assert warning.endswith("damaged checkpoint, going back to the one before")
    assert steps(checkpoints) == [5]


def test_where_all_checkpoints_are_damaged_the_run_starts_again(
    checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    save(checkpoints, 5)
    cut(checkpoints.folder / "step-000000005" / "shared.pt")
    assert checkpoints.load() is None
    assert "damaged checkpoint, and there is no other" in capsys.readouterr().err


@pytest.mark.parametrize("look", [Checkpoints.load, lambda checkpoints: save(checkpoints, 11)])
def test_a_draft_left_by_a_killed_process_is_no_checkpoint_and_goes(
    checkpoints: Checkpoints, look: Callable[[Checkpoints], Any]
) -> None:
    save(checkpoints, 5)
    shutil.copytree(checkpoints.folder / "step-000000005", checkpoints.folder / "step-000000010.draft")
    look(checkpoints)
    assert 10 not in steps(checkpoints)


def test_the_best_checkpoint_is_kept_beside_the_newest(checkpoints: Checkpoints) -> None:
    for step, loss in enumerate((3.0, 2.0, float("nan"), None, 2.5, 2.0), 1):
        save(checkpoints, step, loss)
    assert steps(checkpoints) == [2, 5, 6]
    best = checkpoints.best()
    assert (best.step, best.shared["weights"].tolist()) == (2, [2.0] * 100)


def test_a_loss_is_the_best_if_none_that_was_kept_is_lower(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    assert checkpoints.is_best(9.0)
    save(checkpoints, 2, 2.0)
    assert [checkpoints.is_best(loss) for loss in (1.9, 2.0, 2.1, None)] == [True, False, False, False]


def test_a_checkpoint_of_the_same_step_is_replaced(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    checkpoints.save(1, {"weights": "measured"}, {}, 2.0)
    assert checkpoints.best().shared == {"weights": "measured"}
    assert steps(checkpoints) == [1]


def test_a_kill_while_a_checkpoint_is_replaced_leaves_the_old_one(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    folder = checkpoints.folder / "step-000000001"
    folder.rename(folder.with_suffix(".replaced"))
    assert checkpoints.load().step == 1
    shutil.copytree(folder, folder.with_suffix(".replaced"))
    assert checkpoints.load().step == 1
    assert steps(checkpoints) == [1]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            {"settings": {"seed": 1, "recipe": {"schedule": {"steps": 20}}}},
            r"settings\.recipe\.schedule\.steps was 10, is 20\.",
        ),
        ({"tokenizer": "abd", "blocks": {"aa": "1f"}}, "blocks was None, is {'aa': '1f'}; tokenizer was abc, is abd"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_the_difference(
    tmp_path: Path, change: dict[str, Any], difference: str
) -> None:
    with Checkpoints(tmp_path, IDENTITY) as checkpoints:
        save(checkpoints, 5)
    with (
        Checkpoints(tmp_path, IDENTITY | change) as other,
        pytest.raises(SmeltError, match=f"checkpoint of another run: {difference}"),
    ):
        other.load()
    assert (tmp_path / "step-000000005").exists()


def test_a_checkpoint_of_a_version_whose_recipe_was_flat_is_gone_on_from(tmp_path: Path) -> None:
    before = {"sentences": "order", "optimizer": "adamw", "learning_rate": 1e-3, "steps": 10, "mask_rate": 0.15}
    today = {
        "objective": {"sentences": "order", "masking_probability": 0.15},
        "optimizer": {"name": "adamw", "learning_rate": 1e-3},
        "schedule": {"steps": 10},
    }
    with Checkpoints(tmp_path, {"settings": {"seed": 1, "recipe": before}, "tokenizer": "abc"}) as checkpoints:
        save(checkpoints, 5)
    with Checkpoints(tmp_path, {"settings": {"seed": 1, "recipe": today}, "tokenizer": "abc"}) as checkpoints:
        assert checkpoints.load().step == 5
    changed = merge(today, {"schedule": {"steps": 20}})
    with (
        Checkpoints(tmp_path, {"settings": {"seed": 1, "recipe": changed}, "tokenizer": "abc"}) as checkpoints,
        pytest.raises(SmeltError, match=r"another run: settings\.recipe\.schedule\.steps was 10, is 20\."),
    ):
        checkpoints.load()


@pytest.mark.parametrize(
    ("change", "may_go_on"),
    [({"machine": {"micro_batch": 2, "attention": "eager"}}, True), ({"optimizer": {"clip": 2}}, False)],
)
def test_settings_that_make_no_other_model_may_change_between_runs(
    tmp_path: Path, change: dict[str, Any], may_go_on: bool
) -> None:
    recipe = RECIPES["small"]
    with Checkpoints(tmp_path, recipe.identity()) as checkpoints:
        save(checkpoints, 5)
    with Checkpoints(tmp_path, recipe.override(change).identity()) as checkpoints:
        if may_go_on:
            assert checkpoints.load().step == 5
        else:
            with pytest.raises(SmeltError, match=r"checkpoint of another run: optimizer\.clip was 1\.0, is 2\."):
                checkpoints.load()


def test_a_second_user_in_the_same_process_is_refused_by_name(checkpoints: Checkpoints) -> None:
    with (
        pytest.raises(SmeltError, match=rf"in use by process {os.getpid()} on"),
        Checkpoints(checkpoints.folder, IDENTITY),
    ):
        pass


def test_a_finished_run_keeps_its_last_and_its_best_checkpoint_and_says_so(tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "run", IDENTITY, kept=3) as kept:
        for step, loss in ((1, 2.0), (2, 1.0), (3, 1.5), (4, 1.8)):
            save(kept, step, loss)
        kept.finish()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "finished", "step-000000002", "step-000000004",
    ]  # fmt: skip
    with Checkpoints(tmp_path / "run", IDENTITY) as again:
        assert again.load().step == 4
        assert not (tmp_path / "run/finished").exists()  # until its result is written again


def test_the_folder_is_free_again_after_its_run_and_goes_with_its_checkpoints(tmp_path: Path) -> None:
    for _ in range(2):
        with Checkpoints(tmp_path / "run", IDENTITY) as kept:
            save(kept, 1)
            kept.remove()
    assert not (tmp_path / "run").exists()


def test_a_process_whose_lock_was_taken_writes_nothing(checkpoints: Checkpoints) -> None:
    save(checkpoints, 5)
    (checkpoints.folder / "lock").unlink()
    for act in (lambda: save(checkpoints, 10), checkpoints.load, checkpoints.remove):
        with pytest.raises(SmeltError, match="the lock of this process was removed: it stops here"):
            act()
    assert steps(checkpoints) == [5]


def test_a_full_disk_is_one_clear_line_and_leaves_the_checkpoint_before(checkpoints: Checkpoints) -> None:
    save(checkpoints, 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # the kernel refuses to write on, as on a full disk
    try:
        with pytest.raises(SmeltError, match=r"cannot write the checkpoint of step 10 \(File too large\)$"):
            checkpoints.save(10, {"weights": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert steps(checkpoints) == [5]
    assert checkpoints.load().step == 5


FILL = """
import sys
from pathlib import Path
import torch
from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.training.checkpoints import Checkpoints

with Checkpoints(Path(sys.argv[1], "run"), {}) as checkpoints:
    for step in (1, 2):
        checkpoints.save(step, {"weights": torch.zeros(60_000)}, {})
    for kilobytes in (300, 230):  # the parts do not fit; the manifest does not
        try:
            checkpoints.save(3, {"weights": torch.zeros(kilobytes * 256 + 6000)}, {})
        except SmeltError as error:
            print(error.exit_code, error)
    print(sorted(path.name for path in checkpoints.folder.iterdir()), checkpoints.load().step)
"""


def test_a_file_system_that_is_full_is_one_clear_line_and_leaves_the_checkpoints_before(tmp_path: Path) -> None:
    mount = ["unshare", "--mount", "--map-root-user"]  # seen by these processes only
    if shutil.which("unshare") is None or subprocess.run([*mount, "mount", "-t", "tmpfs", "x", tmp_path]).returncode:
        pytest.skip("needs to mount a small file system in a name space of its own")
    script = f"mount -t tmpfs -o size=700k full {tmp_path} && exec {sys.executable} -c '{FILL}' {tmp_path}"
    done = subprocess.run([*mount, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *errors, state = done.stdout.splitlines()
    expected = f"74 {tmp_path}/run: cannot write the checkpoint of step 3 (No space left on device)"
    assert errors == [expected] * len(errors)
    assert errors
    assert state == "['lock', 'step-000000001', 'step-000000002'] 2"


def save_without_end(folder: Path) -> None:
    with Checkpoints(folder, IDENTITY) as checkpoints:
        state = checkpoints.load()
        step = state.step if state else 0
        while True:
            step += 1
            save(checkpoints, step, 1000.0 - step if step % 3 else None)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_whole_checkpoints(
    tmp_path: Path, forkserver: BaseContext, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, before = random.Random(3), 0
    for _ in range(8):
        process = forkserver.Process(target=save_without_end, args=(tmp_path,))
        process.start()
        # Only the newest are kept: that of one step may come and go between two looks.
        while not any(path.name >= f"step-{before + 2:09d}" for path in tmp_path.glob("step-*[0-9]")):
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.05))
        process.kill()
        process.join()
        with Checkpoints(tmp_path, IDENTITY) as checkpoints:
            state, best = checkpoints.load(), checkpoints.best()
            assert len(steps(checkpoints)) in (2, 3)
        assert state.step >= before + 2
        assert state.shared["weights"].tolist() == [float(state.step)] * 100
        assert best.step >= state.step - 1
        before = state.step
    assert "damaged" not in capsys.readouterr().err


def test_random_states_come_back_through_a_checkpoint(checkpoints: Checkpoints) -> None:
    checkpoints.save(1, {}, {"random": random_state()})
    expected = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()
    set_random_state(checkpoints.load().own["random"])
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == expected


def in_process(act: Callable[[Checkpoints], Any], rank: int, folder: Path, meeting: Path) -> Any:
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
    try:
        with Checkpoints(folder, IDENTITY, Processes(rank, 2)) as checkpoints:
            return act(checkpoints)
    except SmeltError as error:
        return str(error), error.reported
    finally:
        distributed.destroy_process_group()


@pytest.fixture
def together(tmp_path: Path, forkserver: BaseContext):
    """Do something with the same checkpoints in two processes at once; return what each returned."""
    meetings = iter(range(100))
    with ProcessPoolExecutor(2, mp_context=forkserver) as pool:

        def do(act: Callable[[Checkpoints], Any]) -> list[Any]:
            meeting = tmp_path / f"meeting-{next(meetings)}"
            both = [pool.submit(in_process, act, rank, tmp_path / "run", meeting) for rank in (0, 1)]
            return [each.result(60) for each in both]

        yield do


Together = Callable[[Callable[[Checkpoints], Any]], list[Any]]


def save_two(checkpoints: Checkpoints) -> None:
    save(checkpoints, 5)
    save(checkpoints, 10)


def loaded(checkpoints: Checkpoints) -> tuple[int, dict[str, Any]]:
    state = checkpoints.load()
    assert state.shared["weights"].tolist() == [float(state.step)] * 100
    return state.step, state.own


def test_each_of_two_processes_gets_its_own_part_back(tmp_path: Path, together: Together) -> None:
    together(save_two)
    assert together(loaded) == [(10, {"rank": 0}), (10, {"rank": 1})]
    files = sorted(path.name for path in (tmp_path / "run/step-000000010").iterdir())
    assert files == ["manifest.json", "rank-0.pt", "rank-1.pt", "shared.pt"]
    assert json.loads((tmp_path / "run/step-000000010/manifest.json").read_text())["processes"] == 2


def test_what_is_damaged_for_one_process_sends_both_back(tmp_path: Path, together: Together) -> None:
    together(save_two)
    cut(tmp_path / "run/step-000000010/rank-1.pt")
    assert together(loaded) == [(5, {"rank": 0}), (5, {"rank": 1})]
    assert not (tmp_path / "run/step-000000010").exists()


def save_too_much_in_the_second(checkpoints: Checkpoints) -> None:
    save(checkpoints, 5)
    if checkpoints.processes.rank == 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        checkpoints.save(10, {}, {"weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


def test_a_disk_that_is_full_for_one_process_stops_both_in_the_same_line(tmp_path: Path, together: Together) -> None:
    (first, reported_by_another), (second, reported_by_first) = together(save_too_much_in_the_second)
    assert first == second
    assert first.endswith("cannot write the checkpoint of step 10 (File too large)")
    assert (reported_by_another, reported_by_first) == (False, True)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step-000000005"]


def load_where_the_second_sees_another_disk(checkpoints: Checkpoints) -> None:
    save(checkpoints, 5)
    if checkpoints.processes.rank == 1:
        checkpoints.folder = checkpoints.folder.with_name("disk-of-another-machine")
    checkpoints.load()


def test_a_folder_that_machines_do_not_share_is_refused_and_nothing_of_it_removed(
    tmp_path: Path, together: Together
) -> None:
    (first, _), (second, _) = together(load_where_the_second_sees_another_disk)
    assert first == second
    assert "step-000000005: is not here: the folder of checkpoints must be one that all machines share" in first
    assert (tmp_path / "run/step-000000005/manifest.json").exists()


def test_checkpoints_of_another_number_of_processes_are_refused(tmp_path: Path, together: Together) -> None:
    together(save_two)
    with (
        Checkpoints(tmp_path / "run", IDENTITY) as alone,
        pytest.raises(SmeltError, match=r"checkpoint of 2 processes, but 1 were started\. Start 2"),
    ):
        alone.load()


def test_where_no_process_has_a_part_of_its_own_any_number_may_go_on(tmp_path: Path, together: Together) -> None:
    with Checkpoints(tmp_path / "run", IDENTITY) as alone:
        alone.save(10, {"weights": torch.full((100,), 10.0)}, {})
    assert together(loaded) == [(10, {})] * 2


def test_the_training_library_loads_no_torch_for_the_study_types() -> None:
    code = "import sys, smelt.study.schema, smelt.training.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
