"""Results belong to the study file that made them: edited, moved or copied, but not to another of the same name."""

from pathlib import Path

import pytest

from smelt.errors import SmeltError
from smelt.study.origin import SAME_STUDY, Origin
from smelt.study.paths import Paths


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SAME_STUDY, raising=False)


def origin(*files: str) -> Origin:
    return Origin(Paths("small"), files)


def made_from(file: str) -> None:
    Path(file).write_text("study: small\ntitle: First\n")
    origin(file).remember()


def test_another_study_of_the_same_name_is_refused_and_named_beside_the_first() -> None:
    made_from("first.yaml")
    Path("second.yaml").write_text("study: small\ntitle: Second\n")
    for refused in (origin("second.yaml").check, origin("second.yaml").remember):
        with pytest.raises(SmeltError, match=r"second.yaml: the study small has results here .* from first.yaml"):
            refused()
    origin("first.yaml").check()


def test_an_edited_moved_or_copied_file_is_the_same_study(monkeypatch: pytest.MonkeyPatch) -> None:
    made_from("first.yaml")
    Path("first.yaml").write_text("study: small\ntitle: Edited\n")
    origin("first.yaml").check()
    Path("copy.yaml").write_bytes(Path("first.yaml").read_bytes())
    origin("copy.yaml").check()
    Path("here").symlink_to(Path.cwd())
    origin("here/first.yaml").check()

    Path("first.yaml").rename("moved.yaml")
    Path("moved.yaml").write_text("study: small\ntitle: Moved\n")
    origin("moved.yaml").remember()
    whole = Path.cwd()
    monkeypatch.chdir(whole.parent)
    moved = whole.rename("elsewhere")
    monkeypatch.chdir(moved)
    Path("moved.yaml").write_text("study: small\ntitle: All was moved\n")
    origin("moved.yaml").check()


def test_a_file_that_changes_keys_of_a_study_is_not_another_study() -> None:
    made_from("first.yaml")
    Path("fewer-seeds.yaml").write_text("finetuning: {seeds: [1]}\n")
    origin("first.yaml", "fewer-seeds.yaml").check()
    Path("base.yaml").write_text("finetuning: {seeds: [1]}\n")
    origin("base.yaml", "first.yaml").check()
    Path("named.yaml").write_text("study: small\n")
    with pytest.raises(SmeltError, match=r"named.yaml: the study small has results"):
        origin("first.yaml", "named.yaml").check()


def test_a_study_of_a_shared_file_and_another_one_is_not_that_of_the_shared_file_and_a_third() -> None:
    Path("base.yaml").write_text("study: small\n")
    Path("large.yaml").write_text("title: Large\n")
    Path("small.yaml").write_text("title: Small\n")
    origin("base.yaml", "large.yaml").remember()
    origin("base.yaml", "large.yaml").check()
    origin("base.yaml").remember()
    with pytest.raises(SmeltError, match=r"small.yaml: .* made from base.yaml and large.yaml, .* the place of large"):
        origin("base.yaml", "small.yaml").check()

    Path("large.yaml").rename("renamed.yaml")
    origin("base.yaml", "renamed.yaml").remember()
    with pytest.raises(SmeltError, match=r"small.yaml: .* made from base.yaml and renamed.yaml"):
        origin("base.yaml", "small.yaml").remember()


def test_results_are_handed_over_when_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    made_from("first.yaml")
    Path("second.yaml").write_text("study: small\ntitle: Second\n")
    monkeypatch.setenv(SAME_STUDY, "yes")
    origin("second.yaml").remember()
    monkeypatch.delenv(SAME_STUDY)
    origin("second.yaml").check()
    with pytest.raises(SmeltError, match=r"were made from second.yaml"):
        origin("first.yaml").check()
    monkeypatch.setenv(SAME_STUDY, "yes")
    Path("more.yaml").write_text("title: More\n")
    origin("second.yaml", "more.yaml").remember()
    origin("second.yaml").remember()
    monkeypatch.delenv(SAME_STUDY)
    Path("less.yaml").write_text("title: Less\n")
    origin("second.yaml", "less.yaml").check()


def test_results_elsewhere_by_a_link_are_guarded_for_all_who_share_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    for user in ("ada", "bo"):
        (tmp_path / user).mkdir()
        (tmp_path / user / "results").symlink_to(tmp_path / "shared")
    monkeypatch.chdir(tmp_path / "ada")
    made_from("study.yaml")
    monkeypatch.chdir(tmp_path / "bo")
    Path("study.yaml").write_text("study: small\ntitle: Bo's\n")
    with pytest.raises(SmeltError, match=r"results here that were made from ada/study.yaml"):
        origin("study.yaml").check()
