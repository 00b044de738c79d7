"""
Generates the demo study's data from a seed: three invented languages, their encyclopaedias and two tasks.

IN   nothing but a seed; these rules run where a study's mirror or a task's folder lies under resources/demo/
OUT  resources/demo/dumps/<wiki>/<date>/ : a dump as the dumps server lays it out
     resources/demo/tasks/<task>/ : a file for each split and language
"""

from smelt.demo import GENERATOR_VERSION, SEED


rule demo_dump:
    """Write the dump of {wildcards.wiki}: MediaWiki XML with its status file and checksums."""
    output:
        dump=directory("resources/demo/dumps/{wiki}/{date}"),
    params:
        seed=SEED,
        version=GENERATOR_VERSION,
    wildcard_constraints:
        wiki="qa[abc]wiki",
        date=r"20\d{6}",
    log:
        "logs/resources/demo/dumps/{wiki}-{date}.log",
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job demo-data"
        " --wiki {wildcards.wiki:q}"
        " --date {wildcards.date:q}"
        " --seed {params.seed:q}"
        " --version {params.version:q}"
        " --output {output.dump:q}"
        " > {log:q} 2>&1"


rule demo_task:
    """Write the splits of {wildcards.task}, one file a language."""
    output:
        train=expand(
            "resources/demo/tasks/{{task}}/train-{language}.{{ending}}",
            language=["qaa", "qab", "qac"],
        ),
        validation=expand(
            "resources/demo/tasks/{{task}}/validation-{language}.{{ending}}",
            language=["qaa", "qab", "qac"],
        ),
        test=expand(
            "resources/demo/tasks/{{task}}/test-{language}.{{ending}}",
            language=["qaa", "qab", "qac"],
        ),
    params:
        folder="resources/demo/tasks/{task}",
        seed=SEED,
        version=GENERATOR_VERSION,
    wildcard_constraints:
        task="demo-ner|demo-intent",
        ending="conll|tsv",
    log:
        "logs/resources/demo/tasks/{task}.{ending}.log",
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job demo-data"
        " --task {wildcards.task:q}"
        " --seed {params.seed:q}"
        " --version {params.version:q}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"
