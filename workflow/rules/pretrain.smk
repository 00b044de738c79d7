"""
Pretrains models from scratch.

IN   token blocks and their tokenizer
OUT  results/<study>/models/<model>/ : a Hugging Face folder with its card and provenance
     logs/<study>/models/<model>.curve.csv : the learning curve, and .events beside it

How often checkpoints are written, how many rows pass at once and the like make no other model. So `settings`, which
the command gets, is a param that Snakemake does not compare (its function takes `input`); it compares `identity`.
"""


rule pretrain:
    """Pretrain {wildcards.model} from scratch on the blocks of its tokenizer."""
    input:
        blocks=study.pretrain.blocks,
        tokenizer=study.pretrain.tokenizer,
    output:
        model=directory(f"{RESULTS}/models/{{model}}"),
        curve=f"{LOGS}/models/{{model}}.curve.csv",
    params:
        settings=study.pretrain.settings,
        identity=study.pretrain.identity,
        checkpoints=study.paths.model_checkpoints("{model}"),
    wildcard_constraints:
        model=names(study.pretrain.models),
    log:
        f"{LOGS}/models/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/models/{{model}}.tsv"
    threads: 8
    resources:
        gpu=study.pretrain.gpus,
        nodes=1,
        mem_mb=study.pretrain.memory,
        runtime=study.pretrain.minutes,
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smelt job pretrain"
        " --blocks {input.blocks:q}"
        " --tokenizer {input.tokenizer:q}"
        " --settings {params.settings:q}"
        " --threads {threads}"
        " --gpus {resources.gpu}"
        " --nodes {resources.nodes}"
        " --checkpoints {params.checkpoints:q}"
        " ${{SLURM_JOB_ID:+--minutes ${{SMELT_MINUTES:-{resources.runtime}}}}}"
        " --output {output.model:q}"
        " --curve {output.curve:q}"
        " > {log:q} 2>&1"
