"""
Fine-tunes every model on every task, once a seed: one thread each, so that several jobs run side by side. Where runs
are short by estimate, a job makes several of one model and task, one after the other (smelt.study.rules.finetune_jobs).

IN   a model's folder, and a prepared task
OUT  results/<study>/finetuned/<model>/<task>/seed-<seed>/ : metrics.json, predictions.parquet, provenance.json, and
     model/ where weights are kept, as those that others are compressed from; one wildcard alone does not decide which
     results/<study>/grids/<model>/<task>/seed-<seed>/<cell>/ : metrics.json on validation and provenance.json of each run
     of a grid; weights wait in checkpoints/ for the choice of one of them

A fine-tuning that is stopped before its end continues from its checkpoint, kept every ten minutes. In a SLURM job, which
ends with its time, it keeps one before that is over; elsewhere it takes the time that it needs.
"""

TUNED = f"{RESULTS}/finetuned/{{model}}/{{task}}"
GRID = f"{RESULTS}/grids/{{model}}/{{task}}/seed-{{seed}}"


GPUS = gives_gpus(workflow.global_resources)
RESULT_JOBS, CELL_JOBS = (
    jobs_of_seeds(study.finetune, STARTED, GPUS),
    jobs_of_cells(study.finetune, STARTED, GPUS),
)
# `--set-resources finetune:...` and profiles need one name, however many runs a job makes.
share_settings(
    workflow.resource_settings, "finetune", [jobs.rule for jobs in RESULT_JOBS]
)
share_settings(
    workflow.resource_settings, "finetune_cell", [jobs.rule for jobs in CELL_JOBS]
)


for jobs in RESULT_JOBS:

    rule:
        """Fine-tune {wildcards.model} on {wildcards.task}."""
        name:
            jobs.rule
        input:
            model=f"{RESULTS}/models/{{model}}",
            task=multiext(
                f"{RESULTS}/tasks/{{task}}/",
                "train.parquet",
                "validation.parquet",
                "test.parquet",
                "task.json",
            ),
            cells=study.finetune.cells if not jobs.seeds else [],
        output:
            metrics=[f"{TUNED}/{run}/metrics.json" for run in jobs.runs],
            predictions=[f"{TUNED}/{run}/predictions.parquet" for run in jobs.runs],
            provenance=[f"{TUNED}/{run}/provenance.json" for run in jobs.runs],
            models=[directory(f"{TUNED}/{run}/model") for run in jobs.runs if jobs.kept],
        params:
            task=study.tasks.folder,
            seeds=jobs.numbers,
            folders=jobs.folders,
            settings=jobs.settings,
            cells=study.finetune.cell_folders if not jobs.seeds else [],
            weights=jobs.weights,
            checkpoints=f"{CHECKPOINTS}/finetuned/{{model}}/{{task}}",
        wildcard_constraints:
            model=jobs.models,
        log:
            f"{LOGS}/finetuned/{{model}}/{{task}}/{jobs.label}.log",
        benchmark:
            f"{BENCHMARKS}/finetuned/{{model}}/{{task}}/{jobs.label}.tsv"
        threads: 1
        resources:
            gpu=study.finetune.gpus,
            mem_mb=study.finetune.memory,
            runtime=jobs.minutes,
        conda:
            "../../envs/training.yaml"
        priority: 1  # the choice of a grid before further runs, whose weights wait for it
        shell:
            "python -m smelt job finetune"
            " --model {input.model:q}"
            " --task {params.task:q}"
            " --seed {params.seeds:q}"
            " --settings {params.settings:q}"
            " --threads {threads}"
            " --gpus {resources.gpu}"
            " --checkpoints {params.checkpoints:q}"
            " ${{SLURM_JOB_ID:+--minutes ${{SMELT_MINUTES:-{resources.runtime}}}}}"
            " --cells {params.cells:q}"
            " --weights {params.weights:q}"
            " --output {params.folders:q}"
            " > {log:q} 2>&1"


for jobs in CELL_JOBS:

    rule:
        """Fine-tune {wildcards.model} on {wildcards.task} with seed {wildcards.seed}, in runs of a grid."""
        name:
            jobs.rule
        input:
            model=f"{RESULTS}/models/{{model}}",
            task=multiext(
                f"{RESULTS}/tasks/{{task}}/",
                "train.parquet",
                "validation.parquet",
                "test.parquet",
                "task.json",
            ),
        output:
            metrics=[f"{GRID}/{run}/metrics.json" for run in jobs.runs],
            provenance=[f"{GRID}/{run}/provenance.json" for run in jobs.runs],
        params:
            task=study.tasks.folder,
            names=jobs.names,
            folders=jobs.folders,
            settings=jobs.settings,
            identity=study.finetune.cell_identity,
            weights=f"{CHECKPOINTS}/grid-weights/{{model}}/{{task}}/seed-{{seed}}",
            checkpoints=f"{CHECKPOINTS}/grids/{{model}}/{{task}}/seed-{{seed}}",
        wildcard_constraints:
            model=jobs.models,
        log:
            f"{LOGS}/grids/{{model}}/{{task}}/seed-{{seed}}/{jobs.label}.log",
        benchmark:
            f"{BENCHMARKS}/grids/{{model}}/{{task}}/seed-{{seed}}/{jobs.label}.tsv"
        threads: 1
        resources:
            gpu=study.finetune.gpus,
            mem_mb=study.finetune.memory,
            runtime=jobs.minutes,
        conda:
            "../../envs/training.yaml"
        shell:
            "python -m smelt job finetune"
            " --model {input.model:q}"
            " --task {params.task:q}"
            " --seed {wildcards.seed:q}"
            " --settings {params.settings:q}"
            " --threads {threads}"
            " --gpus {resources.gpu}"
            " --checkpoints {params.checkpoints:q}"
            " ${{SLURM_JOB_ID:+--minutes ${{SMELT_MINUTES:-{resources.runtime}}}}}"
            " --cell {params.names:q}"
            " --weights {params.weights:q}"
            " --output {params.folders:q}"
            " > {log:q} 2>&1"
