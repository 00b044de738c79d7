"""The Snakefile gets the study that the user meant."""

import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import yaml
from snakemake.iocontainers import Namedlist
from snakemake.persistence import PersistenceBase
from snakemake.resources import Resources
from snakemake.settings.types import DeploymentMethod, DeploymentSettings, ResourceSettings

from smelt.cli import paths_in
from smelt.study.paths import leading_to, names, not_leading_to
from smelt.study.schema import load_study
from smelt.study.workflow import (
    compare_commands,
    given_keys,
    gives_gpus,
    image_of,
    load,
    share_settings,
    started_rules,
    warn,
    write_lists,
)
from smelt.tasks.task_file import LIBRARY, load_task

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


class Rule(NamedTuple):
    """What Snakemake knows about a rule's command."""

    shellcmd: str


CONTEXTS = ("question-answering", "retrieval")


def written(folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text("study: one\nmodels: {base: {maker: adopt, hub: some/model, revision: abc}}\n")
    return path


def test_no_file_means_the_demo() -> None:
    assert load([], {}).study.study == "demo"


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load([path], yaml.safe_load(path.read_text())).study.study == "one"


def test_a_job_is_called_like_the_command_that_earlier_versions_recorded() -> None:
    code: Any = compare_commands(PersistenceBase._code)
    now, before, other = (code(object(), Rule(f"python -m smelt {words}")) for words in ("job a --b", "a --b", "a --c"))
    assert now == before != other
    minutes = "${{SLURM_JOB_ID:+--minutes ${{SMELT_MINUTES:-{resources.runtime}}}}}"
    now = f'a "@{{params.lists:q}}/models @{{params.lists:q}}/blocks {minutes}"'
    before = 'a "{input.models:q} {params.blocks:q} ${{SLURM_JOB_ID:+--minutes {resources.runtime}}}"'
    assert code(object(), Rule(now)) == code(object(), Rule(before))
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert all(part in rules for part in now.strip('a "').split(" ", 2))


def test_an_override_from_the_command_line_counts(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load([path], yaml.safe_load(path.read_text()) | {"study": "two"}).study.study == "two"


def test_a_wrong_study_ends_the_program_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    with pytest.raises(SystemExit) as ended:
        load([path], yaml.safe_load(path.read_text()) | {"modells": {}})
    assert ended.value.code == 1
    assert "modells: no such key" in capsys.readouterr().err


STUDIES = [ROOT / "config/config.yaml", *sorted((ROOT / "config/studies").glob("*.yaml"))]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_country_on_the_command_line_changes_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", path.read_text()):
        monkeypatch.setenv(name, "/data")
    alone = load_study(path)
    assert load([path], given_keys(["country=FRA"])).study == alone.model_copy(update={"country": "FRA"})


def test_later_files_and_the_command_line_replace_single_keys(tmp_path: Path) -> None:
    first, second = written(tmp_path), tmp_path / "second.yaml"
    second.write_text("models: {base: {tested_on: [no]}, other: {maker: adopt, folder: here}}\ncountry: NOR\n")
    study = load([first, second], given_keys(["models={base: {hub: my/model}}", "country=FRA"])).study
    assert list(study.models) == ["base", "other"]
    assert study.models["base"].model_dump(exclude_unset=True) == {
        "maker": "adopt",
        "hub": "my/model",
        "revision": "abc",
        "tested_on": ["no"],
    }
    assert study.country == "FRA"


def test_a_number_with_a_zero_in_front_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        given_keys(["seed=010"])
    assert "--config seed:1: is not YAML: 010 is no decimal number" in capsys.readouterr().err


def test_a_task_file_beside_the_study_comes_before_that_of_the_package(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + "tasks: [demo-ner, demo-intent]\nfinetuning: {seeds: [1]}\n")
    (tmp_path / "tasks").mkdir()
    own = (LIBRARY / "demo-ner.yaml").read_text().replace("title:", "title: Our own,")
    (tmp_path / "tasks/demo-ner.yaml").write_text(own)
    tasks = load([path], {}).tasks.files
    assert tasks["demo-ner"].title.startswith("Our own,")
    assert tasks["demo-intent"] == load_task("demo-intent")


def test_names_match_themselves_and_nothing_else() -> None:
    import re

    pattern = names(["a.b", "c"])
    assert [bool(re.fullmatch(pattern, text)) for text in ("a.b", "c", "axb", "")] == [True, True, False, False]
    assert re.fullmatch(names([]), "") is None


def test_an_unset_variable_is_named_and_stops_no_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SMELT_DATA", raising=False)
    warn(load([ROOT / "config/studies/mini.yaml"], {}))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("smelt: sources of the study are not there; what needs them fails, all else is made")
    assert [line for line in lines if "SMELT_DATA" in line] == lines[1:]
    assert re.fullmatch("  not set: SMELT_DATA, under which [0-9]+ sources lie", lines[1])


def test_tokenisation_studies_rest_on_the_intervals_and_not_on_the_level_of_the_tests(tmp_path: Path) -> None:
    path = written(tmp_path)
    texts = [
        path.read_text() + line for line in ("", "significance: {alpha: 0.01, test: wilcoxon, correction: none}\n")
    ]
    plain, stricter = (load([path], yaml.safe_load(text)) for text in texts)
    assert plain.report.interval_settings(None) == stricter.report.interval_settings(None)
    assert plain.report.significance_settings(None) != stricter.report.significance_settings(None)


def test_tests_over_examples_read_the_contexts_of_tasks_that_have_some() -> None:
    plan = load([ROOT / "config/studies/mini-tasks.yaml"], {})
    found = {task: plan.report.contexts_of_task(SimpleNamespace(task=task)) for task in plan.runs.tasks}
    with_contexts = {task for task, files in found.items() if files}
    assert with_contexts == {task for task, file in plan.runs.tasks.items() if file.kind in CONTEXTS}
    assert with_contexts != set(found)
    for task in with_contexts:
        assert found[task] == [f"{plan.paths.task(task)}/test.parquet"]


def test_models_are_distinguished_by_how_their_paths_continue() -> None:
    paths, models = ["base/ner/seed-1", "base-2/ner/seed-11"], ["base", "base-2"]
    found = {
        path: [
            bool(re.match(f"(?P<model>{constraint(paths, models)})/(?P<task>ner|ner-2)/seed-(?P<seed>\\d+)/x$", path))
            for constraint in (leading_to, not_leading_to)
        ]
        for path in (
            "base/ner/seed-1/x",
            "base/ner/seed-11/x",
            "base/ner-2/seed-1/x",
            "base-2/ner/seed-11/x",
            "b/ner/seed-1/x",
        )
    }
    assert list(found.values()) == [[True, False], [False, True], [False, True], [True, False], [False, False]]
    assert re.match(not_leading_to([], models), "base/ner/seed-1/x")
    assert not re.match(leading_to([], models), "base/ner/seed-1/x")


RULES = [ROOT / "workflow/Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]


def test_every_value_that_a_rule_hands_to_the_shell_is_quoted() -> None:
    commands = re.compile(r"^ +shell:\n((?: +\".*\"\n)+)", re.MULTILINE)
    value = re.compile(r"(?<!\{)\{((?:input|output|params|wildcards|log|benchmark|config|study)\b[^{}]*)\}")
    found = [(path.name, words) for path in RULES for words in commands.findall(path.read_text())]
    assert len(found) == sum(len(re.findall(r"^ +shell:", path.read_text(), re.MULTILINE)) for path in RULES)
    assert [(name, each) for name, words in found for each in value.findall(words) if not each.endswith(":q")] == []


ASKED = re.compile(r"(?<![\w./])study((?:\.[a-z]\w*){1,2})")


def not_there(text: str, study: object) -> list[str]:
    """Return what rules ask of a study, such as study.distil.teachers, and it does not have."""
    prose = re.compile(r'^ *""".*?"""$|^ *#.*?$', re.DOTALL | re.MULTILINE)
    missing = []
    for asked in dict.fromkeys(found[1] for found in ASKED.finditer(prose.sub("", text))):
        owner = study
        for name in asked[1:].split("."):
            if not hasattr(owner, name):
                missing.append(f"study{asked}")
                break
            owner = getattr(owner, name)
    return missing


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_a_study_has_what_rules_ask_of_it(path: Path) -> None:
    assert not_there(path.read_text(), load([], {})) == []


def test_a_misspelt_question_of_a_rule_is_found() -> None:
    text = "input: study.distil.teachers, study.distil.teachres, study.distill.teachers, study.model_folder()"
    text += ", study.efficiency.int8(), study.paths.results, params.study.nothing, results/study.html"
    text += ', study.pretrain.blocks\n    """Ask study.nothing."""\n# study.nothing\n'
    assert not_there(text, load([], {})) == ["study.distil.teachres", "study.distill.teachers", "study.model_folder"]


def test_the_rules_of_a_job_are_read_from_its_command_line() -> None:
    words = "snakemake --target-jobs finetune_1_to_2:model=a,task=b --allowed-rules finetune_1_to_2 count --cores 1"
    assert started_rules(words.split()) == ["finetune_1_to_2", "count"]
    assert started_rules(["snakemake", "--allowed-rules", "count"]) == ["count"]
    assert started_rules(["snakemake", "--cores", "1"]) is None


def test_what_is_set_for_one_rule_counts_for_others_that_have_nothing_of_their_own() -> None:
    given = {"finetune": {"gpu": 1}, "finetune_2_to_3": {"gpu": 2}}
    settings = ResourceSettings(overwrite_resources=given, overwrite_threads={})
    assert set(settings._parsed_overwrite_resources) == set(given)
    share_settings(settings, "finetune", ["finetune_1_to_2", "finetune_2_to_3"])
    found = {rule: dict(mapping) for rule, mapping in settings.overwrite_resources.items()}
    assert found == {"finetune": {"gpu": 1}, "finetune_1_to_2": {"gpu": 1}, "finetune_2_to_3": {"gpu": 2}}
    assert set(settings._parsed_overwrite_resources) == set(found)


@pytest.mark.parametrize(("study", "adopts", "reads"), [("mini-tasks", False, False), ("malbert-released", True, True)])
def test_what_comes_from_the_hub_is_made_where_snakemake_runs(study: str, adopts: bool, reads: bool) -> None:
    catalogue = load([ROOT / f"config/studies/{study}.yaml"], {})
    assert (catalogue.adopt.needs_network, catalogue.tasks.needs_network) == (adopts, reads)


def test_a_constraint_matches_its_paths_alone_and_grows_with_models_and_not_with_runs() -> None:
    models, tasks, seeds = ([f"{kind}-{number}" for number in range(12)] for kind in ("m", "t", "seed"))
    every = ["/".join(parts) for parts in itertools.product(models, tasks, seeds)]
    some = [path for path in every if not path.startswith("m-3/t-4") and path != "m-1/t-1/seed-1"]
    for constraint, expected in ((leading_to, some), (not_leading_to, [path for path in every if path not in some])):
        pattern = constraint(some, models)
        assert [path for path in every if re.match(f"(?:{pattern})/[^/]+/[^/]+/$", f"{path}/")] == expected
        assert len(pattern) < len("".join(some)) / 20


@pytest.mark.parametrize(
    ("resources", "given"),
    [({}, False), ({"gpu": 2}, True), ({"gpu": 0}, False), ({"_nodes": 100}, True), ({"_nodes": None}, False)],
)
def test_a_cluster_or_a_machine_that_counts_them_gives_gpus(resources: dict[str, int | None], given: bool) -> None:
    assert gives_gpus(Resources.from_mapping({"connections": 8, "_cores": 4} | resources)) is given


def test_jobs_that_are_to_run_in_an_image_never_run_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def image(value: str, *methods: str, main: bool = True) -> str | None:
        monkeypatch.setenv("SMELT_CONTAINER", value)
        settings = DeploymentSettings(DeploymentMethod.parse_choices_set(methods))
        modifier = SimpleNamespace(is_main_snakefile=lambda: main)
        return image_of(SimpleNamespace(deployment_settings=settings, modifier=modifier))

    there = tmp_path / "smelt.sif"
    there.touch()
    assert image(str(there), "apptainer") == str(there)
    assert image("docker://some/smelt", "apptainer") == "docker://some/smelt"
    assert (
        image("") is image("", "conda") is image("", "conda", "apptainer") is image("", "apptainer", main=False) is None
    )
    for value, complaint in (("", "is not set"), ("not-there.sif", "there is no image not-there.sif")):
        with pytest.raises(SystemExit) as ended:
            image(value, "apptainer")
        assert ended.value.code == 1
        assert capsys.readouterr().err.startswith(f"smelt: SMELT_CONTAINER: {complaint}")


def test_the_lists_of_a_page_stand_in_files_and_its_command_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    models = [f"results/demo/models/{number}" for number in range(5_000)]
    report = load([ROOT / "config/config.yaml"], {}).report
    page = SimpleNamespace(
        rule=SimpleNamespace(params=Namedlist(fromdict={"lists": report.lists, "blocks": report.block_descriptions})),
        wildcards=Namedlist(),
        input=Namedlist(fromdict={"models": models, "choices": [], "plan": "plan.json"}),
    )
    other = SimpleNamespace(rule=SimpleNamespace(params=Namedlist(fromdict={"settings": "{}"})))
    write_lists(SimpleNamespace(needrun_jobs=lambda: [other, page]))
    folder = Path(report.lists(page.wildcards, None))
    assert paths_in(folder / "models") == [Path(model) for model in models]
    assert [paths_in(folder / name) for name in ("choices", "plan")] == [[], [Path("plan.json")]]
    shell = (ROOT / "workflow/rules/page.smk").read_text().split("rule page:")[1].split("shell:")[1]
    assert paths_in(folder / "blocks") == [Path(file) for file in report.block_descriptions(None, None)] != []
    assert set(re.findall(r"\{params\.(\w+):q\}", shell)) == {
        "study",
        "text",
        "significance",
        "lists",
        "logs",
    }  # likewise
    assert set(re.findall(r"\{input\.(\w+):q\}", shell)) == {"costs", "plan"}  # one file each
