"""
smelt: languages from Wikipedia dump to paper table.

IN   a study file: config/config.yaml (the demo), or the one named by --configfile
OUT  results/<study>/report.html, and everything it rests on

The stages, one rule file each: corpora, tokenizers, the makers of models, tasks, finetune, measure, efficiency,
report.
"""

import gc
import os

from snakemake.jobs import Job
from snakemake.persistence import PersistenceBase
from snakemake.utils import min_version

min_version("9.20")

# Planning makes many objects and drops few: looking for those to drop took an eighth of the time of a large study.
gc.freeze()
gc.set_threshold(100_000)

# Jobs run `python -m smelt` from this checkout, in whatever environment they run.
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        [
            str(Path(workflow.basedir) / "workflow"),
            *filter(None, [os.environ.get("PYTHONPATH")]),
        ]
    )
)
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from smelt.logs import keeping_logs
from smelt.screen import attach
from smelt.study.paths import modules, names
from smelt.study.rules.finetune_jobs import jobs_of_cells, jobs_of_seeds
from smelt.study.workflow import (
    compare_commands,
    given_keys,
    leave_unrecorded,
    load,
    lock_of,
    remove_checkpoints,
    share_settings,
    started_rules,
    warn,
)

study_files = workflow.configfiles or [Path(workflow.basedir) / "config/config.yaml"]

# A line for each job that ends, and how far the others are. -p and --verbose bring Snakemake's own screen back.
attach(workflow, study_files)

study = load(study_files, given_keys(workflow.config_settings.config_args))

if workflow.is_main_process:
    warn(study)
    PersistenceBase.lock = lock_of(study.paths, study_files)

# Not among any rule's params: where a job runs turns its energy into emissions, and must retrain nothing.
os.environ.update(SMELT_COUNTRY=study.study.country or "")

# The Snakemake that started a job records its result as complete. If the job's own Snakemake did so as well, the result
# of a job that outlived a killed workflow would count as up to date, whatever is changed in the study after that.
if not workflow.is_main_process:
    PersistenceBase.finished = leave_unrecorded

# What a command does counts, and not how it is called.
PersistenceBase._code = compare_commands(PersistenceBase._code)

# Snakemake removes the log of an attempt before the next one begins.
Job.remove_existing_output = keeping_logs(Job.remove_existing_output)

# In the process of a job, the rules that it may run.
STARTED = None if workflow.is_main_process else started_rules(sys.argv)

RESULTS, LOGS = study.paths.results, study.paths.logs
BENCHMARKS, CHECKPOINTS = study.paths.benchmarks, study.paths.checkpoints


# The image of jobs under `--sdm apptainer`, made by containers/smelt.def.
container: os.environ.get("SMELT_CONTAINER")


onstart:
    if workflow.is_main_process:
        study.report.write()


onerror:
    if workflow.is_main_process:
        remove_checkpoints(study, workflow.dag)
    sys.stderr.write(
        "smelt: the report waits for the jobs that failed or were stopped. Run the same command again: what is made"
        " stays, and a stopped training goes on. Where a job's line names something to mend, mend that first, or leave"
        " the task or model out of the study.\n"
    )


onsuccess:
    if workflow.is_main_process:
        remove_checkpoints(study, workflow.dag)
    if workflow.is_main_process and Path(f"{RESULTS}/report.html").exists():
        sys.stderr.write(f"smelt: the page is {RESULTS}/report.html\n")


wildcard_constraints:
    corpus=names(study.study.corpora),
    language=names(study.corpora.languages),
    tokenizer=names(study.study.tokenizers),
    model=names(study.study.models),
    task=names(study.study.tasks),
    seed=r"\d+",


include: "workflow/rules/demo.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/tokenizers.smk"


for maker in study.makers:

    include: f"workflow/rules/{maker}.smk"


include: "workflow/rules/tasks.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/efficiency.smk"
include: "workflow/rules/report.smk"


rule all:
    """Everything the study asks for, ending in its report."""
    default_target: True
    input:
        f"{RESULTS}/report.html",
