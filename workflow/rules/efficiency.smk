"""
Measures the efficiency of all models against each other.

IN   results/<study>/models/<model>/ of the models that are measured, and their exports in int8
OUT  results/<study>/efficiency/<model>.json : parameters, bytes, memory, loading time, latency, with the machine

One job measures all models, because ratios hold on a noisy machine only between neighbours in time; another model, or
another setting, measures all of them again.
"""


rule efficiency:
    """Measure size, memory, loading time and latency of all models, which alternate in one job."""
    input:
        models=study.efficiency.models(),
        int8=study.efficiency.int8(),
    output:
        figures=study.efficiency.figures(),
    params:
        settings=study.efficiency.settings,
        version=study.efficiency.version,
        folder=study.efficiency.folder,
    log:
        f"{LOGS}/efficiency.log",
    threads: 1
    resources:
        gpu=1,
        mem_mb=study.efficiency.memory,
        runtime=720,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job efficiency"
        " --models {input.models:q}"
        " --int8 {input.int8:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --memory {resources.mem_mb}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"
