"""provenance.json: all that a result was made from, so that others can make it again and check every detail."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from smelt.energy import Energy
from smelt.environment import as_written
from smelt.files import checksum, write_json

LIBRARIES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "sentencepiece",
    "numpy",
    "pyarrow",
    "pytorch-optimizer",
    "safetensors",
    "seqeval",
    "codecarbon",
    "onnx",
    "onnxruntime",
    "deepspeed",
    "flash_attn",
)


def write_provenance(
    folder: Path,
    command: str,
    settings: Any,
    inputs: Mapping[str, Path | Sequence[Path]],
    seeds: Sequence[int],
    hours: float,
    energy: Energy | None = None,
    checks: Mapping[str, Any] | None = None,
) -> None:
    """Write provenance.json into a folder.

    Args:
        folder: the result's folder.
        command: the command of `python -m smelt` that made it.
        settings: all that decides the result, as JSON can hold it.
        inputs: files or folders read, by the flag or name they came under.
        seeds: the seeds it was made with.
        hours: the time of the job, resumed parts included.
        energy: what it took of electricity, resumed parts included; null where it is not known.
        checks: what was measured of it before it was written; without any, the key is left out.
    """
    write_json(
        folder / "provenance.json",
        {
            "command": command,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "hours": float(f"{hours:.4g}"),
            "energy": energy.round_figures() if energy else None,
            "code": code_revision(),
            "settings": settings,
            "settings_sha256": digest(settings),
            "seeds": list(seeds),
            "inputs": {name: _describe(paths) for name, paths in inputs.items()},
            "libraries": library_versions(),
            "machine": machine(),
            **({} if checks is None else {"checks": dict(checks)}),
        },
    )


def digest(value: Any) -> str:
    """Return the sha256 of a value written as JSON with sorted keys, so that the order of keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def code_revision() -> dict[str, Any] | None:
    """Return the commit that this package is checked out at and whether its files differ from it; None without git."""
    package = Path(__file__).parent
    if package.parts[-4:-2] == (".snakemake", "smelt"):  # where rules/package.smk puts the package of a commit
        return {"revision": package.parts[-2], "modified": False}
    # A package installed below another project's checkout must not report that project's commit.
    if _git(package, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    revision = _git(package, "rev-parse", "HEAD")
    modified = _git(package, "status", "--porcelain", "--untracked-files=no", ".")
    return {"revision": revision, "modified": bool(modified)} if revision else None


def library_versions() -> dict[str, str]:
    """Return the versions of Python, smelt and the libraries that results depend on, where they are installed."""
    versions = {"python": platform.python_version()}
    for name in ("smelt", *LIBRARIES):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def machine() -> dict[str, Any]:
    """Return the machine's system, processor, cores given to this process, memory and, where torch runs, GPUs.

    Of a job that torchrun started, it is the first process's; `processes` says how many shared the work.
    """
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": _gpus(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1,
    }


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, or of a folder: that of its files' relative names and sums, in order of names.

    A file is read once, however often its sum is wanted: by a checkpoint and by the provenance, say.
    """
    if path.is_file():
        return _sha256_of(path, *_version(path))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest([[file.relative_to(path).as_posix(), _sha256_of(file, *_version(file))] for file in files])


@cache
def _sha256_of(file: Path, *_: int) -> str:
    return checksum(file)


def _version(file: Path) -> tuple[int, int, int]:
    """Return numbers that differ once the file is another or is changed."""
    state = file.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


def _describe(paths: Path | Sequence[Path]) -> list[dict[str, str]]:
    listed = [paths] if isinstance(paths, Path) else list(paths)
    return [{"path": as_written(str(path)), "sha256": sha256_of(path)} for path in listed]


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _gpus() -> list[str]:
    torch = sys.modules.get("torch")  # only asked of a process that has loaded it already
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
