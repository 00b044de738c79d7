"""
The page: everything a study found and what it rests on, in one file that opens offline.

IN   tables and figures of the report, and the records of corpora, tokenizers, tasks, models, tokenisation
     and efficiency
OUT  results/<study>/plan.json : what each stage was planned to take, and what it took
     results/<study>/costs.csv : what each job that made or fine-tuned a model took
     results/<study>/report.html
"""


rule plan:
    """Plan the study by what is known now, and compare that with what was measured."""
    input:
        corpora=study.corpora.statistics(),
        tokenizers=study.tokenizers.folders(),
        tasks=study.report.task_descriptions(),
        models=study.model_folders(),
        metrics=study.finetune.files(),
        modules=modules(
            "plan.py", "study/plan.py", "study/measured.py", "study/rates.py"
        ),
    output:
        plan=f"{RESULTS}/plan.json",
    params:
        study=study.report.written,
        own=study.tasks.own,
    log:
        f"{LOGS}/plan.log",
    resources:
        mem_mb=1000,
        runtime=30,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job plan"
        " --written @{params.study:q}"
        " --folder {params.own:q}"
        " --output {output.plan:q}"
        " > {log:q} 2>&1"


rule costs:
    """Collect what making and fine-tuning each model took: hours, energy, machine, code."""
    input:
        models=study.model_folders(),
        metrics=study.finetune.files(),
        modules=modules("report", *METRICS),
    output:
        costs=f"{RESULTS}/costs.csv",
    params:
        finetuned=study.report.finetuned_folder,
        settings=study.report.expected_runs,
    log:
        f"{LOGS}/costs.log",
    resources:
        mem_mb=1000,
        runtime=30,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job costs"
        " --models {input.models:q}"
        " --finetuned {params.finetuned:q}"
        " --settings {params.settings:q}"
        " --output {output.costs:q}"
        " > {log:q} 2>&1"


rule page:
    """Write the self-contained report page."""
    input:
        tables=expand(rules.table.output.html, table=study.study.tables),
        figures=expand(rules.figure.output.svg, figure=study.report.figures()),
        statistics=study.report.statistics(),
        examples=study.report.examples(),
        corpora=study.corpora.statistics(),
        tokenizers=study.tokenizers.folders(),
        tasks=study.report.task_descriptions(),
        models=study.model_folders(),
        curves=study.report.learning_curves(),
        tokenisation=study.report.tokenisations(),
        efficiency=study.efficiency.figures(),
        choices=study.report.choices(),
        costs=rules.costs.output.costs,
        plan=rules.plan.output.plan,
        modules=modules("statistics", "report", *METRICS),
    output:
        page=report(
            f"{RESULTS}/report.html",
            caption="../report/page.rst",
            category="Page",
            labels={"page": "whole report"},
        ),
    params:
        blocks=study.report.block_descriptions,
        study=study.report.written,
        text=study.report.text,
        lists=study.report.lists,
        identity=study.report.identity,
        significance=study.report.significance_settings,
        logs=study.report.logs_folder,
    log:
        f"{LOGS}/report.log",
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/report.yaml"
    shell:
        "python -m smelt job page"
        " --study @{params.study:q}"
        " --written {params.text:q}"
        " --significance {params.significance:q}"
        " --tables @{params.lists:q}/tables"
        " --figures @{params.lists:q}/figures"
        " --statistics @{params.lists:q}/statistics"
        " --examples @{params.lists:q}/examples"
        " --corpora @{params.lists:q}/corpora"
        " --blocks @{params.lists:q}/blocks"
        " --tokenizers @{params.lists:q}/tokenizers"
        " --tasks @{params.lists:q}/tasks"
        " --models @{params.lists:q}/models"
        " --curves @{params.lists:q}/curves"
        " --tokenisation @{params.lists:q}/tokenisation"
        " --efficiency @{params.lists:q}/efficiency"
        " --choices @{params.lists:q}/choices"
        " --costs {input.costs:q}"
        " --plan {input.plan:q}"
        " --logs {params.logs:q}"
        " --output {output.page:q}"
        " > {log:q} 2>&1"
