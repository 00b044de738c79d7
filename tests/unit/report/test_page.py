"""The page: everything in one file that fetches nothing."""

import argparse
import ast
import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from small_results import SIGNIFICANCE, STUDY, Results

from smelt.__main__ import main
from smelt.report import overview
from smelt.report.figures import FIGURES
from smelt.report.page import write
from smelt.report.page.files import StudyFiles
from smelt.study.makers import MAKERS

RULES = Path(__file__).parents[3] / "workflow/rules"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Tags and attributes of a page; fails where tags do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, key: str) -> list[str]:
        return [str(attributes[key]) for _, attributes in self.tags if key in attributes]


@pytest.fixture(scope="module")
def page(reported: Results) -> str:
    return reported.page()


def test_what_grids_chose_stands_on_the_page(reported: Results, page: str) -> None:
    assert "Settings of fine-tuning" not in page
    tried = {"learning_rate": 1e-3, "epochs": 2, "best_epoch": 2, "validation": {"f1": 0.5}}
    grid = [tried | {"batch": batch, "chosen": batch == 32} for batch in (16, 32)]
    run = {"model": "small_8k", "task": "ner", "seed": 1, "metric": "seqeval-f1", "settings": {}, "grid": grid}
    choices = [reported.write(reported.path("choices", "metrics.json"), run)]
    written = reported.page(choices)
    assert "Settings of fine-tuning, chosen on validation" in written
    assert re.search(r"small_8k</th><td>1</td><td>2</td><td>32</td><td>1e-3</td>", written)


def test_the_page_fetches_nothing(page: str) -> None:
    parsed = Page(page)
    assert all(address.startswith("data:") for address in parsed.values("src"))
    assert not any(re.match(r"\w+:|/", address) for address in parsed.values("href"))
    assert not {tag for tag, _ in parsed.tags} & {"link", "iframe", "object"}
    assert not re.search(r"url\(|@import", re.search("<style>(.*)</style>", page, re.DOTALL)[1])


def test_ids_are_unique_and_links_lead_to_them(page: str) -> None:
    parsed = Page(page)
    ids = parsed.values("id")
    assert len(set(ids)) == len(ids)
    assert {address[1:] for address in parsed.values("href") if address.startswith("#")} <= set(ids)


def test_links_lead_to_what_the_study_made(page: str, reported: Results) -> None:
    addresses = [address for address in Page(page).values("href") if not address.startswith("#")]
    assert [address for address in addresses if not reported.path(unquote(address)).exists()] == []
    table = {f"tables/table_1.{suffix}" for suffix in ("csv", "tex", "md")} | {"logs/tables/table_1.log"}
    figure = {f"figures/ranks.{suffix}" for suffix in ("svg", "png")}
    compared = {"statistics/pairs.csv", "statistics/across.csv", "logs/compare.log", "costs.csv"}
    named = {"models/small_8k/", "logs/models/small_8k.log", "models/adopted/", "tasks/ner/", "logs/tasks/ner.log"}
    named |= {
        "corpora/wiki/qaa/",
        "logs/corpora/wiki/qaa.log",
        "tokenizers/unigram-8k/",
        "tokenisation/small_8k/ner.json",
    }
    assert table | figure | compared | named <= set(addresses)
    assert '<th scope="row"><a href="models/adopted/">adopted</a></th>' in page, "it has neither card nor log here"


def test_each_table_and_figure_names_the_rules_that_made_it(page: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", page.partition("<footer>")[0], re.DOTALL)
    named = [re.findall(r"rule <code>(\w+)</code>", figure) for figure in figures]
    assert all(named)
    assert {rule for of_figure in named for rule in of_figure} <= rules_of_workflow()
    lines = dict(zip(re.findall(r'<figure class="\w+" id="([\w-]+)"', page), named, strict=True))
    assert lines["table-table_1"] == ["table"]
    assert lines["table-models"] == ["pretrain", "adopt"]
    assert lines["table-pairs-ner"] == ["compare"]


def rules_of_workflow() -> set[str]:
    """Return the names of rules; those that a loop defines have one name in common, by which their settings are set."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in RULES.glob("*.smk"))
    shared = re.findall(r"share_settings\(\s*workflow\.resource_settings, \"(\w+)\"", text)
    return {*re.findall(r"^rule (\w+):", text, re.MULTILINE), *shared}


def table_names() -> list[str]:
    """Return the names of the tables that only the page shows; what a name takes from the study becomes x."""
    names = []
    for path in (*Path(write.__file__).parent.glob("*.py"), Path(overview.__file__)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("PaperTable", "choices_table", "TableJob"):
                names.append(re.sub(r"\{.*?\}", "x", ast.unparse(node.args[0]).removeprefix("f").strip("'")))
    return names


def test_what_made_each_table_of_the_page_is_known(tmp_path: Path) -> None:
    models = [tmp_path / name for name in MAKERS]
    for folder in models:
        folder.mkdir()
        (folder / "reduction.json").touch()
    study = {"study": "all-makers", "models": {name: {"maker": name} for name in MAKERS}}
    words = ["--study", json.dumps(study), "--significance", json.dumps(SIGNIFICANCE), "--output", "report.html"]
    words += ["--statistics", "summary.csv", "pairs.csv", "across.csv", "--plan", "plan.json", "--costs", "costs.csv"]
    parser = argparse.ArgumentParser()
    write.add_arguments(parser)
    files = StudyFiles(parser.parse_args([*words, "--models", *map(str, models)]))
    names = table_names()
    assert {"overview", "pairs-x", "cleaning-x-x", "choices", "efficiency-of-all-models"} <= set(names)
    named = {name: set(re.findall(r"rule <code>(\w+)</code>", files.origin(name))) for name in names}
    assert all(named.values())
    assert set().union(*named.values()) <= rules_of_workflow()
    with pytest.raises(KeyError):
        files.origin("unknown")


def test_further_parts_of_a_figure_open_by_a_click(compared: Results) -> None:
    assert compared.figure("differences") == 0
    for form in ("svg", "json"):
        first = compared.path("figures", f"differences.{form}")
        compared.write(first.with_name(f"differences-2.{form}"), first.read_text(encoding="utf-8"))
    words = ["page", "--study", json.dumps(STUDY), "--significance", json.dumps(SIGNIFICANCE), "--figures"]
    words += [str(compared.path("figures", f"{name}.svg")) for name in ("differences", "differences-2")]
    assert main([*words, "--output", str(compared.path("report.html"))]) == 0
    folded = re.findall(r"<details>\n<summary>(.*?)</summary>", compared.read("report.html").partition("<footer>")[0])
    assert "Differences from the best model, part 2" in folded
    assert "Differences from the best model" not in folded


def test_addresses_are_quoted_and_relative_to_the_page(tmp_path: Path) -> None:
    page, logs = tmp_path / "results/a/report.html", tmp_path / "logs/a"
    (logs / "tables").mkdir(parents=True)
    (logs / "tables/50% & #1?.log").touch()
    files = StudyFiles(argparse.Namespace(output=page, logs=logs, statistics=[], study={"models": {}}))
    assert files.log("tables/50% & #1?")[0].address == "../../logs/a/tables/50%25%20%26%20%231%3F.log"
    assert files.log("tables/missing") == []


def test_the_page_holds_every_table_comparison_and_figure(page: str, reported: Results) -> None:
    for name in ("table_1", "table_3", "table_4"):
        fragment = reported.read("tables", f"{name}.html").rstrip().removesuffix("</figure>")
        assert fragment + f'<script type="text/plain" class="latex">{reported.read("tables", f"{name}.tex")}' in page
    assert "Pairs of models on ner" in page
    assert "Pairs of models across tasks" in page
    for name in FIGURES:
        assert base64.b64encode(reported.path("figures", f"{name}.svg").read_bytes()).decode() in page


def test_a_pair_that_was_not_tested_points_to_the_reason(page: str) -> None:
    table = page[page.index('id="table-pairs-intent"') :].split("</figure>")[0]
    row = re.search(r'<th scope="row">small_8k &#8211; adopted</th>.*?not tested<sup>(\d)</sup>', table)
    assert row is not None
    assert f"<p>{row[1]}: cannot be tested: no run of adopted on intent" in table


def test_pictures_have_words_and_tables_have_heads(page: str) -> None:
    parsed = Page(page)
    assert all(attributes.get("alt") for tag, attributes in parsed.tags if tag == "img")
    assert all(attributes.get("scope") for tag, attributes in parsed.tags if tag == "th")
    page = page.partition("<footer>")[0]  # before the scripts
    assert page.count("<table") == page.count('<div class="scroll" role="region"')


def test_texts_of_the_study_are_escaped(page: str) -> None:
    assert "A small study &lt;of three&gt; models" in page
    assert "<of three>" not in page


def test_parameters_and_validation_stand_in_the_table_of_models(page: str) -> None:
    row = re.search(
        r'<th scope="row"><a href="models/large_32k/">large_32k</a></th>(.*?)</tr>',
        page[page.index('id="table-models"') :],
    )
    assert row is not None
    cells = re.findall(r"<td>(.*?)</td>", row[1])
    assert cells[:5] == ["pretrain", "32,000", "2 &#215; 32", f"{32000 * 16 + 32:,}", "30"]
    assert cells[5] == "3.000"
    assert cells[8] == "80.0%"


def test_what_became_of_pages_and_their_markup_stands_in_tables(page: str) -> None:
    pages, markup = (page[page.index(f'id="table-{name}"') :].split("</figure>")[0] for name in ("pages", "markup"))
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', pages)
    assert "Left out" in heads  # two pages of each wiki; of copies there are none
    assert "Copies" not in heads
    row = re.search(r"<tr>(?:(?!</tr>).)*qaa</th>(.*?)</tr>", markup, re.DOTALL)
    assert row is not None
    cells = re.findall(r"<td>(.*?)</td>", row[1])
    assert (cells[0], cells[2], cells[3]) == ("9", "0", "0")
    assert int(cells[1].replace(",", "")) > 0
    assert "List items" in markup


def test_examples_that_stand_in_two_splits_stand_in_the_table_of_tasks(page: str) -> None:
    table = page[page.index('id="table-tasks"') :].split("</figure>")[0]
    rows = {
        head: re.findall(r"<td>(.*?)</td>", cells)
        for head, cells in re.findall(r'"row"><a.*?>(.*?)</a>.*?</th>(.*?)</tr>', table)
    }
    shares = [re.sub("<.*?>", "", cell) for cell in rows["ner"]]
    assert shares == ["1", "5,000", "200", "1,000", "3 (1.5%)", "460 (46.0%)", "12 (1.2%)"]
    assert rows["intent"][-1] == "0"


def test_the_page_holds_json_that_browsers_read(compared: Results) -> None:
    folder = compared.path("models", "adopted")
    compared.write(folder / "provenance.json", '{"seed": 1, "loss": NaN}')
    words = ["page", "--study", json.dumps(STUDY), "--significance", json.dumps(SIGNIFICANCE)]
    assert main([*words, "--models", str(folder), "--output", str(compared.path("report.html"))]) == 0
    page = compared.read("report.html").partition("<footer>")[0]  # before the scripts
    assert "NaN" not in page
    assert "&#34;loss&#34;: null" in page


def test_a_file_that_is_no_safetensors_is_named(compared: Results, capsys: pytest.CaptureFixture[str]) -> None:
    path = compared.path("models", "adopted", "model.safetensors")
    path.write_bytes(b"no")
    words = ["page", "--study", json.dumps(STUDY), "--significance", json.dumps(SIGNIFICANCE)]
    words += ["--models", str(path.parent), "--output", str(compared.path("report.html"))]
    assert main(words) == 1
    assert f"{path}: is not a safetensors file" in capsys.readouterr().err
    assert not compared.path("report.html").exists()


@pytest.mark.parametrize(("flag", "file"), [("tables", "t.html"), ("figures", "learning-curves.svg")])
def test_a_table_or_figure_cut_short_is_named(
    compared: Results, capsys: pytest.CaptureFixture[str], flag: str, file: str
) -> None:
    path = compared.write(compared.path(file), "<figure><svg>")
    words = ["page", "--study", json.dumps(STUDY), "--significance", json.dumps(SIGNIFICANCE)]
    assert main([*words, f"--{flag}", str(path), "--output", str(compared.path("report.html"))]) == 1
    assert f"smelt: {path}: is no whole " in capsys.readouterr().err
    assert not compared.path("report.html").exists()
