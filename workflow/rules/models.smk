"""
Makes models: one rule per maker, all writing the same folder.

IN   the study's model entry, and what its maker needs (token blocks and their tokenizer, teachers, a published model)
OUT  results/<study>/models/<model>/ : a Hugging Face folder with its card and provenance
     logs/<study>/models/<model>.curve.csv : the learning curve of a trained model, and .events beside it

How often checkpoints are written, how many rows pass at once and the like make no other model. So `settings`, which
the command gets, is a param that Snakemake does not compare (its function takes `input`); it compares `identity`.
"""


rule pretrain:
    """Pretrain {wildcards.model} from scratch on the blocks of its tokenizer."""
    input:
        blocks=study.blocks_of_model,
        tokenizer=study.tokenizer_of_model,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
        curve=f"{LOGS}/models/{{model}}.curve.csv",
    params:
        settings=study.pretraining_settings,
        identity=study.pretraining_identity,
        checkpoints=f"{CHECKPOINTS}/models/{{model}}",
    wildcard_constraints:
        model=names(study.made_by("pretrain")),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 8
    resources:
        gpu=study.pretraining_gpus,
        nodes=1,
        mem_mb=study.pretraining_memory,
        runtime=study.pretraining_minutes,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt pretrain"
        " --blocks {input.blocks:q}"
        " --tokenizer {input.tokenizer:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --nodes {resources.nodes}"
        " --checkpoints {params.checkpoints:q}"
        " --minutes {resources.runtime}"
        " --output {output.model:q}"
        " --curve {output.curve:q}"
        " > {log:q} 2>&1"


rule distil:
    """Distil {wildcards.model} from its teachers on blocks of their tokenizer."""
    input:
        blocks=study.blocks_of_model,
        teachers=study.teachers_of_model,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
        curve=f"{LOGS}/models/{{model}}.curve.csv",
    params:
        settings=study.distillation_settings,
        identity=study.distillation_identity,
        checkpoints=f"{CHECKPOINTS}/models/{{model}}",
    wildcard_constraints:
        model=names(study.made_by("distil")),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 8
    resources:
        gpu=study.distillation_gpus,
        nodes=1,
        mem_mb=study.distillation_memory,
        runtime=study.distillation_minutes,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt distil"
        " --blocks {input.blocks:q}"
        " --teachers {input.teachers:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --nodes {resources.nodes}"
        " --checkpoints {params.checkpoints:q}"
        " --minutes {resources.runtime}"
        " --output {output.model:q}"
        " --curve {output.curve:q}"
        " > {log:q} 2>&1"


rule adopt:
    """Bring in {wildcards.model} from the hub, at its pinned revision, or from a folder."""
    input:
        folder=study.adopted_folder,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
    params:
        source=study.adopted_source,
    wildcard_constraints:
        model=names(study.made_by("adopt")),
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
        "python -m smelt adopt"
        " --source {params.source:q}"
        " --output {output.model:q}"
        " > {log:q} 2>&1"
