"""How much electricity a job takes, and what that emits: codecarbon, offline, for this process and its children.

Several jobs share a machine, so a processor's energy is estimated from the CPU time of this process and its children,
and the processor's rated power. Where the processor counts its energy (RAPL), its counters are read instead; they cover
the whole machine, other jobs too. GPUs count theirs (NVML), and only those that the job uses are read. `known_by` says
which it was.

Three things are set right in codecarbon 3.3.2's estimate. Under SLURM it divides CPU time by the CPUs of the job but
multiplies it by the power of all CPUs of the node; here both are of the node. It looks at children once a second and
never sees those that end between two looks; here the CPU time of ended children comes from the operating system. And it
multiplies the power that it guesses for all threads of an unknown processor by the number of sockets.
"""

import importlib.metadata
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Self

SECONDS_BETWEEN_SAMPLES = 15
WATTS_OF_UNKNOWN_CPU = 4  # codecarbon's guess
DIGITS = 4  # of a figure for people to read; energy is not known more exactly

_COUNTERS = {"intel_rapl": "RAPL", "intel_power_gadget": "Power Gadget", "windows_emi": "Energy Meter Interface"}
_OF_MACHINE = "over the whole machine"


@dataclass(frozen=True)
class Energy:
    """The energy that a job, or parts of it, used."""

    kwh: float
    cpu_kwh: float
    gpu_kwh: float
    ram_kwh: float
    seconds: float
    """Time that was measured over; of several processes, that of each."""
    kg_co2e: float | None
    """Emissions by the country's mix of electricity; None where no country was named."""
    country: str | None
    """ISO 3166-1 alpha-3; several, if parts ran in several."""
    known_by: dict[str, str]
    """How the energy of cpu, gpu and ram was known: measured, or estimated from what."""
    codecarbon: str
    """Its version."""

    def __add__(self, other: "Energy") -> "Energy":
        """Return both together: the parts of a resumed job, or its processes."""
        emitted = [part.kg_co2e for part in (self, other) if part.kg_co2e is not None]
        return Energy(
            kwh=self.kwh + other.kwh,
            cpu_kwh=self.cpu_kwh + other.cpu_kwh,
            gpu_kwh=self.gpu_kwh + other.gpu_kwh,
            ram_kwh=self.ram_kwh + other.ram_kwh,
            seconds=self.seconds + other.seconds,
            kg_co2e=sum(emitted) if len(emitted) == 2 else None,
            country=_join(self.country, other.country),
            known_by={part: _join(self.known_by.get(part), other.known_by.get(part)) or "" for part in self.known_by},
            codecarbon=_join(self.codecarbon, other.codecarbon) or "",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON and checkpoints can hold it; `Energy(**record)` is the record again."""
        return asdict(self)

    def round_figures(self) -> dict[str, Any]:
        """Return the record as JSON with figures of DIGITS digits, for people to read."""
        return {
            name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
            for name, value in self.to_json().items()
        }


def sum_energies(parts: Iterable[Energy | None]) -> Energy | None:
    """Return the sum of records; None if one is unknown, because a partial sum would pass for the total."""
    total: Energy | None = None
    for part in parts:
        if part is None:
            return None
        total = part if total is None else total + part
    return total


class Meter:
    """Measure energy within a `with`; if that fails, a warning is printed and the job goes on."""

    def __init__(self, country: str | None = None, gpus: Sequence[int] = (), local_rank: int = 0) -> None:
        """Set what to measure.

        Args:
            country: where the job runs, ISO 3166-1 alpha-3; None leaves emissions out.
            gpus: the GPUs that this process uses, as torch numbers them.
            local_rank: this process's number among those of the job on this machine. Only the first one reads
                counters of the whole processor, so that the sum over all processes has them once.
        """
        self._country, self._gpus, self._local_rank = country, gpus, local_rank
        self._tracker: Any = None  # while it measures
        self._latest = _Latest()
        self._known_by: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start measuring."""
        problem = "codecarbon gives no figures"
        try:
            tracker = _start_tracker(self._country, _numbers_of(self._gpus), self._latest)
            tracker.flush()
            if self._latest.figures is not None:
                self._known_by, self._tracker = _known_by(tracker), tracker
        except Exception as error:  # codecarbon may fail in any way on a machine; the job goes on
            problem, self._latest.figures = f"{type(error).__name__}: {error}", None
        if self._tracker is None:
            print(f"smelt: warning: the energy of this job will not be known ({problem})", file=sys.stderr, flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop measuring; the last reading is kept."""
        if self._tracker is not None:
            self._latest.figures = None
            self._tracker.stop()  # measures once more and hands the figures over
            self._tracker = None

    def reading(self) -> Energy | None:
        """Return the energy used since the start; None if it is unknown."""
        if self._tracker is not None:
            self._latest.figures = None  # codecarbon hides its errors: old figures must not pass for new ones
            self._tracker.flush()
        figures = self._latest.figures
        if figures is None:
            return None
        measured = Energy(
            kwh=figures.energy_consumed,
            cpu_kwh=figures.cpu_energy,
            gpu_kwh=figures.gpu_energy,
            ram_kwh=figures.ram_energy,
            seconds=figures.duration,
            kg_co2e=figures.emissions if self._country else None,
            country=self._country,
            known_by=self._known_by,
            codecarbon=importlib.metadata.version("codecarbon"),
        )
        counted_elsewhere = self._local_rank > 0 and self._known_by["cpu"].endswith(_OF_MACHINE)
        return _without_cpu(measured) if counted_elsewhere else measured


class Account:
    """Time and energy of a job since it began, with those of the parts before it was stopped."""

    def __init__(
        self,
        meter: Meter | None = None,
        began: float | None = None,
        gather: Callable[[Energy | None], Iterable[Energy | None]] | None = None,
    ) -> None:
        """Count from the beginning of the job.

        Args:
            meter: measures the energy of this process; None where it is not measured.
            began: when the job began, by time.monotonic; by default now.
            gather: returns the readings of all processes of the job, given that of this one.
        """
        self._meter, self._began = meter, time.monotonic() if began is None else began
        self._gather = gather or (lambda reading: [reading])
        self._seconds = 0.0
        self._earlier: list[Energy | None] = []

    @property
    def hours(self) -> float:
        """Hours that the job took so far."""
        return (self._seconds + time.monotonic() - self._began) / 3600

    def energy(self) -> Energy | None:
        """Return the energy that the job took so far; None if that of a part is unknown."""
        reading = self._meter.reading() if self._meter else None
        return sum_energies([*self._earlier, *self._gather(reading)])

    def state(self) -> dict[str, Any]:
        """Return time and energy as JSON and checkpoints can hold them."""
        energy = self.energy()
        return {"seconds": self.hours * 3600, "energy": energy.to_json() if energy else None}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Add the time and energy of the part before, as its `state` returned them."""
        self._seconds = state["seconds"]
        self._earlier = [Energy(**state["energy"]) if state["energy"] else None]


class _Latest:
    """Receive codecarbon's figures, by the interface of its BaseOutput."""

    figures: Any = None

    def out(self, total: Any, _: Any) -> None:
        """Take the figures since the start."""
        self.figures = total

    def exit(self) -> None:
        """Do nothing at the end."""


def _start_tracker(country: str | None, gpus: list[int], latest: _Latest) -> Any:
    """Return a running tracker that prints nothing, writes no file and sends no request."""
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)  # log_level counts only once it is made
    _hide_slurm()
    tracker = OfflineEmissionsTracker(
        tracking_mode="process",
        measure_power_secs=SECONDS_BETWEEN_SAMPLES,
        gpu_ids=gpus,
        output_methods=[],
        output_handlers=[latest],
        api_call_interval=-1,
        allow_multiple_runs=True,  # no lock: jobs run side by side
        log_level="critical",
        # A configuration file of codecarbon's may state a site's PUE or rated power, but neither place nor service.
        country_iso_code=country,
        cloud_provider=None,
        cloud_region=None,
        emissions_endpoint=None,
        electricitymaps_api_token="",
        output_dir=".",
    )
    tracker._ensure_hardware_ready()  # start would do it, and hide what goes wrong
    for part in tracker._hardware:
        if _is_estimated(part):
            _correct_estimate(part, tracker)
    tracker.start()
    return tracker


def _hide_slurm() -> None:
    """Keep codecarbon from asking SLURM for the job's CPUs and memory.

    It would divide the job's CPU time by the job's CPUs and multiply it by the power of all CPUs of the node. And where
    a job finds no `scontrol`, as in most containers, it would measure nothing at all.
    """
    from codecarbon.core import util
    from codecarbon.external import ram

    util.SLURM_JOB_ID = ram.SLURM_JOB_ID = None


def _is_estimated(part: Any) -> bool:
    return type(part).__name__ == "CPU" and part._mode == "cpu_load"


def _correct_estimate(processor: Any, tracker: Any) -> None:
    """Count ended children, and multiply the guessed power of an unknown processor only once.

    codecarbon adds up what each process used since its last reading, and counts nothing for a new process. So it is
    given one process that stands for all.
    """
    processor._get_process_cpu_times = partial(_cpu_seconds_by_process, processor._process)
    if _is_guessed(processor, tracker):
        processor._tdp = WATTS_OF_UNKNOWN_CPU * processor._cpu_count


def _cpu_seconds_by_process(process: Any) -> dict[int, float]:
    """Return the CPU seconds of a process with all its descendants, under the process's number.

    What ended children used is added to that of the process that waited for them. A parent is read before its children,
    so that a child which ends meanwhile counts once at most.
    """
    import psutil

    seconds = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended meanwhile: its parent has its time at the next reading
        seconds += times.user + times.system + times.children_user + times.children_system
    return {process.pid: seconds}


def _is_guessed(processor: Any, tracker: Any) -> bool:
    """Return whether neither a configuration file nor codecarbon's table states the rated power of this processor."""
    from codecarbon.core import cpu, hardware_cache

    table = hardware_cache.get_cached_tdp(cpu)
    return tracker._force_cpu_power is None and table._get_cpu_power_from_registry(processor._model or "") is None


def _power_of(processor: Any, tracker: Any) -> str:
    """Return the power that an estimate is based on, in words."""
    power = f"at {processor._tdp:g} W for {processor._cpu_count} CPUs"
    if _is_guessed(processor, tracker):
        return f"{power} (guessed: codecarbon does not know the processor {processor._model!r})"
    return f"{power} (given)" if tracker._force_cpu_power is not None else f"{power} (rated: {processor._model})"


def _numbers_of(gpus: Sequence[int]) -> list[int]:
    """Return NVML's numbers of GPUs; torch numbers only those of CUDA_VISIBLE_DEVICES."""
    if not gpus:
        return []
    import pynvml
    import torch

    pynvml.nvmlInit()
    wanted = {f"GPU-{torch.cuda.get_device_properties(gpu).uuid}" for gpu in gpus}
    handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    numbers = [number for number, handle in enumerate(handles) if pynvml.nvmlDeviceGetUUID(handle) in wanted]
    if len(numbers) < len(wanted):
        raise LookupError("the GPU is a part of one, and only whole ones count their energy")
    return numbers


def _known_by(tracker: Any) -> dict[str, str]:
    """Return how codecarbon knows the energy of each part, which only its own state shows."""
    known = {"cpu": "not measured", "gpu": "none used", "ram": "estimated from the memory that this process uses"}
    for part in tracker._hardware:
        kind = type(part).__name__
        if kind == "GPU" and part.gpu_ids:
            known["gpu"] = "measured (NVML)"
        elif kind == "CPU" and part._mode in _COUNTERS:
            known["cpu"] = f"measured ({_COUNTERS[part._mode]}) {_OF_MACHINE}"
        elif _is_estimated(part):
            known["cpu"] = f"estimated from the CPU time of this process and its children, {_power_of(part, tracker)}"
        elif kind == "CPU":
            known["cpu"] = f"estimated as half of a rated power of {part._tdp:g} W {_OF_MACHINE}"
        elif kind in ("AppleSiliconChip", "Raspberry"):
            known[part.chip_part.lower()] = f"measured ({kind}) {_OF_MACHINE}"
    return known


def _without_cpu(energy: Energy) -> Energy:
    """Return a record without its processor's part, which another process of the machine counts."""
    rest = energy.kwh - energy.cpu_kwh
    emitted = None if energy.kg_co2e is None or not energy.kwh else energy.kg_co2e * rest / energy.kwh
    return replace(energy, kwh=rest, cpu_kwh=0.0, kg_co2e=emitted)


def _join(one: str | None, other: str | None) -> str | None:
    """Return the texts of two records, once if they agree."""
    said = [*(one.split("; ") if one else []), *(other.split("; ") if other else [])]
    return "; ".join(dict.fromkeys(said)) or None
