"""One checkpoint on disk: a folder of parts, and the manifest that says what each of them must be."""

import hashlib
import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from smelt.errors import first_line
from smelt.files import checksum, json_text

NAME = "manifest.json"


class Damaged(Exception):
    """A file of a checkpoint is not what was written."""

    def __init__(self, path: Path, what: str) -> None:
        """Keep both parts; `str()` of the error is `path: what`."""
        self.path, self.what = path, what
        super().__init__(f"{path}: {what}")


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint is of, and the checksum of each part."""

    step: int
    processes: int
    loss: float | None
    """On held-out documents; None where it was not measured at this step."""
    identity: Any
    """What a run must be made of to go on from it (JSON values)."""
    sha256: dict[str, str]

    @property
    def digest(self) -> str:
        """Checksum of the manifest itself."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def write_part(folder: Path, name: str, state: Mapping[str, Any]) -> dict[str, str]:
    """Write one part so that it outlives a power cut; return its checksum by its name.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    path = folder / name
    try:
        with path.open("wb") as stream:
            torch.save(dict(state), stream)
            stream.flush()
            os.fsync(stream.fileno())
    except RuntimeError as error:  # torch closes its archive on the way out, and complains of what was cut short
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    return {name: checksum(path)}


def read_part(folder: Path, name: str, manifest: Manifest) -> dict[str, Any]:
    """Return the state that a part holds, its tensors on the CPU.

    Raises:
        Damaged: it is missing, its checksum is another, or torch cannot read it.
    """
    path = folder / name
    try:
        if checksum(path) != manifest.sha256[name]:
            raise Damaged(path, "its checksum is not the manifest's")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise Damaged(path, "missing") from None
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise Damaged(path, f"torch cannot read it ({first_line(error)})") from None
    return state


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a checkpoint, so that it outlives a power cut."""
    with (folder / NAME).open("w", encoding="utf-8") as stream:
        stream.write(json_text(asdict(manifest) | {"digest": manifest.digest}, indent=2))
        stream.flush()
        os.fsync(stream.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a checkpoint.

    Raises:
        Damaged: it is missing or not as it was written.
    """
    path = folder / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        digest = values.pop("digest")
        manifest = Manifest(**values)
    except FileNotFoundError:
        raise Damaged(path, "missing") from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise Damaged(path, "not a manifest") from None
    if manifest.digest != digest:
        raise Damaged(path, "its checksum is not its own")
    return manifest


def sync(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def differences(found: Any, expected: Any, key: str = "") -> list[str]:
    """Return what differs between two nested mappings, by the dotted name of the key."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        names = sorted({*found, *expected})
        parts = [differences(found.get(name), expected.get(name), f"{key}.{name}".strip(".")) for name in names]
        return [difference for part in parts for difference in part]
    return [] if found == expected else [f"{key} was {found}, is {expected}"]
