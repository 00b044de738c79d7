"""Figures: valid files that show the numbers and repeat exactly."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import Results
from vl_convert import vegalite_to_vega

from smelt.__main__ import main
from smelt.report.figures import (
    FIGURES,
    TABLE_FIGURES,
    caption_of,
    differences,
    language_distribution,
    language_shares,
    ranks,
    score_by_cost,
    score_by_vocabulary,
    splitting_and_errors,
)
from smelt.report.figures.ranks import _groups
from smelt.report.figures.style import share_bars
from smelt.report.overview import StudyScores
from smelt.training.losses import TERMS


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_is_valid_svg_and_png_and_repeats_byte_for_byte(compared: Results, name: str) -> None:
    assert compared.figure(name) == 0
    svg, png = (compared.path("figures", f"{name}.{kind}") for kind in ("svg", "png"))
    assert ElementTree.fromstring(svg.read_text()).tag == "{http://www.w3.org/2000/svg}svg"
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert compared.figure(name, "again") == 0
    assert compared.path("again", f"{name}.svg").read_bytes() == svg.read_bytes()
    assert compared.path("again", f"{name}.png").read_bytes() == png.read_bytes()


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_axis_is_labelled(compared: Results, name: str) -> None:
    settings = {"mixtures": {"wiki": {"alpha": 0.5}}} if name == "language-shares" else {}
    figure = FIGURES[name].forms(settings).draw(compared.figure_sources(name))
    assert all(axis.get_xlabel() and axis.get_ylabel() for axis in figure.axes)


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_chart_has_the_panels_and_numbers_of_its_picture(compared: Results, name: str) -> None:
    settings = {"mixtures": {"wiki": {"alpha": 0.5}}} if name == "language-shares" else {}
    forms, sources = FIGURES[name].forms(settings), compared.figure_sources(name)
    panels, axes = forms.chart(sources).panels, forms.draw(sources).axes
    assert len(panels) == len(axes)
    assert all(vegalite_to_vega(panel) for panel in forms.chart(sources).specifications()["panels"])
    for panel, axis in zip(panels, axes, strict=True):
        along = "x" if panel.y.kind == "names" else "y"
        shown = [value for line in axis.lines for value in getattr(line, f"get_{along}data")()]
        shown += [value for points in axis.collections for value in points.get_offsets()[:, 1].tolist()]
        factor = 100 if name == "language-shares" else 1  # the chart's axis is in percent
        for mark in (mark for series in panel.series for mark in series.marks):
            assert min(abs(getattr(mark, along) - factor * value) for value in shown) < 1e-9


def test_models_without_a_significant_pair_between_them_are_one_group() -> None:
    assert _groups(["a", "b", "c", "d"], {frozenset("ac"), frozenset("ad")}) == [(0, 1), (1, 3)]
    assert _groups(["a", "b"], {frozenset("ab")}) == []


def test_no_bar_goes_below_zero() -> None:
    assert share_bars(1.5, 4.0) == (1.5, 4.0)
    assert share_bars(99.0, 4.0) == (4.0, 1.0)
    assert share_bars(-5.0, 4.0) == (0.0, 4.0), "of a correlation"


def study_of(folder: Path, scores: dict[tuple[str, str, str], list[float]], **settings: object) -> list[Path]:
    """Write scores by model, task and setting; return summary.csv, pairs.csv, across.csv and scores.csv of them."""
    lines = ["model,task,language,setting,seed,split,metric,value"]
    for (model, task, setting), values in scores.items():
        lines += [f"{model},{task},en,{setting},{seed},test,spearman,{value}" for seed, value in enumerate(values)]
    paths = [folder / f"{name}.csv" for name in ("summary", "pairs", "across", "scores")]
    paths[-1].write_text("\n".join(lines) + "\n")
    words = ["job", "compare", "--scores", str(paths[-1]), "--settings", json.dumps({"resamples": 10} | settings)]
    assert main([*words, *(word for path in paths[:3] for word in (f"--{path.stem}", str(path)))]) == 0
    return paths


def test_a_score_stands_at_its_mean_over_all_runs_with_the_studys_confidence_even_below_zero(tmp_path: Path) -> None:
    own = {("a", "sts", "standard"): [-0.3, -0.1, -0.2], ("b", "sts", "standard"): [0.4, 0.5, 0.6]}
    own |= {("a", "sick", "standard"): [-0.2, -0.2], ("b", "sick", "standard"): [0.4, 0.5]}
    summary, pairs, _, scores = study_of(tmp_path, own, confidence=0.5)
    shared = StudyScores(summary, pairs).shared
    assert shared is not None
    by_seed = dict(score_by_cost._means(shared, scores))
    below, above = (
        score_by_cost._point(model, 1.0, shared.mean(model), by_seed[model], 0.5) for model in shared.models
    )
    assert below.score == below.low == pytest.approx(-20.0)
    assert above.score == pytest.approx(47.5), "by the seeds that both tasks have, 45"
    assert above.high - above.score == pytest.approx(5.0), "t of one degree of freedom is 1 at 75%"
    assert "50% over 2 seeds" in above.about


def test_bars_of_ranks_are_not_joined_with_each_other(tmp_path: Path) -> None:
    draws = {"a": 0.9, "b": 0.9, "c": 0.5, "d": 0.5}
    own = {
        (model, f"t{task}", "s"): [mean + 0.001 * ((task + ord(model)) % 3)]
        for model, mean in draws.items()
        for task in range(9)
    }
    chart = ranks.chart(study_of(tmp_path, own, correction="none")[:3])
    (axis,) = ranks.draw(study_of(tmp_path, own, correction="none")[:3]).axes
    assert min(axis.get_xticks()) >= 1, "only ranks have numbers, and bars stand left of 1"
    assert axis.get_xlim()[1] < len(axis.get_yticks()) + 1
    (specification,) = chart.specifications()["panels"]
    (lines,) = [layer for layer in specification["layer"] if layer["mark"]["type"] == "line"]
    bars = {
        row[lines["encoding"]["detail"]["field"]] for row in specification["data"]["values"] if row["kind"] == "line"
    }
    assert len(bars) == len(chart.panels[0].series) - 1 == 2


def test_ranks_count_the_languages_of_one_setting_as_one_task(tmp_path: Path) -> None:
    own = {}
    for model, score in (("a", 0.9), ("b", 0.8)):
        own |= {(model, f"nli.own.{language}", "own"): [score] * 2 for language in ("de", "fr", "sw")}
        own |= {(model, "sts", "standard"): [1.2 - score] * 2}
    found = ranks._read(study_of(tmp_path, own)[:3])
    assert (found.tasks, found.ranks) == (2, {"a": 1.5, "b": 1.5})
    (group,) = ranks.chart(study_of(tmp_path, own)[:3]).panels[0].series[1:]
    assert group.marks[0].about == ["no significant difference, or no test, between these: a, b"]


@dataclass
class ManyTasks:
    """A study, as far as parts ask of it."""

    tasks: list[str]
    models: list[str]

    def runs(self, task: str) -> list[tuple[str, str]]:
        return [(model, task) for model in self.models]


def test_differences_on_many_tasks_stand_in_parts_that_a_page_has_room_for(tmp_path: Path) -> None:
    study: Any = ManyTasks([f"t{number}" for number in range(13)], [f"model-{number}" for number in range(20)])
    runs = [(model, task) for model in study.models[:3] for task in study.tasks]
    own = {(model, task, "s"): [0.1 + 0.01 * len(model), 0.1 + 0.01 * len(task)] for model, task in runs}
    sources = study_of(tmp_path, own)[:2]
    parts = differences.FIGURE.parts(study)
    assert [task for part in parts for task in part["tasks"]] == study.tasks
    assert list(differences.FIGURE.settings(study)) == ["differences", "differences-2", "differences-3"]
    for part in parts:
        drawn, chart = differences.draw(sources, **part), differences.chart(sources, **part)
        assert [axis.get_title() for axis in drawn.axes] == [panel.title for panel in chart.panels] == part["tasks"]
        assert -(-len(part["tasks"]) // 3) * (1.1 + 0.2 * 19) <= 10, "inches, with all 20 models"
    assert differences.FIGURE.parts(ManyTasks(["a", "b"], ["one", "other"])) == [{}]
    assert caption_of("differences-2")[0] == "Differences from the best model, part 2"


def test_every_figure_has_a_caption_on_the_page_and_in_snakemakes_report() -> None:
    assert all(figure.title and figure.caption for figure in [*FIGURES.values(), *TABLE_FIGURES.values()])
    caption = (Path(__file__).parents[3] / "workflow/report/figure.rst").read_text()
    assert set(re.findall(r'^  "([a-z-]+)":', caption, re.MULTILINE)) == set(FIGURES) | set(TABLE_FIGURES)


def test_languages_stand_from_most_to_fewest_words(results: Results) -> None:
    figure = language_distribution.draw(results.figure_sources("language-distribution"))
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["qaa", "qab"]
    assert axis.lines[0].get_ydata().tolist() == [120_000, 3_000]
    assert not axis.patches, "a logarithmic scale has no zero for bars to start from"


def test_shares_stand_before_and_after_sampling_as_in_the_table(results: Results) -> None:
    figure = language_shares.draw(results.figure_sources("language-shares"), {"wiki": {"alpha": 0.5}})
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["qaa", "qab"]
    natural, drawn = (line.get_ydata().tolist() for line in axis.lines)
    assert natural == pytest.approx([120 / 123, 3 / 123])
    assert drawn == pytest.approx([120**0.5 / (120**0.5 + 3**0.5), 3**0.5 / (120**0.5 + 3**0.5)])
    assert results.table("shares", SHARES, results.figure_sources("language-shares")) == 0
    table = pd.read_csv(results.path("tables", "shares.csv"))
    assert table["share_drawn"].tolist() == pytest.approx(drawn)


SHARES = {"kind": "corpora", "corpus": "wiki", "mixture": {"alpha": 0.5}}


def test_a_figure_without_the_facts_that_it_needs_is_one_clear_line(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["figure", "--name", "language-shares", "--sources", *map(str, results.figure_sources("language-shares"))]
    words += ["--svg", str(results.path("shares.svg")), "--png", str(results.path("shares.png"))]
    assert main(words) == 1
    line = (
        "smelt: --settings: missing a required argument: 'mixtures': expected the facts of the figure language-shares"
    )
    assert line in capsys.readouterr().err
    assert not results.path("shares.svg").exists()


def test_scores_stand_over_the_vocabulary_and_adopted_models_across(compared: Results) -> None:
    figure = score_by_vocabulary.draw(compared.figure_sources("score-by-vocabulary"))
    line = figure.axes[0].containers[0].lines[0]
    assert line.get_xdata().tolist() == [8000, 32000]
    assert line.get_ydata().tolist() == pytest.approx([50, 70])
    assert "adopted" in [drawn.get_label() for drawn in figure.axes[0].lines]


def test_shapes_of_every_family_are_named_by_their_numbers(compared: Results) -> None:
    sources = compared.figure_sources("score-by-vocabulary")
    distilbert = {"model_type": "distilbert", "vocab_size": 8000, "n_layers": 6, "dim": 768}
    compared.write(sources[1] / "config.json", distilbert)
    figure = score_by_vocabulary.draw(sources)
    shapes = [drawn.get_label() for drawn in figure.axes[0].containers]
    assert shapes == ["distilbert, 6 layers of 768", "albert, 2 layers of 32"]


def test_reduced_models_have_a_line_of_their_own(compared: Results) -> None:
    sources = compared.figure_sources("score-by-vocabulary")
    compared.write(sources[1] / "reduction.json", {})
    figure = score_by_vocabulary.draw(sources)
    shapes = [drawn.get_label() for drawn in figure.axes[0].containers]
    assert shapes == ["albert, 2 layers of 32, reduced", "albert, 2 layers of 32"]


@pytest.mark.parametrize(
    ("record", "content", "made"),
    [
        ("amplification.json", {}, ", amplified"),
        ("provenance.json", {"command": "distil"}, ", distilled"),
        ("provenance.json", {"command": "pretrain"}, ""),
    ],
)
def test_models_made_in_another_way_have_a_line_of_their_own(
    compared: Results, record: str, content: dict[str, str], made: str
) -> None:
    sources = compared.figure_sources("score-by-vocabulary")
    compared.write(sources[1] / record, content)
    shapes = [drawn.get_label() for drawn in score_by_vocabulary.draw(sources).axes[0].containers]
    assert shapes == list(dict.fromkeys([f"albert, 2 layers of 32{made}", "albert, 2 layers of 32"]))


def test_students_of_one_vocabulary_stand_beside_each_other_unjoined(compared: Results) -> None:
    sources = compared.figure_sources("score-by-vocabulary")
    for folder in sources[1:]:
        config = {"model_type": "distilbert", "vocab_size": 8000, "n_layers": 6, "dim": 768}
        compared.write(folder / "config.json", config)
        compared.write(folder / "provenance.json", {"command": "distil"})
    axis = score_by_vocabulary.draw(sources).axes[0]
    (container,) = axis.containers
    assert container.get_label() == "distilbert, 6 layers of 768, distilled"
    line = container.lines[0]
    assert line.get_linestyle() == "None"
    left, right = line.get_xdata()
    assert left < 8000 < right < 1.1 * left
    assert line.get_ydata().tolist() == pytest.approx([50, 70])
    assert axis.get_xticks().tolist() == [8000]
    (series,) = score_by_vocabulary.chart(sources).panels[0].series
    assert [mark.x for mark in series.marks] == pytest.approx([left, right])
    assert {mark.about[1] for mark in series.marks} == {"8,000 pieces"}
    assert not series.line


def test_the_legend_is_no_wider_than_the_figure(compared: Results) -> None:
    sources = compared.figure_sources("score-by-vocabulary")
    compared.write(sources[1] / "provenance.json", {"command": "distil"})
    figure = score_by_vocabulary.draw(sources)
    figure.savefig(compared.folder / "drawn.png")  # lays it out
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.get_figwidth() * figure.dpi


def test_a_model_tested_in_fewer_languages_stands_in_no_panel(compared: Results) -> None:
    sources = compared.figure_sources("score-by-vocabulary")
    summary = pd.read_csv(sources[0])
    summary["languages"] = ["en fr" if model == "small_8k" else "en fr sw" for model in summary["model"]]
    summary.to_csv(sources[0], index=False)
    figure = score_by_vocabulary.draw(sources)
    assert figure.axes[0].containers[0].lines[0].get_xdata().tolist() == [32000]


def test_missed_shares_stand_over_the_number_of_pieces(results: Results) -> None:
    figure = splitting_and_errors.draw(results.figure_sources("splitting-and-errors"))
    line = figure.axes[0].containers[0].lines[0]
    assert line.get_ydata().tolist() == pytest.approx([100 / 9, 200 / 9, 300 / 9])


def test_a_curve_without_validation_is_one_clear_line(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    path = results.write(
        results.path("logs", "small_8k.curve.csv"), "step,split,language,metric,value\n1,train,all,mlm_loss,1\n"
    )
    assert results.figure("learning-curves") == 1
    assert f"{path}: holds no validation" in capsys.readouterr().err
    assert not results.path("figures", "learning-curves.svg").exists()


def test_curves_show_what_was_measured_and_every_model_stands_in_the_legend(tmp_path: Path) -> None:
    head = "step,split,language,metric,value\n"
    curves = {"trained": "0,validation,all,mlm_loss,2\n", "student": "0,validation,all,kl_loss,3\n"}
    paths = [tmp_path / f"{name}.curve.csv" for name in curves]
    for path, rows in zip(paths, curves.values(), strict=True):
        path.write_text(head + rows)
    figure = FIGURES["learning-curves"].draw(paths)
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]
    assert titles == ["Masked language modelling: loss", "Divergence from the teacher: loss"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["trained", "student"]


@pytest.mark.parametrize("term", TERMS)
def test_every_loss_of_a_distillation_has_a_panel(tmp_path: Path, term: str) -> None:
    path = tmp_path / "student.curve.csv"
    path.write_text(
        f"step,split,language,metric,value\n0,validation,all,{term}_loss,2\n9,validation,all,{term}_loss,1\n"
    )
    (axis,) = FIGURES["learning-curves"].draw([path]).axes
    assert axis.get_title(loc="left") or axis.get_title()


def test_the_panels_of_scores_say_how_many_seeds_they_rest_on(compared: Results) -> None:
    figure = FIGURES["score-by-vocabulary"].draw(compared.figure_sources("score-by-vocabulary"))
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes] == ["ner (n = 3)", "intent (n = 3)"]
