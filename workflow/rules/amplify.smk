"""
Amplifies models: pieces for some languages are learnt from their texts and added behind those that a model has.

IN   results/<study>/corpora/<corpus>/<language>/documents.parquet
     a model of any maker
OUT  results/<study>/models/<model>/ : the amplified model like any other, with amplification.json: what was added, the
     proof that all else is as it was

Steps: learn pieces, rewrite tokenizer and weights, prove that nothing else has changed.
"""


rule amplify:
    """Add the pieces that the languages of {wildcards.model} need most, and prove that all else is as it was."""
    input:
        source=study.amplify.source,
        documents=study.amplify.documents,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    params:
        settings=study.amplify.settings,
    wildcard_constraints:
        model=names(study.amplify.models),
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
        "python -m smelt job amplify"
        " --model {input.source:q}"
        " --documents {input.documents:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"
