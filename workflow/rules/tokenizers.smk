"""
Makes tokenizers, and encodes each language's documents with them, once for all models that read them.

IN   results/<study>/corpora/<corpus>/<language>/documents.parquet
OUT  results/<study>/tokenizers/<tokenizer>/ : a folder that AutoTokenizer loads, with its algorithm's own files
     (spiece.model; vocab.txt; vocab.json and merges.txt) and statistics.json
     results/<study>/blocks/<corpus>/<vocabulary>/<packing>-<n>/<language>/ : packed blocks of token ids, of a tokenizer
     or of the model whose tokenizer it is
"""


rule tokenizer:
    """Train {wildcards.tokenizer} on one seeded sample of its corpus."""
    input:
        documents=study.tokenizers.documents,
    output:
        tokenizer=directory(f"{RESULTS}/tokenizers/{{tokenizer}}"),
    params:
        settings=study.tokenizers.settings,
    log:
        f"{LOGS}/tokenizers/{{tokenizer}}.log",
    benchmark:
        f"{BENCHMARKS}/tokenizers/{{tokenizer}}.tsv"
    threads: 4
    resources:
        mem_mb=study.tokenizers.memory,
        runtime=480,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job tokenizer"
        " --documents {input.documents:q}"
        " --settings {params.settings:q}"
        " --output {output.tokenizer:q}"
        " > {log:q} 2>&1"


rule blocks:
    """Encode {wildcards.language} of {wildcards.corpus} with {wildcards.vocabulary} into packed blocks."""
    input:
        documents=f"{RESULTS}/corpora/{{corpus}}/{{language}}/documents.parquet",
        tokenizer=study.tokenizers.folder_of_vocabulary,
    output:
        blocks=directory(
            f"{RESULTS}/blocks/{{corpus}}/{{vocabulary}}/{{packing}}-{{length}}/{{language}}"
        ),
    params:
        version=study.tokenizers.blocks_version,
    wildcard_constraints:
        vocabulary=names(study.tokenizers.blocked_vocabularies()),
        packing="stream|sentences|lines",
        length=r"\d+",
    log:
        f"{LOGS}/blocks/{{corpus}}/{{vocabulary}}/{{packing}}-{{length}}/{{language}}.log",
    benchmark:
        f"{BENCHMARKS}/blocks/{{corpus}}/{{vocabulary}}/{{packing}}-{{length}}/{{language}}.tsv"
    threads: 4
    resources:
        mem_mb=4_000,
        runtime=480,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job blocks"
        " --documents {input.documents:q}"
        " --tokenizer {input.tokenizer:q}"
        " --length {wildcards.length:q}"
        " --packing {wildcards.packing:q}"
        " --threads {threads}"
        " --output {output.blocks:q}"
        " > {log:q} 2>&1"
