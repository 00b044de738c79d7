"""How long a large study's pairs take to compare and its page to write, and how soon a browser can use the page.

Both are measured beside an earlier smelt. The study is made up: 20 models, 40 tasks and 10 seeds, with scores that a
generator draws. What the page is written from (statistics, tables, figures, records) is made once by the commands of
this checkout.
"""

import json
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.commands import own_environment, run_command
from bench.measure import Benchmark, Figures, SkippedBenchmark, Unequal

CHECKOUT = Path(__file__).parents[1]
BEFORE = "89e2e1b1"
"""The last commit whose page was plain HTML, without sorting and charts."""
BEFORE_CURVES = "1a2288f3"
"""The last commit that tested each pair of models by itself, with nothing in common."""
MODELS = [f"model-{number:02}" for number in range(1, 21)]
TASKS = [f"task-{number:02}" for number in range(1, 41)]
SEEDS = list(range(1, 11))
STATISTICS = ("summary", "pairs", "across")
MAKERS = ("pretrain", "distil", "adopt", "reduce")
SIGNIFICANCE = {"test": "welch", "alpha": 0.05, "correction": "holm", "confidence": 0.95, "resamples": 200, "seed": 1}


def writing(name: str) -> Benchmark | SkippedBenchmark:
    """Pages written in a second of a processor, by this checkout and by the one before pages were interactive."""
    folder = Path(tempfile.mkdtemp(prefix="page-"))
    earlier = _checkout_of(BEFORE, folder)
    if earlier is None:
        return _no_history(name, BEFORE)
    words = make_study(folder)
    found: dict[str, float] = {}

    def write(way: str, checkout: Path, flags: list[str], cache: str = "cache") -> float:
        command = [sys.executable, "-m", "smelt", "page", *flags, "--output", f"{way}.html"]
        spent = run_command(command, folder, _environment(folder, checkout) | {"XDG_CACHE_HOME": str(folder / cache)})
        page = folder / f"{way}.html"
        found[f"processor_seconds_{way}"] = spent.processor_seconds
        found[f"mib_{way}"] = max(found.get(f"mib_{way}", 0.0), spent.memory)
        found[f"megabytes_{way}"] = page.stat().st_size / 1e6
        found[f"seconds_{way}"] = spent.wall_seconds
        if way == "ours":
            found.update(in_browser(page))
        return 1 / spent.processor_seconds

    new = ["--costs", "costs.csv"]
    return Benchmark(
        name,
        "pages a second of a processor",
        f"smelt at {BEFORE}",
        ours=lambda: write("ours", CHECKOUT, [*words, *new]),
        peer=lambda: write("peer", earlier, words),
        runs=3,
        others={"uncached": lambda: write("uncached", CHECKOUT, [*words, *new], "scores.csv")},  # a file is no cache
        further=lambda _: found,
        close=lambda: shutil.rmtree(folder),
    )


def comparing(name: str) -> Benchmark | SkippedBenchmark:
    """Studies compared in a second of a processor, 7,600 pairs of models each, with the resamples of a study's default.

    Raises:
        Unequal: the two write other statistics; when it is run.
    """
    folder = Path(tempfile.mkdtemp(prefix="compare-"))
    earlier = _checkout_of(BEFORE_CURVES, folder)
    if earlier is None:
        return _no_history(name, BEFORE_CURVES)
    _write_scores(folder / "scores.csv")
    settings = json.dumps({key: value for key, value in SIGNIFICANCE.items() if key != "resamples"})
    found: dict[str, float] = {}

    def compare(way: str, checkout: Path) -> float:
        outputs = [word for part in STATISTICS for word in (f"--{part}", f"{way}/{part}.csv")]
        words = ["job", "compare", "--scores", "scores.csv", "--settings", settings, *outputs]
        spent = run_command([sys.executable, "-m", "smelt", *words], folder, _environment(folder, checkout))
        found[f"processor_seconds_{way}"], found[f"mib_{way}"] = spent.processor_seconds, spent.memory
        for part in STATISTICS if (folder / "ours").exists() and (folder / "peer").exists() else ():
            if (folder / f"ours/{part}.csv").read_bytes() != (folder / f"peer/{part}.csv").read_bytes():
                raise Unequal(f"{part}.csv differs")
        return 1 / spent.processor_seconds

    return Benchmark(
        name,
        "studies a second of a processor",
        f"smelt at {BEFORE_CURVES}",
        ours=lambda: compare("ours", CHECKOUT),
        peer=lambda: compare("peer", earlier),
        runs=2,
        rehearse=False,
        further=lambda _: found,
        close=lambda: shutil.rmtree(folder),
    )


def _checkout_of(commit: str, folder: Path) -> Path | None:
    """Return a folder with the workflow as a commit had it; None in a checkout without history."""
    archive = subprocess.run(["git", "archive", commit, "workflow"], cwd=CHECKOUT, capture_output=True, check=False)
    if archive.returncode:
        return None
    earlier = folder / "earlier"
    earlier.mkdir()
    subprocess.run(["tar", "-x"], input=archive.stdout, cwd=earlier, check=True)
    return earlier


def _no_history(name: str, commit: str) -> SkippedBenchmark:
    return SkippedBenchmark(name, f"this checkout has no history: commit {commit} is the peer")


def _environment(folder: Path, checkout: Path) -> dict[str, str]:
    """Return the environment of a checkout's commands; bytecode is kept, as it is where Python may write it."""
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    return own_environment() | bytecode | {"PYTHONPATH": str(checkout / "workflow")}


def in_browser(page: Path) -> Figures:
    """Return the seconds until the first table can be sorted, by the clock and of the processor (main thread), and the
    memory of scripts; nothing without a browser."""
    program = shutil.which("chromium")
    if program is None:
        return {}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1400, "height": 1000})
        session = opened.context.new_cdp_session(opened)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        opened.goto(page.resolve().as_uri())
        opened.wait_for_selector(".dt-column-order")
        ready = float(opened.evaluate("performance.now()"))
        spent = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        opened.locator("#table-all").scroll_into_view_if_needed()
        opened.wait_for_selector("#table-all .tools")
        heap = float(opened.evaluate("performance.memory.usedJSHeapSize"))
        browser.close()
    return {
        "seconds_to_interactive": ready / 1000,
        "processor_seconds_to_interactive": float(spent["TaskDuration"]),
        "megabytes_of_scripts": heap / 1e6,
    }


# ---- The study, as its stages write it


def make_study(folder: Path) -> list[str]:
    """Write a large study's results into a folder, and return the flags of the command that writes its page."""
    _write_scores(folder / "scores.csv")
    _write_costs(folder / "costs.csv")
    for number, model in enumerate(MODELS):
        _write_model(folder / "models" / model, 2**18 * (number + 1))
    for task in TASKS:
        _write_json(folder / "tasks" / task / "task.json", _task(task))
    settings = json.dumps(SIGNIFICANCE)
    statistics = [f"statistics/{name}.csv" for name in STATISTICS]
    flags = [word for path in statistics for word in (f"--{Path(path).stem}", path)]
    _smelt(folder, "job", "compare", "--scores", "scores.csv", "--settings", settings, *flags)
    _write_table(folder, settings)
    figures = _write_figures(folder, statistics)
    study = {
        "study": "large",
        "title": "A large study that a generator drew",
        "models": {model: {"maker": MAKERS[number % len(MAKERS)]} for number, model in enumerate(MODELS)},
        "tasks": TASKS,
        "finetuning": {"seeds": SEEDS},
    }
    words = ["--study", json.dumps(study), "--significance", settings, "--tables", "tables/all.html"]
    words += ["--figures", *figures, "--statistics", *statistics]
    words += ["--tasks", *(f"tasks/{task}/task.json" for task in TASKS)]
    return [*words, "--models", *(f"models/{model}" for model in MODELS)]


def _smelt(folder: Path, *words: str) -> None:
    run_command([sys.executable, "-m", "smelt", *words], folder, _environment(folder, CHECKOUT))


def _write_scores(path: Path) -> None:
    draw = random.Random(1)
    lines = ["model,task,language,setting,seed,split,metric,value"]
    for place, model in enumerate(MODELS):
        for task in TASKS:
            mean = min(0.95, 0.55 + 0.015 * place + draw.gauss(0, 0.02))
            for seed in SEEDS:
                for split in ("validation", "test"):
                    lines.append(f"{model},{task},en,standard,{seed},{split},accuracy,{draw.gauss(mean, 0.01):.6f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_costs(path: Path) -> None:
    head = "command,model,task,seed,hours,cores,gpus,kwh,kg_co2e,country,machine,revision,modified,finished"
    row = "pretrain,{model},,,1.5,8,0,{kwh},,,a machine,{revision},False,2026-01-01T00:00:00+00:00"
    rows = [row.format(model=model, kwh=0.5 * (place + 1), revision="0" * 40) for place, model in enumerate(MODELS)]
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")


def _write_model(folder: Path, parameters: int) -> None:
    shape = {"model_type": "bert", "vocab_size": 8000, "num_hidden_layers": 4, "hidden_size": 128}
    _write_json(folder / "config.json", shape)
    _write_json(folder / "provenance.json", {"command": "pretrain", "seeds": [1], "settings": {"steps": 1000}})
    tensors = {"bert.embeddings": {"dtype": "F32", "shape": [parameters], "data_offsets": [0, 0]}}
    header = json.dumps(tensors).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def _task(name: str) -> dict[str, Any]:
    sizes = {"train": 5000, "validation": 500, "test": 1000}
    splits = {split: {"examples": size, "languages": {"en": size}} for split, size in sizes.items()}
    repeats = {"repeated_from_train": {"validation": 0, "test": 0}, "repeated_from_validation": {"test": 0}}
    return {"name": name, "average": "examples", "splits": splits, **repeats}


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _write_table(folder: Path, settings: str) -> None:
    table = {"kind": "scores", "tasks": TASKS, "models": MODELS, "caption": "All scores", "titles": {}}
    words = ["job", "table", "--name", "all", "--settings", json.dumps(table), "--significance", settings]
    words += ["--sources", "statistics/summary.csv", "statistics/pairs.csv"]
    for kind, suffix in (("csv", "csv"), ("markdown", "md"), ("latex", "tex"), ("html", "html")):
        words += [f"--{kind}", f"tables/all.{suffix}"]
    _smelt(folder, *words)


def _write_figures(folder: Path, statistics: list[str]) -> list[str]:
    """Draw the figures that such a study has, and return their SVG files."""
    from smelt.report.figures import FIGURES

    summary, pairs, _ = statistics
    models = [f"models/{model}" for model in MODELS]
    sources = {
        "score-by-cost": [summary, pairs, "scores.csv", "costs.csv", *models],
        "differences": [summary, pairs],
        "ranks": statistics,
    }
    study: Any = SimpleNamespace(tasks=TASKS, runs=lambda task: [(model, task) for model in MODELS])
    parts = {name: (own, files) for key, files in sources.items() for name, own in FIGURES[key].settings(study).items()}
    for name, (settings, files) in parts.items():
        words = ["job", "figure", "--name", name, "--settings", json.dumps(settings), "--sources", *files]
        for kind, suffix in (("svg", "svg"), ("png", "png"), ("chart", "json")):
            words += [f"--{kind}", f"figures/{name}.{suffix}"]
        _smelt(folder, *words)
    return [f"figures/{name}.svg" for name in parts]
