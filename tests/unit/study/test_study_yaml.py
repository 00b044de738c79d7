"""A study file is read as strict YAML, and what it names is filled in."""

from pathlib import Path

import pytest
from study_files import complaint, write

from smelt import strict_yaml
from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.check import missing_sources
from smelt.study.schema import load_study


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: one\nstudy: two\n")
    assert "'study' stands twice" in complaint(path)


def test_merge_keys_share_settings_between_models(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("  tiny:", "  tiny: &tiny"))
    text = path.read_text().replace("  mbert:", "  twin:\n    <<: *tiny\n    seed: 2\n  mbert:")
    path.write_text(text)
    models = load_study(path).models
    assert models["twin"].model_dump() == models["tiny"].model_dump() | {"seed": 2}


def test_norwegian_is_a_language_and_not_false(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("- en\n", "- no\n"))
    corpus = load_study(path).corpora["wiki"]
    assert corpus.languages == ["no", "el"]


def test_the_line_of_broken_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: one\nmodels: {a: [}\n")
    assert f"{path}:2" in complaint(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("models: &all {tiny: *all}", "1: is not YAML: the alias *all stands within what it names"),
        ("models: &all\n  a: [*all]", "2: is not YAML: the alias *all stands within what it names"),
        ("one: &one [1, 2, 3]\ntwo: [*one, *one, *one]", "2: is not YAML: holds over 12 keys and values"),
        ("one: &one {a: 1, b: 2}\ntwo: {<<: [*one, *one, *one]}", "2: is not YAML: holds over 12 keys and values"),
        ("study: [[[[[[[[]]]]]]]]", "lie within each other over 5 levels"),
        ("study: !!binary aGVsbG8=", "expected a value without the tag !!binary"),
        ("study: !!float many", "expected a value without the tag !!float"),
        ("study: " + 101 * "1", "is a number of 101 digits"),
        ('study: "\\0"', "a text holds the character U+0000"),
    ],
)
def test_what_no_person_writes_is_refused_as_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, found: str
) -> None:
    monkeypatch.setattr(strict_yaml, "MOST_NODES", 12)
    monkeypatch.setattr(strict_yaml, "MOST_LEVELS", 5)
    monkeypatch.setattr(strict_yaml, "TOO_DEEP", "lie within each other over 5 levels")
    path = tmp_path / "study.yaml"
    path.write_text(text)
    assert found in complaint(path)
    assert "\n" not in complaint(path)


def test_a_file_that_no_person_wrote_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_yaml, "MOST_BYTES", 12)
    (tmp_path / "study.yaml").write_text("study: small")
    assert strict_yaml.read_yaml(tmp_path / "study.yaml") == {"study": "small"}
    (tmp_path / "study.yaml").write_text("study: small\n")
    assert complaint(tmp_path / "study.yaml").endswith("holds over 12 bytes: expected a file that a person writes")


def test_aliases_within_the_cap_mean_what_they_name() -> None:
    content = strict_yaml.parse_yaml("one: &one [1, 2]\ntwo: &two [*one, *one]\nthree: *two", "here")
    assert content["three"] == [[1, 2], [1, 2]]


def test_a_day_that_the_calendar_lacks_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("20230501", "20230231"))
    assert "date: expected a day of the calendar, found '20230231'" in complaint(path)


def test_a_variable_that_needs_quotes_is_answered_with_them(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: small\ncorpora: {one: {text: {en: ${TEXTS}/en.txt}}}\n")
    with pytest.raises(SmeltError, match=r'study.yaml:2: is not YAML: .* write "\$\{NAME\}" in quotes'):
        load_study(path)


def test_a_date_without_quotes_is_the_text_that_it_looks_like(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("'20230501'", "2023-05-01"))
    assert complaint(path).endswith("wikipedia.date: expected a date such as \"20230501\"; found '2023-05-01'")


def test_a_missing_file_and_an_empty_file_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    assert "no such file" in complaint(tmp_path / "none.yaml")
    assert complaint(tmp_path) == f"{tmp_path}: is a folder: expected a file in YAML"
    assert "expected a mapping" in complaint(empty)


def test_a_study_is_kept_as_it_is_written_and_filled_in_where_a_source_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_MIRROR", str(tmp_path))
    monkeypatch.setenv("SOME_TITLE", "not to be read")
    path = write(tmp_path, {"corpora/wiki/wikipedia/mirror": "${SOME_MIRROR}/wiki", "title": "of ${SOME_TITLE}"})
    catalogue = Catalogue.load(path)
    wikipedia = catalogue.study.corpora["wiki"].wikipedia
    assert wikipedia is not None
    assert (wikipedia.mirror, catalogue.study.title) == ("${SOME_MIRROR}/wiki", "of ${SOME_TITLE}")
    assert f"{tmp_path}/wiki" in missing_sources(catalogue)
    assert str(tmp_path) not in catalogue.report.as_written()


@pytest.mark.parametrize("address", ["https://me:word@host/dumps", "https://${USER}:word@host/dumps", "http://me@host"])
def test_credentials_that_are_written_out_are_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    message = complaint(write(tmp_path, {"corpora/wiki/wikipedia/mirror": address}))
    assert "corpora.wiki.wikipedia.mirror: holds a user or a password: expected ${NAME} in their place" in message
    assert "word@" not in message


def test_credentials_from_the_environment_are_taken(tmp_path: Path) -> None:
    load_study(write(tmp_path, {"corpora/wiki/wikipedia/mirror": "https://${ME}:${WORD}@host/dumps"}))
