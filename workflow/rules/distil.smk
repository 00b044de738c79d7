"""
Distils models: a smaller one learns on raw text to predict what its teachers predict.

IN   teachers of any maker but export, and token blocks of their tokenizer
OUT  results/<study>/models/<model>/ : a Hugging Face folder with its card and provenance
     logs/<study>/models/<model>.curve.csv : the learning curve, and .events beside it

How often checkpoints are written, how many rows pass at once and the like make no other model. So `settings`, which
the command gets, is a param that Snakemake does not compare (its function takes `input`); it compares `identity`.
"""


rule distil:
    """Distil {wildcards.model} from its teachers on blocks of their tokenizer."""
    input:
        blocks=study.distil.blocks,
        teachers=study.distil.teachers,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
        curve=f"{LOGS}/models/{{model}}.curve.csv",
    params:
        settings=study.distil.settings,
        identity=study.distil.identity,
        checkpoints=study.paths.model_checkpoints("{model}"),
    wildcard_constraints:
        model=names(study.distil.models),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 8
    resources:
        gpu=study.distil.gpus,
        nodes=1,
        mem_mb=study.distil.memory,
        runtime=study.distil.minutes,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job distil"
        " --blocks {input.blocks:q}"
        " --teachers {input.teachers:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --nodes {resources.nodes}"
        " --checkpoints {params.checkpoints:q}"
        " ${{SLURM_JOB_ID:+--minutes ${{SMELT_MINUTES:-{resources.runtime}}}}}"
        " --output {output.model:q}"
        " --curve {output.curve:q}"
        " > {log:q} 2>&1"
