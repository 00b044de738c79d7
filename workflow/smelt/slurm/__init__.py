"""Run Snakemake's jobs on SLURM so that a run outlives what happens to controllers, nodes, jobs and itself.

`queue` asks SLURM, `job_script` is what it runs, `records` reads what jobs leave behind, `endings` decides what the end
of a job means, `orphans` finds the jobs of killed runs, and `executor` is Snakemake's executor `smelt-slurm`, which
builds on the one of snakemake-executor-plugin-slurm. `python -m smelt.slurm` is the Snakemake of a job.
"""
