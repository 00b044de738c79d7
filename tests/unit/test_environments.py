"""The environments of rules, and the containers, hold what jobs import, in the versions of the constraints."""

import ast
import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from smelt.commands import module_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow/smelt"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
CONSTRAINTS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
VERSIONS = {canonicalize_name(name): version for name, version in CONSTRAINTS.items()}
PROVIDED = importlib.metadata.packages_distributions()
OPTIONAL = {"deepspeed", "datatrove", "snakemake"}
"""What jobs import only where it is there (`several` and `shards` of pyproject.toml), and what starts them."""

PARTS = {
    "pydantic_core": "pydantic",
    "markupsafe": "jinja2",
    "onnx_ir": "onnxscript",
    "pynvml": "codecarbon",
    "snakemake_interface_logger_plugins": "snakemake",
    "snakemake_interface_executor_plugins": "snakemake",
    "snakemake_interface_common": "snakemake",
}
"""Libraries that come with another one, in the version that it wants."""


def pinned(environment: Path) -> dict[str, str]:
    (pip,) = (part["pip"] for part in yaml.safe_load(environment.read_text())["dependencies"] if isinstance(part, dict))
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in pip)}


@cache
def needed(distribution: str) -> frozenset[str]:
    """Return a distribution and all that it needs here, without extras."""
    found, ahead = set[str](), [distribution]
    while ahead:
        name = canonicalize_name(ahead.pop())
        if name in found:
            continue
        found.add(name)
        try:
            requirements = map(Requirement, importlib.metadata.requires(name) or [])
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system: CUDA's libraries
        ahead += [one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    return frozenset(found)


@cache
def imported(module: str, late: bool) -> tuple[frozenset[str], frozenset[str]]:
    """Return the modules of smelt and the other libraries that a module imports; in its functions where `late`."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    own, others = set(), set()
    for node in _at_work(ast.parse(file.read_text()), late):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == "smelt":
                own |= {name} if _is_module(name) else set()
            else:
                others.add(name.split(".")[0])
    return frozenset(own), frozenset(others - sys.stdlib_module_names)


def _at_work(tree: ast.AST, late: bool) -> list[ast.AST]:
    """Return the nodes of a module, but for those that only checkers of types read, and of functions unless `late`."""
    found, ahead = [], [tree]
    while ahead:
        node = ahead.pop()
        found.append(node)
        if isinstance(node, ast.FunctionDef) and not late:
            continue
        checked = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ahead += node.orelse if checked else ast.iter_child_nodes(node)  # type: ignore[attr-defined]
    return found


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def libraries(command: str) -> set[str]:
    """Return the libraries that a command may import, by the modules that it reaches.

    Of other modules than its own it reaches what they import at once: what their functions import may be for others.
    """
    first = module_of(["job", command])
    found, seen, ahead = set[str](), set[str](), [first]
    while ahead:
        module = ahead.pop()
        if module not in seen:
            seen.add(module)
            own, others = imported(module, late=module == first)
            found |= others
            ahead += own
    return found


def rules_of(environment: Path) -> list[str]:
    """Return the commands of the rules that run in an environment."""
    text = "\n".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    found = re.findall(r'conda:\s+"\.\./\.\./envs/(\w+)\.yaml".*?python -m smelt job ([\w-]+)', text, re.DOTALL)
    return sorted({command for name, command in found if name == environment.stem})


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_have_the_versions_of_the_constraints(environment: Path) -> None:
    versions = pinned(environment)
    assert versions == {name: VERSIONS.get(name) for name in versions}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_hold_what_their_commands_import(environment: Path) -> None:
    held = set().union(*(needed(name) for name in pinned(environment)))
    lacking = {
        f"{command}: {library}"
        for command in rules_of(environment)
        for library in libraries(command) - OPTIONAL
        if not held & {canonicalize_name(name) for name in PROVIDED.get(library, [library])}
    }
    assert not lacking
    assert rules_of(environment)


def test_what_smelt_imports_is_declared_in_the_versions_of_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    wanted = {canonicalize_name(one.name): str(one.specifier) for one in map(Requirement, lines)}
    wanted.pop("smelt")  # with extras
    assert wanted == {name: f"=={VERSIONS.get(name)}" for name in wanted}
    modules = [file.relative_to(PACKAGE.parent).with_suffix("").parts for file in PACKAGE.rglob("*.py")]
    found = {library for module in modules for library in imported(".".join(module), late=True)[1]}
    declared = {name for name in found if wanted.keys() & set(map(canonicalize_name, PROVIDED.get(name, [name])))}
    assert found - declared == PARTS.keys()
    lost = {part for part, whole in PARTS.items() if not needed(whole) & set(map(canonicalize_name, PROVIDED[part]))}
    assert not lost


def test_both_containers_are_made_by_the_same_commands_and_the_constraints() -> None:
    docker, apptainer = ((ROOT / "containers" / name).read_text() for name in ("Dockerfile", "smelt.def"))
    commands_of_docker = [
        command.strip(" \\")
        for block in re.findall(r"^RUN (.*(?:\n    .*)*)", docker, re.MULTILINE)
        for command in block.split("\n    && ")
    ]
    commands_of_apptainer = section(apptainer, "post")
    assert commands_of_docker == commands_of_apptainer
    assert sum("--constraint /smelt/constraints.txt" in command for command in commands_of_docker) == 1
    assert re.findall(r"^FROM (.*)", docker, re.MULTILINE) == re.findall(r"^From: (.*)", apptainer, re.MULTILINE)


def test_both_containers_hold_the_same_files() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()  # any builder of images reads it at this place
    copied = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert ignored[0] == "*"
    assert all((ROOT / name).exists() for name in copied)
    # Apptainer copies one thing a line, to the place that follows it.
    lines = section((ROOT / "containers/smelt.def").read_text(), "files")
    assert sorted(lines) == sorted(f"{name} /smelt/{name}" for name in copied)


def section(definition: str, name: str) -> list[str]:
    """Return the lines of a section of Apptainer's definition file."""
    (lines,) = re.findall(rf"^%{name}\n((?:    .*\n)+)", definition, re.MULTILINE)
    return [line.strip() for line in lines.splitlines()]
