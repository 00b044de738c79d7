"""
Measures what tokenizers do to the words of a task, and whether split words are missed.

IN   results/<study>/finetuned/<model>/<task>/seed-<n>/predictions.parquet, of all seeds
     results/<study>/tasks/<task>/ : the training split, for word frequencies, and what the task is
OUT  results/<study>/tokenisation/<model>/<task>.json
     results/<study>/correlations/<table>.json : pieces and misses of the words of all models of a table together
"""


rule tokenisation:
    """Measure how {wildcards.model} cuts the words of {wildcards.task}, and which of them it misses."""
    input:
        predictions=study.finetune.predictions,
        task=f"{RESULTS}/tasks/{{task}}/task.json",
        train=f"{RESULTS}/tasks/{{task}}/train.parquet",
        modules=modules("statistics", "measurement", "report/significance.py", *METRICS),
    output:
        tokenisation=f"{RESULTS}/tokenisation/{{model}}/{{task}}.json",
    params:
        task=study.tasks.folder,
        settings=study.report.interval_settings,
    log:
        f"{LOGS}/tokenisation/{{model}}/{{task}}.log",
    threads: 1
    resources:
        short_jobs=1,
        mem_mb=2_000,
        runtime=20,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job tokenisation"
        " --model {wildcards.model:q}"
        " --predictions {input.predictions:q}"
        " --task {params.task:q}"
        " --settings {params.settings:q}"
        " --output {output.tokenisation:q}"
        " > {log:q} 2>&1"


rule correlations:
    """Correlate pieces and missed labels over all models of {wildcards.table} together."""
    input:
        predictions=study.report.pooled_predictions,
        tasks=study.report.pooled_tasks,
        modules=modules("statistics", "measurement", "report/significance.py", *METRICS),
    output:
        correlations=f"{RESULTS}/correlations/{{table}}.json",
    params:
        tasks=study.report.pooled_folders,
        lists=study.report.lists,
        settings=study.report.interval_settings,
    wildcard_constraints:
        table=names(study.report.pooling_tables()),
    log:
        f"{LOGS}/correlations/{{table}}.log",
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=60,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job correlations"
        " --predictions @{params.lists:q}/predictions"
        " --tasks {params.tasks:q}"
        " --settings {params.settings:q}"
        " --output {output.correlations:q}"
        " > {log:q} 2>&1"
