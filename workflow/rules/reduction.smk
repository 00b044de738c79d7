"""
Reduces models to the pieces that some languages use.

IN   a model of any maker; counts of its tokenizer's pieces; the held-out documents of the same languages
OUT  results/<study>/models/<model>/ : the reduced model like any other, with reduction.json: what was kept, the proof

Steps: choose pieces by the counts, rewrite tokenizer and weights, prove that nothing else has changed.
"""


rule reduce:
    """Reduce a model to the pieces that the languages of {wildcards.model} use, and prove that it is exact."""
    input:
        source=study.source_of_model,
        counts=study.counts_of_model,
        held_out=study.held_out_of_model,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    params:
        settings=study.reduction_settings,
    wildcard_constraints:
        model=names(study.made_by("reduce")),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 4
    resources:
        mem_mb=8_000,
        runtime=240,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt reduce"
        " --model {input.source:q}"
        " --counts {input.counts:q}"
        " --held-out {input.held_out:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"
