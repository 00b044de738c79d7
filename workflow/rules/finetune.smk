"""
Fine-tunes every model on every task, once a seed: one thread each, so that several run side by side.

IN   a model's folder, and a prepared task
OUT  results/<study>/finetuned/<model>/<task>/seed-<seed>/ : metrics.json, predictions.parquet, provenance.json, and
     model/ where others are compressed from it; one wildcard alone does not decide which
     results/<study>/grids/<model>/<task>/seed-<seed>/<cell>/ : metrics.json on validation and provenance.json of each run
     of a grid; weights wait in checkpoints/ for the choice of one of them

A fine-tuning that is stopped before its end continues from its checkpoint, kept every ten minutes. In a SLURM job, which
ends with its time, it keeps one before that is over; elsewhere it takes the time that it needs.
"""

RUN = f"{RESULTS}/finetuned/{{model}}/{{task}}/seed-{{seed}}"
CELL = f"{RESULTS}/grids/{{model}}/{{task}}/seed-{{seed}}/{{cell}}"
WEIGHTS = f"{CHECKPOINTS}/grid-weights/{{model}}/{{task}}"


rule finetune:
    """Fine-tune {wildcards.model} on {wildcards.task} with seed {wildcards.seed}."""
    input:
        model=f"{RESULTS}/models/{{model}}",
        task=multiext(
            f"{RESULTS}/tasks/{{task}}/",
            "train.parquet",
            "validation.parquet",
            "test.parquet",
            "task.json",
        ),
        cells=study.finetune.cells,
    output:
        metrics=f"{RUN}/metrics.json",
        predictions=f"{RUN}/predictions.parquet",
        provenance=f"{RUN}/provenance.json",
    params:
        task=study.tasks.folder,
        folder=RUN,
        settings=study.finetune.settings,
        cells=study.finetune.cell_folders,
        weights=f"{WEIGHTS}/seed-{{seed}}",
        checkpoints=f"{CHECKPOINTS}/finetuned/{{model}}/{{task}}/seed-{{seed}}",
    wildcard_constraints:
        model=not_leading_to(study.runs.teachers, study.finetune.models()),
    log:
        f"{LOGS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.tsv"
    threads: 1
    resources:
        gpu=study.finetune.gpus,
        mem_mb=study.finetune.memory,
        runtime=study.finetune.minutes,
    conda:
        "../../envs/training.yaml"
    priority: 1  # the choice of a grid before further runs, whose weights wait for it
    shell:
        "python -m smelt finetune"
        " --model {input.model:q}"
        " --task {params.task:q}"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --checkpoints {params.checkpoints:q}"
        " ${{SLURM_JOB_ID:+--minutes {resources.runtime}}}"
        " --cells {params.cells:q}"
        " --weights {params.weights:q}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"


use rule finetune as finetune_teacher with:
    output:
        metrics=f"{RUN}/metrics.json",
        predictions=f"{RUN}/predictions.parquet",
        provenance=f"{RUN}/provenance.json",
        model=directory(f"{RUN}/model"),
    wildcard_constraints:
        model=leading_to(study.runs.teachers, study.finetune.models()),


rule finetune_cell:
    """Fine-tune {wildcards.model} on {wildcards.task} with seed {wildcards.seed} as {wildcards.cell} of a grid."""
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
        metrics=f"{CELL}/metrics.json",
        provenance=f"{CELL}/provenance.json",
    params:
        task=study.tasks.folder,
        folder=CELL,
        settings=study.finetune.cell_settings,
        weights=f"{WEIGHTS}/seed-{{seed}}",
        checkpoints=f"{CHECKPOINTS}/grids/{{model}}/{{task}}/seed-{{seed}}/{{cell}}",
    log:
        f"{LOGS}/grids/{{model}}/{{task}}/seed-{{seed}}/{{cell}}.log",
    benchmark:
        f"{BENCHMARKS}/grids/{{model}}/{{task}}/seed-{{seed}}/{{cell}}.tsv"
    threads: 1
    resources:
        gpu=study.finetune.gpus,
        mem_mb=study.finetune.memory,
        runtime=study.finetune.minutes,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt finetune"
        " --model {input.model:q}"
        " --task {params.task:q}"
        " --seed {wildcards.seed}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --checkpoints {params.checkpoints:q}"
        " ${{SLURM_JOB_ID:+--minutes {resources.runtime}}}"
        " --cell"
        " --weights {params.weights:q}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"
