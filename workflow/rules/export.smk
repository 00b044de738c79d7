"""
Exports models for ONNX Runtime.

IN   results/<study>/models/<model>/ of another maker
OUT  results/<study>/models/<model>/ : model.onnx, configuration, tokenizer, card and provenance
     results/<study>/exports/int8/<model>/ : the same in int8, which goes once the model is weighed
"""


rule export:
    """Export {wildcards.model} for ONNX Runtime, and check it against its source."""
    input:
        source=study.export.source,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    params:
        settings=study.export.settings,
        version=study.export.version,
    wildcard_constraints:
        model=names(study.export.models),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 1
    resources:
        mem_mb=study.export.memory,
        runtime=60,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job export"
        " --source {input.source:q}"
        " --settings {params.settings:q}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"


rule weigh_int8:
    """Export {wildcards.model} in int8, for the size of it alone."""
    input:
        source=study.export.folder,
    output:
        model=temp(directory(f"{RESULTS}/exports/int8/{{model}}")),
    params:
        settings='{"format": "int8"}',
        version=study.export.version,
    log:
        f"{LOGS}/exports/int8/{{model}}.log",
    threads: 1
    resources:
        mem_mb=study.export.memory,
        runtime=60,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job export"
        " --source {input.source:q}"
        " --settings {params.settings:q}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"
