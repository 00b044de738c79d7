"""Starts a command again in several processes with torchrun: one per GPU, on this machine or on all of a SLURM job."""

import logging
import os
import signal
import subprocess
import sys
from typing import Any

from smelt.errors import ERROR, RESUMABLE, Killed, SmeltError, Unfinished

PORTS = range(20_000, 60_000)

SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"  # passed on to the processes; other signals end only the launcher
LAST_CHECKPOINT = 600  # seconds that processes have to end their step and keep a checkpoint before they are killed


def processes_per_node(gpus: int, nodes: int, processes: int | None) -> int:
    """Return how many processes to start on each machine: one for each of its GPUs, or `processes` on CPUs.

    Args:
        gpus: of the whole job, as SLURM counts them; 0 means one process on the CPU of each machine.
        nodes: machines of the job.
        processes: on each machine, if there are no GPUs.

    Raises:
        SmeltError: the GPUs cannot be spread evenly over the machines, this machine has fewer than the job asked for,
            or it has GPUs and a number of CPU processes is given.
    """
    import torch

    found = torch.cuda.device_count()
    if processes is not None:
        if found:
            raise SmeltError("--processes", f"is for machines without GPUs, and this one has {found}; expected --gpus")
        return processes
    if gpus % nodes:
        raise SmeltError("--gpus", f"{gpus} GPUs cannot be the same number on each of {nodes} machines")
    wanted = gpus // nodes
    if found < wanted and (found or wanted > 1):
        have = f"this machine shows {found} GPUs"
        raise SmeltError("--gpus", f"{wanted} were asked for, {have}. Ask the scheduler for them, or for fewer")
    return max(wanted, 1)


def launch(words: list[str], processes: int, nodes: int) -> int:
    """Run `python -m smelt <words>` in several processes; return the exit code for this process.

    Raises:
        SmeltError: several machines without a SLURM job that has them.
    """
    if nodes > 1 and "SMELT_RENDEZVOUS" not in os.environ:
        return _on_all_nodes(words, nodes)
    return _on_this_node(words, processes, nodes)


def _on_this_node(words: list[str], processes: int, nodes: int) -> int:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous.api import RendezvousError
    from torch.distributed.launcher.api import elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the command has printed the error
    try:
        elastic_launch(_configuration(processes, nodes), sys.executable)("-m", "smelt", *words)
    except ChildFailedError as failed:
        return code_of({rank: failure.exitcode for rank, failure in failed.failures.items()})
    except SignalException:
        return RESUMABLE  # the processes got the signal, too, and kept their checkpoint
    except UnboundLocalError as error:
        # torch 2.13: a signal just before its timer of monitoring begins is hidden by this error, raised in its place.
        if not isinstance(error.__context__, SignalException):
            raise
        return RESUMABLE
    except RendezvousError as error:
        lost = f"the machines of the job have lost each other, or never met ({error}). Run again to go on"
        raise Unfinished("--nodes", lost) from None
    return 0


def code_of(exits: dict[int, int]) -> int:
    """Return the exit code for those of failed processes, by rank.

    Raises:
        Killed: one was killed, so it could not print an error itself.
    """
    if RESUMABLE in exits.values():
        return RESUMABLE
    for rank, code in exits.items():
        if code < 0 and -code != signal.SIGTERM:  # with SIGTERM torchrun ends the others once one has failed
            advice = "SIGKILL mostly means that memory ran out: ask for more, or set a smaller machine.micro_batch"
            raise Killed(f"process {rank}", f"was killed by {signal.Signals(-code).name}. {advice}")
    # The lowest is that of an error to fix first, if there is one. Above 128 are those that torchrun ended.
    return min((code for code in exits.values() if 0 < code < 128), default=ERROR)


def _configuration(processes: int, nodes: int) -> Any:
    from torch.distributed.launcher.api import LaunchConfig

    endpoint = os.environ.get("SMELT_RENDEZVOUS", "localhost:0")
    # The first machine may not recognise its own address.
    meeting = {"is_host": os.environ.get("SLURM_PROCID") == "0"} if nodes > 1 else {}
    return LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=processes,
        run_id=os.environ.get("SLURM_JOB_ID", str(os.getpid())),
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        local_addr="localhost" if nodes == 1 else None,  # not every machine can resolve its own name
        rdzv_configs={"timeout": 600, "read_timeout": 600} | meeting,  # seconds: shared file systems start slowly
        max_restarts=0,  # the user or the scheduler's retries handle failures
        monitor_interval=0.2,
        signals_to_handle=SIGNALS,
        shutdown_timeout=LAST_CHECKPOINT,
    )


def _on_all_nodes(words: list[str], nodes: int) -> int:
    """Start this command on every machine of the SLURM job; they meet at the first one."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        raise SmeltError("--nodes", f"{nodes} machines need a SLURM job that has them; found none")
    hosts = _words_of(
        "scontrol", "show", "hostnames", *_words_of("squeue", "--noheader", "--format=%N", f"--job={job}")
    )
    if len(hosts) < nodes:
        raise SmeltError("--nodes", f"{nodes} machines were asked for, the job has {len(hosts)}: {' '.join(hosts)}")
    cores = os.environ.get("SLURM_CPUS_ON_NODE") or len(os.sched_getaffinity(0))
    step = ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={nodes}", f"--cpus-per-task={cores}"]
    # SLURM's variables of the present job step would bind the new one to a single machine.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SRUN_"))}
    environment |= {"SLURM_JOB_ID": job, "SMELT_RENDEZVOUS": f"{_address(hosts[0])}:{PORTS[int(job) % len(PORTS)]}"}
    with subprocess.Popen([*step, sys.executable, "-m", "smelt", *words], env=environment) as process:
        # srun passes SIGTERM and SIGUSR1 on; at SIGINT it would only print the state of its tasks.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            handed_on = signal.SIGTERM if number == signal.SIGINT else number
            signal.signal(number, lambda *_, handed_on=handed_on: process.send_signal(handed_on))
        return process.wait()


def _address(host: str) -> str:
    """Return the address of a machine of the cluster, which may differ from its name in SLURM."""
    said = _words_of("scontrol", "show", "node", host)
    return next((word.removeprefix("NodeAddr=") for word in said if word.startswith("NodeAddr=")), host)


def _words_of(*command: str) -> list[str]:
    """Return the words that a command of SLURM prints."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except OSError as error:
        raise SmeltError("--nodes", f"SLURM cannot be asked for the job's machines ({error})") from None
    except subprocess.CalledProcessError as error:  # its controller may be away
        said = " ".join(error.stderr.split()) or str(error)
        unsaid = f"SLURM does not say which machines the job has ({said}). Run again to go on"
        raise Unfinished("--nodes", unsaid) from None
