"""
Tests differences between models over the examples of a test set, whatever the number of seeds.

IN   results/<study>/finetuned/<model>/<task>/seed-<n>/ : metrics.json and predictions.parquet of all runs of a task
     results/<study>/tasks/<task>/ : task.json, and test.parquet where several test examples may share a context
OUT  results/<study>/statistics/examples/<task>.csv : a row a pair of models
"""


rule examples:
    """Test which models differ on {wildcards.task}, over its test examples."""
    input:
        metrics=study.report.metrics_of_task,
        predictions=study.report.predictions_of_task,
        task=f"{RESULTS}/tasks/{{task}}/task.json",
        contexts=study.report.contexts_of_task,
        modules=modules("statistics", "report", *METRICS),
    output:
        pairs=f"{RESULTS}/statistics/examples/{{task}}.csv",
    params:
        settings=study.report.significance_settings,
    log:
        f"{LOGS}/statistics/examples/{{task}}.log",
    resources:
        mem_mb=4000,
        runtime=120,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job examples"
        " --metrics {input.metrics:q}"
        " --task {input.task:q}"
        " --settings {params.settings:q}"
        " --output {output.pairs:q}"
        " > {log:q} 2>&1"
