"""
Makes documents: one Parquet file a language, from Wikipedia dumps, data sets, text files or several of these.

IN   mirrors of the dumps server (or local folders laid out as one, or archives), the Hugging Face hub, and the
     study's folders and text files
OUT  resources/dumps/<wiki>/<date>/ : the verified parts of a dump, shared by all studies
     resources/datasets/<repository>/<commit>/<configuration>-<split>/ : a data set of the hub, likewise
     results/<study>/corpora/<corpus>/<language>/ : documents.parquet and statistics.json

What needs a network runs where Snakemake runs, so that compute nodes need none. Cut downloads wait in
resources/.partial/ to be resumed. Extraction accounts for every page of a dump.
"""


rule download:
    """Download {wildcards.wiki} of {wildcards.date} and verify every part against the sums of its mirror."""
    localrule: True
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
    threads: 0  # it waits for the network
    resources:
        mem_mb=500,
        runtime=1440,
        connections=1,
        downloads_per_host=2,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job download"
        " --wiki {wildcards.wiki:q}"
        " --date {wildcards.date:q}"
        " --mirror {params.mirror:q}"
        " --partial {params.partial:q}"
        " --downloads-per-host {resources.downloads_per_host}"
        " --output {output.dump:q}"
        " > {log:q} 2>&1"


rule dataset:
    """Bring {wildcards.fetched} here from the hub."""
    localrule: True
    output:
        fetched=directory("resources/datasets/{fetched}"),
    params:
        settings=study.corpora.fetching,
    wildcard_constraints:
        fetched=names(study.corpora.fetched),
    log:
        "logs/datasets/{fetched}.log",
    threads: 0  # it waits for the network
    resources:
        mem_mb=2_000,
        runtime=1440,
        connections=1,
        downloads_per_host=2,
    conda:
        "../../envs/data.yaml"
    shell:
        "python -m smelt job dataset"
        " --settings {params.settings:q}"
        " --downloads-per-host {resources.downloads_per_host}"
        " --output {output.fetched:q}"
        " > {log:q} 2>&1"


rule documents:
    """Extract the documents of {wildcards.language} in {wildcards.corpus}; some are held out for validation."""
    input:
        dumps=study.corpora.dumps,
        fetched=study.corpora.fetched_folders,
        folders=study.corpora.data_set_folders,
        texts=study.corpora.texts,
        tests=study.corpora.tests,
    output:
        documents=f"{RESULTS}/corpora/{{corpus}}/{{language}}/documents.parquet",
        statistics=f"{RESULTS}/corpora/{{corpus}}/{{language}}/statistics.json",
    params:
        data_sets=study.corpora.data_sets,
        texts=study.corpora.named_texts,
        held_out=study.corpora.held_out,
        skip_pages=study.corpora.skipped_pages,
        reading=study.corpora.reading,
        cleaning=study.corpora.cleaning,
        tests=study.corpora.named_tests,
        version=study.corpora.extraction_version,
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
        "python -m smelt job documents"
        " --language {wildcards.language:q}"
        " --dump {input.dumps:q}"
        " --data-set {params.data_sets:q}"
        " --fetched {input.fetched:q}"
        " --text {params.texts:q}"
        " --held-out {params.held_out:q}"
        " --skip-pages {params.skip_pages:q}"
        " {params.reading:q}"
        " --cleaning {params.cleaning:q}"
        " --tests {params.tests:q}"
        " --workers {threads}"
        " --output-documents {output.documents:q}"
        " --statistics {output.statistics:q}"
        " > {log:q} 2>&1"
