"""The name under which Snakemake finds the executor `smelt-slurm`, which is `smelt.slurm.executor`."""

from snakemake_executor_plugin_slurm import common_settings

from smelt.slurm.executor import Executor, ExecutorSettings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
