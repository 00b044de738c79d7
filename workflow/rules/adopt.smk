"""
Adopts published models.

IN   a repository of the Hugging Face hub at a pinned revision, or a local folder
OUT  results/<study>/models/<model>/ : a Hugging Face folder with its card and provenance

Where a model comes from the hub, they run where Snakemake runs: compute nodes need no network.
"""


rule adopt:
    """Bring in {wildcards.model} from the hub, at its pinned revision, or from a folder."""
    localrule: study.adopt.needs_network
    input:
        folder=study.adopt.folder,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    params:
        source=study.adopt.published,
    wildcard_constraints:
        model=names(study.adopt.models),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 1
    resources:
        mem_mb=8_000,
        runtime=120,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job adopt"
        " --source {params.source:q}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"
