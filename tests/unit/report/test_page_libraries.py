"""JavaScript in the page: what is cached can neither change the page nor keep it from being written."""

from pathlib import Path

import pytest
import vl_convert

from smelt.report.page.libraries import vega


@pytest.fixture(scope="module")
def bundled() -> str:
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


@pytest.fixture
def bundles(bundled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was bundled, with the cache in a folder of its own."""
    made: list[str] = []

    def bundle(snippet: str) -> str:
        made.append(snippet)
        return bundled

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def only_file(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found


def test_the_pinned_vega_is_bundled_once(bundles: list[str], tmp_path: Path, bundled: str) -> None:
    first = vega()
    assert vega() == first
    assert len(bundles) == 1
    assert only_file(tmp_path / "cache").read_text() == bundled


@pytest.mark.parametrize("damage", [b"alert(1)", b"", b"\xff"])
def test_a_cache_that_holds_anything_else_is_made_again(bundles: list[str], tmp_path: Path, damage: bytes) -> None:
    first = vega()
    only_file(tmp_path / "cache").write_bytes(damage)
    assert vega() == first
    assert len(bundles) == 2
    assert only_file(tmp_path / "cache").read_bytes() != damage


@pytest.mark.usefixtures("bundles")
def test_a_bundle_of_another_version_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda _: "of another version")
    assert vega().script == "of another version"
    assert not (tmp_path / "cache").exists()


def test_no_cache_is_needed(bundles: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert vega() == vega()

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert vega() == vega()
    assert len(bundles) == 4
