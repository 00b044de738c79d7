"""
Reduces models that were fine-tuned, of makers whose `order` is `after`, and scores them without more training.

IN   results/<study>/finetuned/<source>/<task>/seed-<seed>/ : the model that is reduced, and how it was learnt
     the counts and held-out documents that its pieces are chosen by, and its task
OUT  results/<study>/finetuned/<model>/<task>/seed-<seed>/ : model/, with reduction.json: what was kept, the proof; and
     metrics.json, predictions.parquet and provenance.json as fine-tuning writes them
"""

REDUCED = f"{RESULTS}/finetuned/{{model}}/{{task}}/seed-{{seed}}"


rule reduce_finetuned:
    """Reduce a model that was fine-tuned on {wildcards.task} to the pieces of {wildcards.model}, and prove it."""
    input:
        source=study.reduce.finetuned_model,
        counts=study.reduce.counts,
        held_out=study.reduce.documents,
    output:
        model=directory(f"{REDUCED}/model"),
    params:
        settings=study.reduce.settings,
    wildcard_constraints:
        model=names(study.reduce.after()),
    log:
        f"{LOGS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.model.log",
    benchmark:
        f"{BENCHMARKS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.model.tsv"
    threads: 1
    resources:
        mem_mb=8_000,
        runtime=240,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job reduce"
        " --model {input.source:q}"
        " --counts {input.counts:q}"
        " --held-out {input.held_out:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"


rule evaluate:
    """Score {wildcards.model}, reduced after it was fine-tuned on {wildcards.task}, without more training."""
    input:
        model=f"{REDUCED}/model",
        metrics=study.reduce.finetuned_metrics,
        task=multiext(
            f"{RESULTS}/tasks/{{task}}/",
            "train.parquet",
            "validation.parquet",
            "test.parquet",
            "task.json",
        ),
    output:
        metrics=f"{REDUCED}/metrics.json",
        predictions=f"{REDUCED}/predictions.parquet",
        provenance=f"{REDUCED}/provenance.json",
    params:
        task=study.tasks.folder,
        tested_on=study.reduce.tested_on,
        folder=subpath(output.metrics, parent=True),
    wildcard_constraints:
        model=names(study.reduce.after()),
    log:
        f"{LOGS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.tsv"
    threads: 1
    resources:
        gpu=study.reduce.gpus,
        mem_mb=study.reduce.memory,
        runtime=240,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job evaluate"
        " --model {input.model:q}"
        " --name {wildcards.model:q}"
        " --task {params.task:q}"
        " --metrics {input.metrics:q}"
        " --tested-on {params.tested_on:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"
