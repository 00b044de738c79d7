"""Start the Snakemake of a job on SLURM: `python -m smelt.slurm` is `python -m snakemake` that starts sooner.

It runs the job's command with Snakemake's own local executor. Plugins of other executors stay out: that of SLURM loads
pandas, a quarter of the start. Nor does it look for garbage while it imports, as the Snakefile does not afterwards.
"""

import gc

from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry


def main() -> None:
    """Run Snakemake, whose arguments are those of this command."""
    gc.set_threshold(100_000)
    ExecutorPluginRegistry.module_prefix = "no_plugin_"  # begins the names of the packages that it imports
    from snakemake.cli import main as snakemake  # collects the plugins

    snakemake()


if __name__ == "__main__":
    main()
