"""
Makes documents: one Parquet file a language, from a Wikipedia dump, text files or both.

IN   mirrors of the dumps server (or local folders laid out as one, or archives), and the study's text files
OUT  resources/dumps/<wiki>/<date>/ : the verified parts of a dump, shared by all studies
     results/<study>/corpora/<corpus>/<language>/ : documents.parquet and statistics.json

Cut downloads wait in resources/.partial/ to be resumed. Extraction accounts for every page of a dump.
"""


rule download:
    """Download {wildcards.wiki} of {wildcards.date} and verify every part against the sums of its mirror."""
    input:
        mirrored=study.corpora.mirrored_folder,
    output:
        dump=directory("resources/dumps/{wiki}/{date}"),
    params:
        mirror=study.corpora.mirror,
        partial="resources/.partial/{wiki}-{date}",
    wildcard_constraints:
        wiki="[a-z_]+wiki",
        date=r"20\d{6}",
    log:
        "logs/dumps/{wiki}-{date}.log",
    benchmark:
        "benchmarks/dumps/{wiki}-{date}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=1440,
        connections=1,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt download"
        " --wiki {wildcards.wiki:q}"
        " --date {wildcards.date:q}"
        " --mirror {params.mirror:q}"
        " --partial {params.partial:q}"
        " --output {output.dump:q}"
        " > {log:q} 2>&1"


rule documents:
    """Extract the documents of {wildcards.language} in {wildcards.corpus}; some are held out for validation."""
    input:
        dumps=study.corpora.dumps,
        texts=study.corpora.texts,
    output:
        documents=f"{RESULTS}/corpora/{{corpus}}/{{language}}/documents.parquet",
        statistics=f"{RESULTS}/corpora/{{corpus}}/{{language}}/statistics.json",
    params:
        texts=study.corpora.named_texts,
        held_out=study.corpora.held_out,
        skip_pages=study.corpora.skipped_pages,
    log:
        f"{LOGS}/corpora/{{corpus}}/{{language}}.log",
    benchmark:
        f"{BENCHMARKS}/corpora/{{corpus}}/{{language}}.tsv"
    threads: 4
    resources:
        mem_mb=8_000,
        runtime=1440,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt documents"
        " --language {wildcards.language:q}"
        " --dump {input.dumps:q}"
        " --text {params.texts:q}"
        " --held-out {params.held_out}"
        " --skip-pages {params.skip_pages:q}"
        " --workers {threads}"
        " ${{SLURM_JOB_ID:+--minutes {resources.runtime}}}"
        " --output-documents {output.documents:q}"
        " --statistics {output.statistics:q}"
        " > {log:q} 2>&1"
