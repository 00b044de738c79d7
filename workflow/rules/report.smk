"""
Reports: from the metrics of every run to tables with significance, figures and one page.

IN   metrics and predictions of the fine-tuned models, and the records of their tasks and of all they rest on, and their modules
OUT  results/<study>/scores.csv, statistics/*.csv, tables/*, figures/*, report.html
"""


rule scores:
    """Gather the scores of all fine-tuned models of the study."""
    input:
        metrics=study.finetune.files(),
        modules=modules("report", *METRICS),
    output:
        scores=f"{RESULTS}/scores.csv",
    params:
        finetuned=study.report.finetuned_folder,
        settings=study.report.expected_runs,
    log:
        f"{LOGS}/scores.log",
    resources:
        mem_mb=1000,
        runtime=30,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job scores"
        " --finetuned {params.finetuned:q}"
        " --settings {params.settings:q}"
        " --output {output.scores:q}"
        " > {log:q} 2>&1"


rule compare:
    """Test which differences between models are significant, within tasks and across them."""
    input:
        scores=rules.scores.output.scores,
        modules=modules("statistics", "report", *METRICS),
    output:
        summary=f"{RESULTS}/statistics/summary.csv",
        pairs=report(
            f"{RESULTS}/statistics/pairs.csv",
            caption="../report/pairs.rst",
            category="Significance",
            labels={"compared": "models within a task"},
        ),
        across=report(
            f"{RESULTS}/statistics/across.csv",
            caption="../report/across.rst",
            category="Significance",
            labels={"compared": "models across tasks"},
        ),
    params:
        settings=study.report.significance_settings,
    log:
        f"{LOGS}/compare.log",
    resources:
        mem_mb=2000,
        runtime=60,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job compare"
        " --scores {input.scores:q}"
        " --settings {params.settings:q}"
        " --summary {output.summary:q}"
        " --pairs {output.pairs:q}"
        " --across {output.across:q}"
        " > {log:q} 2>&1"


rule table:
    """Write {wildcards.table} as numbers, and as a table for papers and pages."""
    input:
        sources=study.report.table_sources,
        tasks=study.report.table_tasks,
        modules=modules("statistics", "report", *METRICS),
    output:
        csv=f"{RESULTS}/tables/{{table}}.csv",
        markdown=f"{RESULTS}/tables/{{table}}.md",
        latex=f"{RESULTS}/tables/{{table}}.tex",
        html=report(
            f"{RESULTS}/tables/{{table}}.html",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    params:
        settings=study.report.table_settings,
        significance=study.report.significance_settings,
    wildcard_constraints:
        table=names(study.study.tables),
    log:
        f"{LOGS}/tables/{{table}}.log",
    resources:
        short_jobs=1,
        mem_mb=2000,
        runtime=10,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job table"
        " --name {wildcards.table:q}"
        " --settings {params.settings:q}"
        " --significance {params.significance:q}"
        " --sources {input.sources:q}"
        " --tasks {input.tasks:q}"
        " --csv {output.csv:q}"
        " --markdown {output.markdown:q}"
        " --latex {output.latex:q}"
        " --html {output.html:q}"
        " > {log:q} 2>&1"


rule figure:
    """Draw {wildcards.figure}."""
    input:
        sources=study.report.figure_sources,
        modules=modules("statistics", "report", *METRICS),
    output:
        svg=report(
            f"{RESULTS}/figures/{{figure}}.svg",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        png=f"{RESULTS}/figures/{{figure}}.png",
        chart=f"{RESULTS}/figures/{{figure}}.json",
    params:
        settings=study.report.figure_settings,
    wildcard_constraints:
        figure=names(study.report.figures()),
    log:
        f"{LOGS}/figures/{{figure}}.log",
    resources:
        short_jobs=1,
        mem_mb=2000,
        runtime=10,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job figure"
        " --name {wildcards.figure:q}"
        " --sources {input.sources:q}"
        " --settings {params.settings:q}"
        " --svg {output.svg:q}"
        " --png {output.png:q}"
        " --chart {output.chart:q}"
        " > {log:q} 2>&1"
