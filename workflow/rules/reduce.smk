"""
Reduces models to the pieces that some languages use, chosen by counts that serve all models of a vocabulary.

IN   results/<study>/corpora/<corpus>/<language>/documents.parquet
     results/<study>/tokenizers/<tokenizer>/ or results/<study>/models/<model>/ : whose pieces are counted
     a model of any maker
OUT  results/<study>/counts/<corpus>/<vocabulary>/<language>.parquet : lines, documents and occurrences of each piece
     results/<study>/models/<model>/ : the reduced model like any other, with reduction.json: what was kept, the proof

Steps: count pieces, choose some by the counts, rewrite tokenizer and weights, prove that nothing else has changed.
"""


rule count:
    """Count the pieces of {wildcards.vocabulary} in {wildcards.language} of {wildcards.corpus}."""
    input:
        documents=f"{RESULTS}/corpora/{{corpus}}/{{language}}/documents.parquet",
        tokenizer=study.tokenizers.folder_of_vocabulary,
    output:
        counts=f"{RESULTS}/counts/{{corpus}}/{{vocabulary}}/{{language}}.parquet",
    params:
        version=study.reduce.counting_version,
        shards=f"{CHECKPOINTS}/counts/{{corpus}}/{{vocabulary}}/{{language}}",
    wildcard_constraints:
        vocabulary=names(study.reduce.counted_vocabularies()),
    log:
        f"{LOGS}/counts/{{corpus}}/{{vocabulary}}/{{language}}.log",
    benchmark:
        f"{BENCHMARKS}/counts/{{corpus}}/{{vocabulary}}/{{language}}.tsv"
    threads: 4
    resources:
        mem_mb=6_000,
        runtime=240,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job count"
        " --documents {input.documents:q}"
        " --tokenizer {input.tokenizer:q}"
        " --language {wildcards.language:q}"
        " --threads {threads}"
        " --shards {params.shards:q}"
        " --output {output.counts:q}"
        " > {log:q} 2>&1"


rule count_sample:
    """Count the pieces of {wildcards.vocabulary} in some lines of {wildcards.language} of {wildcards.corpus}."""
    input:
        documents=f"{RESULTS}/corpora/{{corpus}}/{{language}}/documents.parquet",
        tokenizer=study.tokenizers.folder_of_vocabulary,
    output:
        counts=f"{RESULTS}/counts/{{corpus}}/{{vocabulary}}/sample-{{lines}}-seed-{{seed}}/{{language}}.parquet",
    params:
        version=study.reduce.counting_version,
    wildcard_constraints:
        vocabulary=names(study.reduce.counted_vocabularies()),
        lines=r"\d+",
    log:
        f"{LOGS}/counts/{{corpus}}/{{vocabulary}}/sample-{{lines}}-seed-{{seed}}/{{language}}.log",
    benchmark:
        f"{BENCHMARKS}/counts/{{corpus}}/{{vocabulary}}/sample-{{lines}}-seed-{{seed}}/{{language}}.tsv"
    threads: 1
    resources:
        mem_mb=6_000,
        runtime=240,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job count"
        " --documents {input.documents:q}"
        " --tokenizer {input.tokenizer:q}"
        " --language {wildcards.language:q}"
        " --sample {wildcards.lines:q}"
        " --seed {wildcards.seed:q}"
        " --output {output.counts:q}"
        " > {log:q} 2>&1"


rule reduce:
    """Reduce a model to the pieces that the languages of {wildcards.model} use, and prove that it is exact."""
    input:
        source=study.reduce.source,
        counts=study.reduce.counts,
        held_out=study.reduce.documents,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    params:
        settings=study.reduce.settings,
    wildcard_constraints:
        model=names(study.reduce.models),
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
        "python -m smelt job reduce"
        " --model {input.source:q}"
        " --counts {input.counts:q}"
        " --held-out {input.held_out:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"
