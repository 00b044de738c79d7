"""The design's boundaries hold: imports go one way, modules are worth opening, rules look alike."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from smelt.commands import module_of
from smelt.study.paths import METRICS, modules
from smelt.tasks.kinds import KINDS, METRICS_BY_KEY

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow/smelt"
LIBRARIES = {"study", "tasks", "report", "training", "statistics", "architectures"}
ABOVE = {"preflight", "slurm"}  # they look at all of a workflow
STAGES = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} - LIBRARIES - ABOVE
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
ORDER = "localrule input output params wildcard_constraints log benchmark threads resources conda priority shell"


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


def module_names() -> dict[str, Path]:
    """Return the path of each module of the package, by its dotted name; a package is its `__init__`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = module_names()
TREES = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}


def own_imports(tree: ast.Module) -> set[str]:
    """Return the package's modules that a module imports, within functions too; not those it needs for types only."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    for_types = {id(node) for block in blocks for statement in block.body for node in ast.walk(statement)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else str(node.module) for name in names}
    return found & MODULES.keys()


IMPORTS = {module: own_imports(tree) for module, tree in TREES.items()}


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes of a directed graph that lie on circles, or between two of them."""
    left = {node: set(targets) - {node} for node, targets in graph.items()}
    while True:
        reached = set().union(*left.values())
        loose = {node for node, targets in left.items() if not targets & left.keys() or node not in reached}
        if not loose:
            return sorted(left)
        left = {node: targets - loose for node, targets in left.items() if node not in loose}


def test_circles_are_found() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == ["b", "c"]
    assert circle_in({"a": {"b", "a"}, "b": set()}) == []


def test_modules_import_in_no_circle() -> None:
    assert circle_in(IMPORTS) == []


@pytest.mark.parametrize("package", [module for module, path in MODULES.items() if path.name == "__init__.py"])
def test_what_lies_in_a_package_imports_in_no_circle(package: str) -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    inside = {
        module: module.removeprefix(f"{package}.").split(".")[0]
        for module in MODULES
        if module.startswith(f"{package}.")
    }
    for module, part in inside.items():
        graph[part] |= {inside[other] for other in IMPORTS[module] & inside.keys()}
    assert circle_in(graph) == []


LAYERS = (
    "allocator architectures card cli companions complaints countries data_files disk energy entry environment"
    " errors families files hub hub_errors languages licences mixture model_families model_folder numbers paragraphs"
    " parquet pretrained processes provenance scripts sentences statistics strict_yaml",
    "report tasks training",
    "study",
    " ".join(sorted(STAGES)),
    "__main__ commands compare_studies logs manual new open_page plan preflight run screen slurm watch",
)
"""Parts of the package, the lowest layer first: a part imports from its own layer and from lower ones."""


def test_imports_go_down_the_layers() -> None:
    height = {f"smelt.{name}": number for number, names in enumerate(LAYERS) for name in names.split()}
    part = {module: ".".join(module.split(".")[:2]) for module in MODULES}
    assert {name for name in part.values() if name != "smelt"} == height.keys(), "each part has its layer"
    climbs = {
        (module, other)
        for module, others in IMPORTS.items()
        for other in others - {"smelt"}
        if height.get(part[module], 0) < height[part[other]]
    }
    assert climbs == set()


SMALL = 40  # lines
WORTH_A_FILE = {"smelt.finetuning.compression.copy_student": "a command of its own, which the command line imports"}
"""Small modules that one other imports, with the reason why they are not part of it."""
ONE_FILE_A_THING = ("tasks.formats", "tasks.kinds", "report.tables", "report.figures", "study.makers")
"""Rooms in which each thing has its own file, however short."""


def test_modules_are_worth_opening() -> None:
    importers = {module: [other for other in IMPORTS if module in IMPORTS[other]] for module in MODULES}
    small = {
        module
        for module, path in MODULES.items()
        if path.name not in ("__init__.py", "__main__.py")
        and module.removeprefix("smelt.").rpartition(".")[0] not in ONE_FILE_A_THING
        and len(path.read_text().splitlines()) < SMALL
        and len(importers[module]) < 2
    }
    assert small == WORTH_A_FILE.keys(), "merge a module with the one that imports it; a reason that is gone goes, too"


def named_types(tree: ast.Module) -> dict[str, str | None]:
    """Return the types that a module defines by name: None for a class, for any other (`Ids = NDArray`) its meaning."""
    found: dict[str, str | None] = {node.name: None for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found |= {name: ast.unparse(node.value) for name in names if re.fullmatch("[A-Z]+[a-z][A-Za-z0-9]*", name)}
    return found


def test_named_types_are_found() -> None:
    code = "class Job: ...\nIds = NDArray[int64]\nWords: TypeAlias = list[str]\nLIMIT, _Own, S = 1, 2, 3"
    assert named_types(ast.parse(code)) == {"Job": None, "Ids": "NDArray[int64]", "Words": "list[str]"}


def test_types_have_names_of_their_own() -> None:
    places: dict[str, dict[str, str | None]] = defaultdict(dict)
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "bench").glob("*.py")]:
        for name, meaning in named_types(ast.parse(path.read_text())).items():
            places[name][str(path.relative_to(ROOT))] = meaning
    twice = {
        name: found
        for name, found in places.items()
        if len(found) > 1 and (None in found.values() or len(set(found.values())) > 1)
    }
    assert twice == {}, "one name for one thing; the same type may have its name in several modules"


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


NAME_MAKERS = {
    ("smelt.finetuning.compression.compress", "compress"): "the command writes its own name into provenance.json",
    ("smelt.report.figures.score_by_vocabulary", "distil"): "it reads the command's name in provenance.json",
    ("smelt.training.recipes", "distil"): "a recipe, which has the name of its maker",
}
"""The modules that name a maker outside its own rooms, with the reason."""


def test_makers_are_named_in_their_own_rooms_only() -> None:
    makers = {path.stem for path in (PACKAGE / "study/makers").glob("*.py")} & {path.stem for path in RULES}
    assert len(makers) > 1
    named = {
        (module, node.value)
        for module, tree in TREES.items()
        if not module.startswith(("smelt.study.makers", "smelt.models", "smelt.commands"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in makers
    }
    assert named == NAME_MAKERS.keys(), "ask a maker's trait; a reason that is gone goes, too"


@pytest.mark.parametrize("module", ["smelt.study.schema", "smelt.report.page.write"])
def test_a_job_that_loads_a_study_or_writes_a_page_loads_no_large_library(module: str) -> None:
    large = ["torch", "transformers", "numpy", "pandas", "scipy", "matplotlib", "pyarrow"]
    code = f"import sys, {module}; print(*[name for name in {large} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_the_study_library_does_not_load_torch() -> None:
    paths = [*(PACKAGE / "study").rglob("*.py"), PACKAGE / "training/recipes.py", PACKAGE / "training/__init__.py"]
    assert [path.name for path in paths if imports_of(path) & {"torch", "transformers"}] == []


def test_what_is_computed_from_predictions_is_computed_again_when_a_metric_changes() -> None:
    parts = [*KINDS.values(), *METRICS_BY_KEY.values()]
    names = {each.__module__ for part in parts for each in type(part).__mro__ if each.__module__ in MODULES}
    files = {Path(file).resolve() for file in modules(*METRICS)}
    assert {name for name in names if MODULES[name].resolve() not in files} == set()


COMPUTING = ("smelt.statistics", "smelt.measurement", "smelt.report")
"""What makes numbers, tables and figures of scores and predictions."""


def reached_from(module: str) -> set[str]:
    """Return the modules that one needs, but for those that it knows through the study alone, as types of its keys."""
    found: set[str] = set()
    left = [module]
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += IMPORTS[name] if not name.startswith("smelt.study") else ()
    return found


def rules_with_modules() -> dict[str, tuple[set[Path], str]]:
    """Return the modules that rules have as inputs, and the module of their command, by the rule's name."""
    found = {}
    for path in RULES:
        for name, text in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
            listed, command = (
                re.search(r"modules=modules\((.*?)\)", text, re.DOTALL),
                re.search(r"smelt (job \w+)", text),
            )
            if listed and command:
                metrics = METRICS if "*METRICS" in listed[1] else ()
                files = modules(*re.findall(r'"(.*?)"', listed[1]), *metrics)
                found[name] = ({Path(file).resolve() for file in files}, module_of(command[1].split()))
    return found


# Without the plan, whose table is for the terminal alone.
@pytest.mark.parametrize("rule", sorted(rules_with_modules().keys() - {"plan"}))
def test_a_cheap_stage_runs_again_when_what_it_computes_with_changes(rule: str) -> None:
    files, module = rules_with_modules()[rule]
    rooms = (*COMPUTING, *(f"smelt.{part.removesuffix('.py').replace('/', '.')}" for part in METRICS))
    needed = {name for name in reached_from(module) if name.startswith(rooms)}
    assert {name for name in needed if MODULES[name].resolve() not in files} == set()


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_keep_one_order_of_directives(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""'), "a rule file opens with what comes in and what goes out"
    assert len(text.splitlines()) < 150
    for name, body in re.findall(r"^rule (\w+):\n((?:(?:    .*)?\n)+)", text, re.MULTILINE):
        directives = re.findall(r"^    (\w+):", body, re.MULTILINE)
        assert directives == sorted(directives, key=ORDER.split().index), f"{name}: {directives}"
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
