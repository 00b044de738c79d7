"""Write the script of a job on SLURM: its command, as a step of the job, and the record that it leaves (`records`)."""

import shlex
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_slurm_jobstep import get_cpu_setting, get_gpu_setting, get_node_setting

from smelt.logs import EXIT_CODES
from smelt.slurm.records import END

MINUTES = "SMELT_MINUTES"
"""Names the variable with a job's time where an attempt has more than the rule asks for; rules hand it on."""
OF_THE_JOB = "SLURM_(JOB_?ID|CLUSTER_NAME|SUBMIT_DIR|SUBMIT_HOST|CONF)"
"""Variables that say which job it is, and where SLURM finds its settings."""


def script(folder: Path, tag: str, command: str, minutes: int | None = None) -> str:
    """Return the shell script of a job, which keeps the record of its command.

    Args:
        folder: of records.
        tag: the comment of the job in SLURM.
        command: in the shell's syntax.
        minutes: that the job has, if they are not those of its rule.
    """
    time = f"export {MINUTES}={minutes}\n" if minutes else ""
    # SLURM's SIGTERM at the end of a job goes to the script, too: that waits for its command, and writes the end.
    # A step of the job is described by its flags alone, as in Snakemake's own job steps: SLURM would add to them what
    # its variables ask for the whole job, such as tasks and GPUs.
    return f"""#!/bin/sh
trap : TERM
export {EXIT_CODES}={shlex.quote(str(folder.absolute()))}/"$SLURM_JOB_ID"
echo {shlex.quote(tag)} > "${EXIT_CODES}"
unset $(env | sed -nE 's/^((SLURM|SRUN|SBATCH)_[A-Za-z0-9_]+)=.*/\\1/p' | grep -vxE {shlex.quote(OF_THE_JOB)})
{time}{command}
code=$?
echo {END} $code >> "${EXIT_CODES}"
exit $code
"""


def step(job: Any) -> str:
    """Return what runs a command as one task with all that SLURM granted a job.

    A step gets the signals before the end of a job (preemption, `--signal`), and the script does not. The command of a
    job of several tasks (MPI) starts its steps itself.
    """
    if job.resources.get("mpi"):
        return ""
    has_gpu = bool(job.resources.get("gpu"))
    flags = [get_cpu_setting(job, has_gpu), get_gpu_setting(job), get_node_setting(job)]
    return f"srun --ntasks=1 --cpu-bind=quiet {' '.join(filter(None, flags))} "
