"""
Prepares tasks: from their publishers' files to one layout, with the labels of spans in IOB2.

IN   the task's file, tasks/<task>.yaml beside the study or smelt's own, and the files it names (or a data set
     of the hub at a pinned revision)
OUT  results/<study>/tasks/<task>/ : train, validation and test as Parquet, task.json, and in unlabelled the training
     texts that a limit left out; of retrieval also passages.parquet, which belongs to task.json
"""

TASK = f"{RESULTS}/tasks/{{task}}"


rule task:
    """Read, check and convert the splits of {wildcards.task}."""
    localrule: study.tasks.needs_network
    input:
        sources=study.tasks.sources,
    output:
        train=f"{TASK}/train.parquet",
        validation=f"{TASK}/validation.parquet",
        test=f"{TASK}/test.parquet",
        unlabelled=f"{TASK}/unlabelled.parquet",
        description=f"{TASK}/task.json",
    params:
        folder=TASK,
        definition=study.tasks.definition,
        limit=study.tasks.limit,
        validation_limit=study.tasks.validation_limit,
        per=study.tasks.per,
        task=study.tasks.file,
        own=study.tasks.own,
    log:
        f"{LOGS}/tasks/{{task}}.log",
    threads: 1
    resources:
        mem_mb=6_000,
        runtime=60,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job task"
        " --name {wildcards.task:q}"
        " --task {params.task:q}"
        " --folder {params.own:q}"
        " --limit {params.limit:q}"
        " --validation-limit {params.validation_limit:q}"
        " --per {params.per:q}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"
