"""The design's boundaries hold: stages hand over files, libraries know no stage, rules look alike."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow/smelt"
LIBRARIES = {"study", "tasks", "report", "training", "statistics", "architectures"}
STAGES = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} - LIBRARIES
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
ORDER = "input output params wildcard_constraints log benchmark threads resources conda shell".split()  # noqa: SIM905


def imports_of(path: Path) -> set[str]:
    """Return what a module imports: `smelt.<part>` for our own parts, the top-level name for other packages."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {".".join(name.split(".")[: 2 if name.startswith("smelt.") else 1]) for name in names}
    return found


def guilty_modules(folder: Path, forbidden: set[str]) -> dict[str, set[str]]:
    """Return the modules of a folder that import what they must not."""
    found = {str(path.relative_to(PACKAGE)): imports_of(path) & forbidden for path in folder.rglob("*.py")}
    return {path: names for path, names in found.items() if names}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_no_other_stage(stage: str) -> None:
    assert guilty_modules(PACKAGE / stage, {f"smelt.{other}" for other in STAGES - {stage}}) == {}


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_a_library_knows_neither_stages_nor_snakemake(library: str) -> None:
    assert guilty_modules(PACKAGE / library, {f"smelt.{stage}" for stage in STAGES} | {"snakemake"}) == {}


@pytest.mark.parametrize("library", ["tasks", "report"])
def test_what_the_study_is_made_of_does_not_know_it(library: str) -> None:
    assert guilty_modules(PACKAGE / library, {"smelt.study"}) == {}


def test_kinds_of_tasks_are_named_in_their_own_files_only() -> None:
    names = re.compile(r"[\"'](token|sequence)-classification[\"']")
    guilty = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if names.search(path.read_text())]
    assert {str(path.parent) for path in guilty} == {"tasks/kinds"}


def test_a_job_that_loads_a_study_loads_no_large_library() -> None:
    large = ["torch", "transformers", "numpy", "pandas", "scipy", "matplotlib", "pyarrow"]
    code = f"import sys, smelt.study.schema; print(*[name for name in {large} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_the_study_library_does_not_load_torch() -> None:
    paths = [*(PACKAGE / "study").rglob("*.py"), PACKAGE / "training/recipes.py", PACKAGE / "training/__init__.py"]
    assert [path.name for path in paths if imports_of(path) & {"torch", "transformers"}] == []


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_keep_one_order_of_directives(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""'), "a rule file opens with what comes in and what goes out"
    assert len(text.splitlines()) < 150
    for name, body in re.findall(r"^rule (\w+):\n((?:(?:    .*)?\n)+)", text, re.MULTILINE):
        directives = re.findall(r"^    (\w+):", body, re.MULTILINE)
        assert directives == sorted(directives, key=ORDER.index), f"{name}: {directives}"
        assert {"output", "log", "resources", "conda", "shell"} <= set(directives), f"{name}: {directives}"


def test_functions_and_modules_stay_short() -> None:
    long = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        long += [f"{path.name}: {len(text.splitlines())} lines"] if len(text.splitlines()) > 450 else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                long += [f"{path.name}: {node.name}: {lines} lines"] if lines > 60 else []
    assert long == []
