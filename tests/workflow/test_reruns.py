"""An edit reruns what it touches and nothing else."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from smelt.entry import merge
from smelt.study.paths import METRICS
from smelt.training.recipes import BESIDE_THE_MODEL, RECIPES
from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

REPORT = {"scores", "compare", "examples", "costs", "table", "figure", "plan", "page"}


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_a_finished_study_has_nothing_to_do(finished: Project) -> None:
    assert finished.planned() == {}


def test_commands_as_earlier_versions_called_them_run_nothing_again(project: Callable[[], Project]) -> None:
    edited = project()
    for rules in (edited.folder / "workflow/rules").glob("*.smk"):
        rules.write_text(rules.read_text().replace("python -m smelt job ", "python -m smelt "))
    assert edited.planned() == {}


def test_another_country_rewrites_the_page_and_trains_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["country"] = "DEU"
    edited.write(study)
    assert edited.planned() == {"page": 1}


def test_a_gpu_for_small_models_reruns_nothing_and_is_given_to_what_does_run(finished: Project) -> None:
    given = ["--set-resources", "finetune:gpu=1", "pretrain:gpu=1", "distil:gpu=1"]
    assert finished.planned(*given) == {}
    run = "results/small/finetuned/wide/demo-ner/seed-1/metrics.json"
    printed = finished.snakemake("--dry-run", "--printshellcmds", "--force", run, *given)
    command = next(line for line in printed.splitlines() if "python -m smelt job finetune " in line)
    assert " --gpus 1 " in command


def test_another_number_of_threads_makes_no_blocks_again(finished: Project) -> None:
    given = ["--set-threads", "blocks=2", "documents=1"]
    assert finished.planned(*given) == {}
    blocks = "results/small/blocks/wiki/unigram-300/stream-64/qaa"
    printed = finished.snakemake("--dry-run", "--printshellcmds", "--force", blocks, *given)
    command = next(line for line in printed.splitlines() if "python -m smelt job blocks " in line)
    assert " --threads 2 " in command


def test_a_further_seed_runs_that_seed_the_statistics_and_the_report(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["finetuning"]["seeds"].append(3)
    edited.write(study)
    planned = edited.planned()
    assert planned["finetune"] == 2 * 2
    assert set(planned) == {"finetune", "tokenisation", *REPORT}


def test_an_edited_statistic_recomputes_tables_and_trains_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    append(next((edited.folder / "workflow/smelt/statistics").glob("[a-z]*.py")), "\n# edited\n")
    assert set(edited.planned()) <= {"tokenisation", *REPORT}
    assert {"compare", "table", "page"} <= set(edited.planned())


def test_touch_after_an_update_keeps_what_the_version_before_made(project: Callable[[], Project]) -> None:
    edited = project()
    recipes, rules = (edited.folder / "workflow" / name for name in ("smelt/training/recipes.py", "rules/corpora.smk"))
    recipes.write_text(
        re.sub(r"^RECIPE_VERSION = \d+", "RECIPE_VERSION = 999", recipes.read_text(), flags=re.MULTILINE)
    )
    rules.write_text(rules.read_text().replace("python -m smelt job download", "python -m smelt job  download"))
    made = {path: path.read_bytes() for path in (edited.folder / "results").rglob("*") if path.is_file()}
    assert {"download", "documents", "pretrain", "finetune", "page"} <= set(edited.planned())
    edited.snakemake("--touch")
    assert edited.planned() == {}
    assert {path: path.read_bytes() for path in made} == made


def test_a_comment_in_the_trainer_retrains_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    package = edited.folder / "workflow/smelt"
    for stage in ("training", "models", "finetuning", "tokenizers", "tasks", "corpora"):
        for path in (package / stage).glob("*.py"):
            if str(path.relative_to(package)) not in METRICS:
                append(path, "\n# a comment\n")
    assert edited.planned() == {}


@pytest.mark.parametrize("module", ["tasks/metrics.py", "tasks/rankings.py"])
def test_an_edit_of_a_metric_makes_tables_again_and_no_model(module: str, project: Callable[[], Project]) -> None:
    edited = project()
    append(edited.folder / "workflow/smelt" / module, "\n# a comment\n")
    planned = edited.planned()
    assert planned["table"] == 3
    assert planned.keys() <= REPORT | {"tokenisation"}


def test_a_changed_recipe_retrains_that_model_and_what_hangs_on_it(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["wide"]["settings"]["schedule"]["steps"] = 50
    edited.write(study)
    planned = edited.planned()
    assert planned["pretrain"] == 1
    assert planned["finetune"] == 2 * 2
    assert planned["tokenisation"] == 1
    assert set(planned) == {"pretrain", "finetune", "tokenisation", *REPORT}


# A value for each setting that makes no other model, other than the study's and the recipe's.
BESIDE: dict[str, Any] = {
    "machine": {
        "micro_batch": 2,
        "grouped": True,
        "gradient_checkpointing": True,
        "compile": False,
        "attention": "eager",
    },
    "checkpoints": {"every": 7, "keep": 3, "divergence": 9.0},
}


def test_no_setting_that_makes_no_other_model_is_forgotten() -> None:
    fields = {part: set(getattr(RECIPES["small"], part).model_dump()) for part in BESIDE_THE_MODEL}
    assert {part: set(values) for part, values in BESIDE.items()} == fields


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, values in BESIDE.items() for name in values])
def test_what_makes_no_other_model_reruns_nothing(part: str, name: str, project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    for model in ("wide", "student-qaa"):  # of the makers pretrain and distil
        own = study["models"][model]["settings"]
        study["models"][model]["settings"] = merge(own, {part: {name: BESIDE[part][name]}})
    edited.write(study)
    assert edited.planned() == {}


def test_what_makes_no_other_model_may_be_left_out_again_and_the_rate_still_counts(
    project: Callable[[], Project],
) -> None:
    edited = project()
    study = edited.study
    del study["models"]["wide"]["settings"]["checkpoints"]
    edited.write(study)
    assert edited.planned() == {}
    for model in ("wide", "student-qaa"):
        study["models"][model]["settings"] = merge(
            study["models"][model]["settings"], {"optimizer": {"learning_rate": 2e-3}, "checkpoints": {"every": 3}}
        )
    edited.write(study)
    planned = edited.planned()
    assert (planned["pretrain"], planned["distil"]) == (1, 1)
    assert set(planned) == {"pretrain", "distil", "finetune", "tokenisation", *REPORT}


def test_a_model_that_does_train_gets_what_the_study_says_beside_it(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["wide"]["settings"] = merge(
        study["models"]["wide"]["settings"], {"schedule": {"steps": 41}, "checkpoints": {"keep": 7}}
    )
    edited.write(study)
    edited.snakemake("results/small/models/wide")
    record = json.loads((edited.folder / "results/small/models/wide/provenance.json").read_text())
    recipe = record["settings"]["recipe"]
    assert (recipe["schedule"]["steps"], recipe["checkpoints"]["keep"]) == (41, 7)


def test_another_mirror_of_a_dump_that_is_here_reruns_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["corpora"]["wiki"]["wikipedia"]["mirror"] = "https://one.example.org"
    edited.write(study)
    assert "download" in edited.planned()  # in place of a local folder, which is an input
    edited.snakemake("--touch")
    assert edited.planned() == {}
    study["corpora"]["wiki"]["wikipedia"]["mirror"] = "https://another.example.org"
    edited.write(study)
    assert set(edited.planned()) <= {"page"}
    archive = "https://archive.example.org/{wiki}-{date}"
    study["corpora"]["wiki"]["wikipedia"]["mirror"] = ["https://another.example.org", archive]
    edited.write(study)
    assert set(edited.planned()) <= {"page"}


def test_another_title_or_licence_of_a_task_prepares_and_fine_tunes_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    path = edited.folder / "workflow/smelt/tasks/library/demo-ner.yaml"
    task = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(task | {"title": "Names", "licence": "CC0", "cite": "nobody-2026"}))
    assert set(edited.planned()) == {"table", "page"}


def test_another_caption_rewrites_its_table_and_draws_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["tables"]["slots"]["caption"] = "Names in two languages"
    edited.write(study)
    assert edited.planned() == {"table": 1, "page": 1}


def test_a_further_model_runs_alone(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["wider"] = study["models"]["wide"] | {"seed": 2}
    edited.write(study)
    planned = edited.planned()
    assert (planned["pretrain"], planned["finetune"], planned["tokenisation"]) == (1, 4, 1)
    assert set(planned) == {"pretrain", "finetune", "tokenisation", *REPORT}


SMALL = {
    "maker": "compress",
    "teacher": "narrow",
    "teacher_seed": 1,
    "tasks": ["demo-ner"],
    "student": {"kind": "bilstm", "embedding": 8, "hidden": 12},
    "settings": {"epochs": 1, "batch": 16},
}


def test_a_compressed_model_fine_tunes_its_teacher_again_and_no_other(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["small"] = SMALL
    study["tables"]["phases"] = {"kind": "stages", "model": "small", "task": "demo-ner"}
    edited.write(study)
    planned = edited.planned()
    # The teacher's weights were not kept before; those of its other task and seed teach no student.
    assert {name: count for name, count in planned.items() if name not in REPORT} == {
        "finetune_kept": 1,
        "signals": 1,
        "compress": 2,
        "compressed": 1,
        "tokenisation": 2,  # of the student, and of the teacher, whose predictions are new
    }
    wanted = [f"results/small/{name}" for name in ("tables/phases.md", "models/small")]
    edited.snakemake(*wanted)
    assert edited.planned(*wanted) == {}
    student = edited.folder / "results/small/models/small"
    assert json.loads((student / "config.json").read_text())["model_type"] == "compact"
    assert {"model.safetensors", "provenance.json", "README.md", "tokenizer.json"} <= {
        path.name for path in student.iterdir()
    }
    kept = {"transfer": {"max_gigabytes": 60}}
    for stored in ({"max_gigabytes": 70}, {"signals": "live"}):
        study["models"]["small"] = SMALL | {"transfer": stored}
        edited.write(study)
        assert edited.planned(*wanted) == {}
    study["models"] |= {"small": SMALL | kept, "of-logits": SMALL | kept | {"strategy": "D1"}}
    edited.write(study)
    trained = [f"results/small/models/{name}" for name in ("small", "of-logits", "of-layer-1")]
    assert edited.planned(*trained[:2]) == {"compress": 1, "compressed": 1}  # where signals lie changes no student
    study["models"] |= {"of-layer-1": SMALL | kept | {"layer": 1}}
    edited.write(study)
    assert edited.planned(*trained) == {"signals": 1, "compress": 3, "compressed": 3}


def test_another_threshold_reduces_again_and_counts_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["narrow-qaa"]["threshold"] = "paper"
    edited.write(study)
    planned = edited.planned()
    assert planned["reduce"] == 1
    assert set(planned) <= {"reduce", "figure", "costs", "plan", "page"}


def test_another_language_of_a_reduced_model_counts_that_one(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["narrow-qaa"]["languages"].append("qab")
    edited.write(study)
    planned = edited.planned()
    assert (planned["count"], planned["reduce"]) == (1, 1)
    assert set(planned) <= {"count", "reduce", "figure", "costs", "plan", "page"}


def test_another_weight_of_a_loss_distils_again_and_pretrains_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["student-qaa"]["losses"] = {"kl": 1.0}
    edited.write(study)
    planned = edited.planned()
    assert planned["distil"] == 1
    assert set(planned) <= {"distil", "figure", "costs", "plan", "page"}


def test_another_teacher_distils_its_student_again(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["narrow"]["settings"]["schedule"]["steps"] = 50
    edited.write(study)
    planned = edited.planned()
    assert (planned["pretrain"], planned["distil"], planned["reduce"]) == (1, 1, 1)
    assert "blocks" not in planned
    assert "count" not in planned


def test_a_threshold_that_is_the_default_by_name_reruns_nothing(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["narrow-qaa"] |= {"threshold": 0.00005, "of": "lines"}
    edited.write(study)
    assert set(edited.planned()) <= {"page"}


def test_a_further_task_runs_alone(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    tasks = edited.folder / "workflow/smelt/tasks/library"
    (tasks / "more-names.yaml").write_text((tasks / "demo-ner.yaml").read_text())
    study["tasks"]["more-names"] = {"limit": 50}
    edited.write(study)
    planned = edited.planned()
    assert (planned["task"], planned["finetune"], planned["tokenisation"]) == (1, 4, 2)
    assert set(planned) == {"task", "finetune", "tokenisation", *REPORT}


def test_a_comment_in_a_task_file_prepares_nothing_again(project: Callable[[], Project]) -> None:
    edited = project()
    append(edited.folder / "workflow/smelt/tasks/library/demo-ner.yaml", "# a comment\n")
    assert edited.planned() == {}


def test_another_meaning_of_a_task_runs_it_again(project: Callable[[], Project]) -> None:
    edited = project()
    append(edited.folder / "workflow/smelt/tasks/library/demo-ner.yaml", "unseen_labels: count\n")
    planned = edited.planned()
    assert (planned["task"], planned["finetune"], planned["tokenisation"]) == (1, 4, 2)
    assert set(planned) == {"task", "finetune", "tokenisation", *REPORT}


def test_a_family_runs_only_its_new_members(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    narrow = study["models"].pop("narrow-qaa")
    study["models"]["narrow-{language}"] = narrow | {"languages": ["{language}"], "each": ["qaa", "qab"]}
    edited.write(study)
    planned = edited.planned()
    assert (planned["count"], planned["reduce"]) == (1, 1)
    assert set(planned) <= {"count", "reduce", *REPORT}


def test_a_further_language_reads_only_its_own_dump(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["corpora"]["wiki"]["wikipedia"]["languages"].append("qac")
    edited.write(study)
    planned = edited.planned()
    assert (planned["demo_dump"], planned["download"], planned["documents"]) == (1, 1, 1)
    assert planned["tokenizer"] == 2  # the mixture that they are trained on has changed


def test_a_rate_that_joins_a_grid_runs_alone_and_the_choice_again(project: Callable[[], Project]) -> None:
    edited = project()
    study = edited.study
    study["models"]["narrow"]["finetuning"] = {"learning_rate": [1e-3, 2e-3]}
    study["tasks"]["demo-intent"]["finetuning"] = {"batch": [16, 32]}
    edited.write(study)
    # Of narrow, the two rates on one task and each with two batches on the other; of wide, two batches on the other.
    planned = edited.planned()
    assert (planned["finetune_cell"], planned["finetune"]) == (2 * (2 + 4 + 2), 2 * 3)
    chosen = [f"results/small/finetuned/narrow/demo-ner/seed-{seed}/metrics.json" for seed in (1, 2)]
    edited.snakemake(*chosen)
    for path in chosen:
        grid = json.loads((edited.folder / path).read_text())["grid"]
        assert [row["learning_rate"] for row in grid] == [1e-3, 2e-3]
        assert sum(row["chosen"] for row in grid) == 1
    assert list((edited.folder / "checkpoints").rglob("*.safetensors")) == []
    assert edited.planned(*chosen) == {}
    study["models"]["narrow"]["finetuning"]["learning_rate"].append(4e-3)
    edited.write(study)
    assert edited.planned(*chosen) == {"finetune_cell": 2, "finetune": 2}
    edited.snakemake(*chosen)
    assert len(json.loads((edited.folder / chosen[0]).read_text())["grid"]) == 3
