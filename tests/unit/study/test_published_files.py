"""The numbers of papers in `config/published`: read strictly, of models and tasks that are there, and typed rightly."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest
import yaml
from published_studies import PAPERS, STUDIES
from test_student_tables import catalogue, study

from smelt.errors import SmeltError
from smelt.families import is_family, member_of
from smelt.report.hypotheses import wilcoxon_one_sided
from smelt.report.published import PUBLISHED, PublishedNumber, published_file, read_published
from smelt.report.tables.published import PublishedTable, runs_of
from smelt.strict_yaml import read_yaml
from smelt.study.catalogue import Catalogue

COLUMN = {"task": "masakhaner-sw", "metric": "F1"}
TABLE = {"where": "Table 1", "about": "F1", "columns": {"F1": COLUMN}, "rows": {"S": {"model": "d42", "values": [7]}}}
PAPER = {"paper": "Small (2024)", "studies": ["small"], "tables": {"table-1": TABLE}}


def numbers(paper: str) -> list[PublishedNumber]:
    return [number for table in read_published(published_file(paper)).tables.values() for number in table.numbers()]


# ---- The loader


def changed(**changes: Any) -> dict[str, Any]:
    return PAPER | {"tables": {"table-1": TABLE | changes}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "expected a mapping of keys, found list"),
        ({**PAPER, "sourec": "x"}, "sourec"),
        (changed(rows={"S": {"model": "d42", "values": [1, 2]}}), "rows.S.values: expected one for each of 1 columns"),
        (changed(rows={"S": {"model": "d42", "values": [None]}}), "rows.S.values: hold no number: leave the row out"),
        (changed(rows={"S": {"model": "d42", "values": [101]}}), "101 of 'F1' is no percent: expected 0 to 100"),
        (changed(unit="share"), "7 of 'F1' is no share: expected 0 to 1"),
        (changed(rows={"S": {"model": "d42", "values": ["7.O"]}}), "expected a number"),
        (changed(rows={"S": {"model": "d42", "values": [True]}}), "expected a number"),
        (changed(columns={"F1": {"metric": "F1"}}), "'F1' has no task"),
        (changed(columns={"F1": {"task": "masakhaner-sw"}}), "'F1' has no metric"),
        (changed(columns={"F1": COLUMN | {"language": "sw", "languages": ["sw", "en"]}}), "languages: stands beside"),
        (changed(columns={"T": {"figure": "latency", "batch": 1}}), "length: is missing, and the column gives latency"),
        (PAPER | {"tables": {"a": TABLE, "b": TABLE}}, "tables.b.where: 'Table 1' is where a stands, too"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SmeltError, match=re.escape(said)) as found:
        read_published(path)
    assert str(found.value).startswith(f"{path}: ")
    assert len(str(found.value).splitlines()) == 1


def test_a_deviation_needs_a_value(tmp_path: Path) -> None:
    columns = {"F1": COLUMN, "again": COLUMN}
    row = {"model": "d42", "values": [7, None], "deviations": [0.1, 0.2]}
    (tmp_path / "paper.yaml").write_text(yaml.safe_dump(changed(columns=columns, rows={"S": row})))
    with pytest.raises(SmeltError, match="'again' has a deviation and no value"):
        read_published(tmp_path / "paper.yaml")


def test_papers_are_named_or_are_files(tmp_path: Path) -> None:
    with pytest.raises(SmeltError, match=r"malbret: is no paper of config/published: .*malbert"):
        read_published(published_file("malbret"))
    with pytest.raises(SmeltError, match="no such file"):
        read_published(published_file(str(tmp_path / "gone.yaml")))


def test_a_study_names_tables_and_models_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "paper.yaml").write_text(yaml.safe_dump(PAPER))
    entry = {"kind": "published", "paper": str(tmp_path / "paper.yaml")}
    catalogue(tmp_path, study(**entry))
    for wrong, said in (
        ({"paper": "malbert"}, "the study makes no number of malbert: expected one at least"),
        ({"tables": ["table-2"]}, "tables: 'table-2' is no table of .*: expected one of table-1"),
        ({"names": {"d41": "d42"}}, "names.d41: 'd41' is no model of .*: expected one of d42"),
        ({"names": {"d42": "d43"}}, "names.d42: 'd43' is no model of the study: expected one of .*d42"),
    ):
        with pytest.raises(SmeltError, match=said):
            catalogue(tmp_path, study(**entry | wrong))


# ---- Models and tasks


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Catalogue]:
    """Return how studies are loaded whose sources need not be there."""
    for name in ("SMELT_UPPER_BOUNDS", "SMELT_TASKS", "SMELT_VECTORS", "SMELT_REVIEWS", "SPANISH_CORPORA"):
        monkeypatch.setenv(name, os.devnull)
    return lambda name: Catalogue.load(STUDIES / f"{name}.yaml")


@pytest.mark.parametrize("paper", PAPERS)
def test_every_number_is_of_models_and_tasks_of_its_study(paper: str, anywhere: Callable[[str], Catalogue]) -> None:
    content = read_published(published_file(paper))
    assert content.studies == [paper, f"{paper}-released"]
    found = anywhere(paper)
    view = found.report._shown
    for number in numbers(paper):
        assert runs_of(number, view), (number.table, number.row, number.column)
        assert all(task in view.tasks for task in number.tasks), number
        for model in number.models:
            assert is_family(model) or model in view.makers, number


@pytest.mark.parametrize("paper", PAPERS)
def test_the_papers_studies_show_every_number_that_they_make(paper: str, anywhere: Callable[[str], Catalogue]) -> None:
    for name in (paper, f"{paper}-released"):
        tables = anywhere(name).study.tables.values()
        assert [table.paper for table in tables if isinstance(table, PublishedTable)] == [paper]


def test_there_is_a_file_for_each_paper() -> None:
    assert {path.stem for path in PUBLISHED.glob("*.yaml")} == set(PAPERS)
    assert sum(len(numbers(paper)) for paper in PAPERS) > 800


# ---- What was typed


def parts_of(paper: str) -> dict[tuple[str, str, str, bool], float]:
    """Return scores of one language or task by model, task, language, and whether they are a second score."""
    found = {}
    for number in numbers(paper):
        if number.figure == "score" and not number.languages and not number.column_entry.tasks:
            (task,) = number.tasks
            found[number.models[0], task, number.language, number.column_entry.beside] = number.value
    return found


def means_over_languages(paper: str) -> Iterator[tuple[PublishedNumber, list[float]]]:
    """Yield printed means with the languages' scores, where the file has all of these."""
    parts = parts_of(paper)
    for number in numbers(paper):
        own = [parts.get((number.models[0], member_of(number.task, code), code, False)) for code in number.languages]
        if own and all(value is not None for value in own):
            yield number, [value for value in own if value is not None]


def test_averages_of_xnli_are_the_means_of_the_languages() -> None:
    found = list(means_over_languages("smaller-mbert"))
    assert len(found) == 15
    off = {number.table: fmean(own) for number, own in found if abs(fmean(own) - number.value) > 0.05}
    assert off == {"Table 2, cross-lingual transfer": pytest.approx(59.75, abs=0.005)}  # DistilmBERT, printed as 59.7


def test_averages_of_entities_are_the_means_of_41_whole_percents() -> None:
    found = [each for each in means_over_languages("xtremedistil") if each[0].table == "Table 5"]
    assert len(found) == 3
    for number, own in found:
        assert len(own) == 41
        assert number.value == pytest.approx(fmean(own), abs=0.005 + 0.5 / 41**0.5), number
        assert number.deviation == pytest.approx(pstdev(own), abs=0.1), number


def test_averages_of_albeto_are_cut_means_of_its_eight_data_sets() -> None:
    parts = parts_of("albeto")
    found = [number for number in numbers("albeto") if number.column_entry.tasks]
    assert len(found) == 8
    for number in found:
        keys = [[(number.models[0], task, "", beside) for beside in (False, True)] for task in number.tasks]
        of_task = [[parts[key] for key in both if key in parts] for both in keys]
        assert number.value <= fmean(map(fmean, of_task)) + 1e-9 < number.value + 0.01, number


def test_the_test_over_the_pairs_of_eliquare_is_the_papers() -> None:
    cells = {(number.row, number.column): number.value for number in numbers("eliquare") if number.table == "Table 4"}
    rows = {row: [value for (other, _), value in cells.items() if other == row] for row, _ in cells}
    found = wilcoxon_one_sided(("a", "b"), rows["mBERT"], rows["Eliquare-mBERT"], 0.05, "pairs", "")
    assert (found.pairs, found.statistic, round(found.p, 3)) == (12, 12, 0.017)


def test_the_gain_of_distillation_with_few_labels_is_the_papers() -> None:
    cells = [number for number in numbers("xtremedistil") if number.table == "Table 10"]
    alone, student = (
        sum(number.value for number in cells if number.row == row)
        for row in ("student, no distillation", "student of BERT large")
    )
    assert round(100 * (student / alone - 1), 1) == 19.4  # section 6.6


def test_pieces_and_parameters_are_as_the_text_of_the_paper_has_them() -> None:
    cells = {
        (number.row, number.column): number.value for number in numbers("smaller-mbert") if number.figure != "score"
    }
    assert round(cells["Selected tokens", "Union"] / 119_547, 2) == 0.60
    assert round(cells["Selected tokens", "en"] / 119_547, 3) == 0.238
    assert round(1 - cells["mBERT 15 langs", "#params"] / cells["mBERT", "#params"], 2) == 0.21


def test_compressions_of_xtremedistil_follow_from_its_parameters() -> None:
    cells = {(number.row, number.column): number for number in numbers("xtremedistil") if number.table == "Table 16"}
    found = {row: number for (row, column), number in cells.items() if column == "Compression"}
    assert len(found) == 16
    for row, number in found.items():
        # Of mBERT's 179 million (section 3), and of parameters that are rounded to 0.1 million.
        assert number.value == pytest.approx(179 / cells[row, "Params"].value, abs=0.06), row


def test_every_number_stands_once_a_cell() -> None:
    for paper in PAPERS:
        cells = [(number.table, number.row, number.column) for number in numbers(paper)]
        assert len(cells) == len(set(cells))
        assert read_yaml(published_file(paper))["studies"]
