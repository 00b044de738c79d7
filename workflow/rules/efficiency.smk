"""
Exports models for ONNX Runtime, and measures the efficiency of all models against each other.

IN   results/<study>/models/<model>/ of the models that are exported or measured
OUT  results/<study>/models/<model>/ of exported ones: model.onnx, configuration, tokenizer, card and provenance
     results/<study>/efficiency/<model>.json : parameters, bytes, memory, loading time, latency, with the machine

One job measures all models, because ratios hold on a noisy machine only between neighbours in time; another model, or
another setting, measures all of them again.
"""


rule export:
    """Export {wildcards.model} for ONNX Runtime, and check it against its source."""
    input:
        source=study.exported_source,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    params:
        settings=study.export_settings,
        version=study.export_version,
    wildcard_constraints:
        model=names(study.made_by("export")),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 1
    resources:
        mem_mb=study.export_memory,
        runtime=60,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt export"
        " --source {input.source:q}"
        " --settings {params.settings:q}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"


rule weigh_int8:
    """Export {wildcards.model} in int8, for the size of it alone."""
    input:
        source=study.model_folder,
    output:
        model=temp(directory(f"{RESULTS}/exports/int8/{{model}}")),
    params:
        settings='{"format": "int8"}',
        version=study.export_version,
    log:
        f"{LOGS}/exports/int8/{{model}}.log",
    threads: 1
    resources:
        mem_mb=study.export_memory,
        runtime=60,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt export"
        " --source {input.source:q}"
        " --settings {params.settings:q}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"


rule efficiency:
    """Measure size, memory, loading time and latency of all models in turn, in one job."""
    input:
        models=study.measured_folders(),
        int8=study.int8_exports(),
    output:
        figures=study.efficiencies(),
    params:
        settings=study.efficiency_settings,
        version=study.efficiency_version,
        folder=study.efficiency_folder,
    log:
        f"{LOGS}/efficiency.log",
    threads: 1
    resources:
        gpu=1,
        mem_mb=study.efficiency_memory,
        runtime=720,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt efficiency"
        " --models {input.models:q}"
        " --int8 {input.int8:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --memory {resources.mem_mb}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"
