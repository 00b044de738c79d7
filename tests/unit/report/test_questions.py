"""The page alone answers the questions that docs/page.md lists, where it says."""

import html
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from small_results import MODELS, SIGNIFICANCE, TASKS, make
from test_efficiency_table import record

from smelt.__main__ import main
from smelt.report.costs import JobCost
from smelt.report.page.what_was_run import cost_table, run_facts

DOCUMENT = Path(__file__).parents[3] / "docs/page.md"
SECTIONS = {"Answer": "answer", "Comparisons": "comparisons", "What was run": "reproduce"}
ANSWERS = {
    "Is a smaller model as good, and what if not?": r"The closest is small_8k: 10\.1 points lower.*\(interval over",
    "I have room for 50 MB: which model?": r"side by side .* Size \(MB\).* small_8k \S+ lower \S+ 28\.6 ",
    "Was this corrected for the number of comparisons?": r"Holm's correction over all pairs of the study's models",
    "How many seeds, and what is paired?": r"Paired t-test over seeds.*3 runs of a model, paired by seed",
    "How many seeds would have shown this difference?": r"Seeds needed: those of each model",
    "Does it hold on other test examples?": r"paired bootstrap of the 40 test examples",
    "Why is there no star, or no test?": r"\d: cannot be tested: no run of adopted on intent",
    "Were test examples in the training data?": r"Test examples that stand in training, too ner 460 1,000 46\.0%",
    "What did it cost?": r"Together 18 .* h .* kWh",
    "Can I run it again?": r"0123456789ab.*smelt run study\.yaml.*# a comment of the author",
}
"""Each question of the document, and what its answer looks like."""


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each section of a page, without markup."""
    results = make(tmp_path_factory.mktemp("questions") / "results")
    significance = SIGNIFICANCE | {"test": "paired-t"}
    run = results.metrics("small_8k", "ner", 1)
    run.write_text(run.read_text().replace('"value": 0.5}', '"value": 0.505}'))  # else each seed has one difference
    assert (results.scores(), results.costs()) == (0, 0)
    names = ("summary", "pairs", "across")
    statistics = {name: results.path("statistics", f"{name}.csv") for name in names}
    words = ["job", "compare", "--scores", str(results.path("scores.csv")), "--settings", json.dumps(significance)]
    assert main(words + [word for name, path in statistics.items() for word in (f"--{name}", str(path))]) == 0
    examples = results.write(
        results.path("statistics", "examples", "intent.csv"),
        "task,metric,model_a,model_b,examples,contexts,runs_a,runs_b,difference,low,high,level,p,p_corrected,correction,"
        "family,alpha,significant,resamples,note\n"
        "intent,accuracy,large_32k,small_8k,40,,3,3,0.01,-0.04,0.06,0.05,0.7,0.7,holm,1,0.05,False,9999,\n",
    )
    written = results.write(results.path("study.yaml"), "# a comment of the author\nstudy: small\n")
    study = {"study": "small", "models": {model: {"maker": "pretrain"} for model in MODELS}, "tasks": TASKS}
    words = ["page", "--study", json.dumps(study), "--significance", json.dumps(significance)]
    words += ["--written", str(written), "--costs", str(results.path("costs.csv")), "--examples", str(examples)]
    words += ["--statistics", *map(str, statistics.values()), "--tasks", *(str(results.task(task)) for task in TASKS)]
    words += ["--models", *(str(results.path("models", model)) for model in MODELS)]
    sizes = {model: 0.04 if model == "small_8k" else 0.13 for model in MODELS}  # of 714 MB
    records = [record(model, size, 1, reference=next(iter(MODELS))) for model, size in sizes.items()]
    places = [results.write(results.path("efficiency", f"{each['model']}.json"), each) for each in records]
    words += ["--efficiency", *map(str, places)]
    assert main([*words, "--output", str(results.path("report.html"))]) == 0
    page = re.sub(r"<(script|style|template)\b.*?</\1>", "", results.read("report.html"), flags=re.DOTALL)
    parts = re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL)
    return {name: " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split()) for name, part in parts}


def questions() -> dict[str, list[str]]:
    """Return the sections that the document names for each question."""
    table = DOCUMENT.read_text(encoding="utf-8").split("## Questions that the page answers")[1]
    rows = re.findall(r"^\| (.+?\?) \| (.+?) \|$", table, re.MULTILINE)
    return {question: [id for name, id in SECTIONS.items() if f"*{name}*" in where] for question, where in rows}


def test_every_question_of_the_document_has_an_answer_that_is_looked_for() -> None:
    assert questions().keys() == ANSWERS.keys()


@pytest.mark.parametrize("question", ANSWERS)
def test_the_page_answers_where_the_document_says(question: str, sections: dict[str, str]) -> None:
    places = questions()[question]
    assert places
    for place in places:
        assert re.search(ANSWERS[question], sections[place]), sections[place]


def test_costs_of_stages_add_up_and_say_what_is_not_known() -> None:
    job = JobCost("finetune", "a", "t", "1", 0.5, 8, 2, 0.1, 0.02, "FRA", "machine", "0123456789abcdef", False, "2026")
    silent = replace(job, command="reduce", model="b", task="", kwh=math.nan, kg_co2e=math.nan, gpus=0, modified=True)
    table = cost_table([job, replace(job, seed="2"), silent])
    assert table is not None
    rows = [[row.head, *(cell.text for cell in row.cells)] for row in table.grids[0].rows]
    assert table.grids[0].columns == ["Jobs", "Time", "GPU time", "Energy used", "Emissions"]
    assert rows[:3] == [
        ["finetune", "2", "1.00 h", "2.00 h", "200 Wh", "40.0 g CO₂e"],
        ["reduce", "1", "30.0 min", "0", "–", "–"],
        ["Together", "3", "1.50 h", "2.00 h", "≥ 200 Wh", "≥ 40.0 g CO₂e"],
    ]
    facts = dict(run_facts([job, silent], []))
    assert facts["Commit of smelt"] == "0123456789ab, 0123456789ab with uncommitted changes"
    assert facts["Energy"] == "100 Wh, without 1 job that recorded none"
    assert facts["Emissions"] == "20.0 g CO₂e (FRA)"
