"""
Compresses fine-tuned models into small ones of another architecture, which stand where fine-tuned models stand.

IN   results/<study>/finetuned/<teacher>/<task>/seed-<seed>/model/ : the teacher, fine-tuned on the task
     results/<study>/tasks/<task>/, and corpora of transfer text
OUT  results/<study>/signals/<teacher>/<task>/seed-<seed>/<transfer text>/ : the teacher's outputs for it
     results/<study>/finetuned/<model>/<task>/seed-<seed>/ : metrics.json, predictions.parquet, provenance.json, model/
     results/<study>/models/<model>/ : the student of the first task and seed, for measurements of size and speed

Students of one teacher share its signals, whatever their architecture, strategy and layer; a layer that no other
imitates makes them again, and their students. Whether they are stored decides nothing else, and makes nothing again:
Snakemake does not compare params derived from inputs.
"""

COMPRESSED = f"{RESULTS}/finetuned/{{model}}/{{task}}/seed-{{seed}}"


rule signals:
    """Compute the signals of {wildcards.model}, fine-tuned on {wildcards.task}, for transfer text."""
    input:
        teacher=study.compress.signals_teacher,
        task=multiext(
            f"{RESULTS}/tasks/{{task}}/",
            "train.parquet",
            "unlabelled.parquet",
            "validation.parquet",
            "test.parquet",
            "task.json",
        ),
        documents=study.compress.signals_documents,
    output:
        signals=directory(
            f"{RESULTS}/signals/{{model}}/{{task}}/seed-{{seed}}/{{transfer}}"
        ),
    params:
        task=study.tasks.folder,
        settings=study.compress.signals_settings,
        kept=study.compress.signals_storage,
    wildcard_constraints:
        transfer=r"[a-z0-9._-]+",
    log:
        f"{LOGS}/signals/{{model}}/{{task}}/seed-{{seed}}/{{transfer}}.log",
    benchmark:
        f"{BENCHMARKS}/signals/{{model}}/{{task}}/seed-{{seed}}/{{transfer}}.tsv"
    threads: 4
    resources:
        gpu=study.compress.signals_gpus,
        mem_mb=study.compress.signals_memory,
        runtime=480,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job signals"
        " --teacher {input.teacher:q}"
        " --task {params.task:q}"
        " --documents {input.documents:q}"
        " --settings {params.settings:q}"
        " --kept {params.kept:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --output {output.signals:q}"
        " > {log:q} 2>&1"


rule compress:
    """Compress a student for {wildcards.task} with seed {wildcards.seed}: {wildcards.model}."""
    input:
        source=study.compress.source,
        teacher=study.compress.teacher,
        signals=study.compress.signals,
        vectors=study.compress.vectors,
        task=multiext(
            f"{RESULTS}/tasks/{{task}}/",
            "train.parquet",
            "validation.parquet",
            "test.parquet",
            "task.json",
        ),
    output:
        metrics=f"{COMPRESSED}/metrics.json",
        predictions=f"{COMPRESSED}/predictions.parquet",
        provenance=f"{COMPRESSED}/provenance.json",
        model=directory(f"{COMPRESSED}/model"),
    params:
        task=study.tasks.folder,
        folder=COMPRESSED,
        settings=study.compress.settings,
        checkpoints=f"{CHECKPOINTS}/finetuned/{{model}}/{{task}}/seed-{{seed}}",
    wildcard_constraints:
        model=names(study.compress.models),
    log:
        f"{LOGS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/finetuned/{{model}}/{{task}}/seed-{{seed}}.tsv"
    threads: 1
    resources:
        gpu=study.compress.gpus,
        mem_mb=study.compress.memory,
        runtime=1200,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job compress"
        " --source {input.source:q}"
        " --teacher {input.teacher:q}"
        " --signals {input.signals:q}"
        " --task {params.task:q}"
        " --seed {wildcards.seed:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --checkpoints {params.checkpoints:q}"
        " ${{SLURM_JOB_ID:+--minutes ${{SMELT_MINUTES:-{resources.runtime}}}}}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"


rule compressed:
    """Show one student of {wildcards.model} to measurements of size and speed."""
    input:
        model=study.compress.shown_student,
        provenance=study.compress.shown_provenance,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    wildcard_constraints:
        model=names(study.compress.models),
    log:
        f"{LOGS}/models/{{model}}.log",
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job compressed"
        " --model {input.model:q}"
        " --provenance {input.provenance:q}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"
