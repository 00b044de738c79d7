"""Which study files the results of a study are made from: another study of the same name would overwrite them.

An edited, moved or copied file stays the same study, and so does a study with a further file that changes keys. So the
files' paths are remembered, from the folder that the results lie in. Files are refused where another one names the
study, or where one takes the place of one that is remembered, only while that one is still there with other contents.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.strict_yaml import read_yaml
from smelt.study.paths import Paths

SAME_STUDY = "SMELT_SAME_STUDY"
"""Environment variable that hands the results over to another file; any value but an empty one."""


class Origin:
    """The files that a study's results are made from."""

    def __init__(self, paths: Paths, files: Sequence[str | Path]) -> None:
        """Take the study's folders and files; a later file replaces keys of those before it."""
        self.paths = paths
        self.root = Path(paths.results).resolve().parents[1]
        self.record = Path(paths.run) / "study-file"
        given = [Path(file) for file in files]
        ordered = dict.fromkeys([_naming_file(given), *given])
        self.files = [os.path.relpath(file.resolve(), self.root) for file in ordered]
        """The file that names the study stands first."""

    def check(self) -> None:
        """Make sure that no other study of this name has results here.

        Raises:
            SmeltError: the results are of other files.
        """
        first = self._recorded()
        if not first or os.environ.get(SAME_STUDY):
            return
        lost = [file for file in first if self._is_other(file, self.files)]
        added = [file for file in self.files if self._is_other(file, first)]
        if self._is_other(first[0], self.files[:1]):
            new, old = self.files[0], first[0]
        elif lost and added:
            new, old = added[0], lost[0]
        else:
            return
        raise SmeltError(
            new,
            f"the study {self.paths.study} has results here that were made from {' and '.join(first)}, and this file"
            " would overwrite them. Give it another name (`study:`), or, if it is to take the place of"
            f" {old}, `smelt run --same-study` once",
        )

    def remember(self) -> None:
        """Record the files for later runs. One that is left out this time stays recorded.

        Raises:
            SmeltError: the results are of other files.
        """
        self.check()
        first = self._recorded()
        is_part = self.files[:1] == first[:1] and {*self.files} <= {*first}
        if not is_part or (os.environ.get(SAME_STUDY) and self.files != first):
            with whole_file(self.record) as draft:
                draft.write_bytes(b"\n".join(map(os.fsencode, self.files)))

    def _recorded(self) -> list[str]:
        try:
            return [os.fsdecode(line) for line in self.record.read_bytes().split(b"\n") if line]
        except FileNotFoundError:
            return []

    def _is_other(self, file: str, files: Sequence[str]) -> bool:
        """Return whether a file is there, and none of the others says the same."""
        return file not in files and all(self._differs(file, other) for other in files)

    def _differs(self, file: str, other: str) -> bool:
        try:
            return (self.root / file).read_bytes() != (self.root / other).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return (self.root / file).exists()
        except OSError:  # another user's, who lets nobody read it
            return True


def _naming_file(files: Sequence[Path]) -> Path:
    """Return the file that a study has its name from: others only change keys of it."""
    later = (file for file in reversed(files[1:]) if "study" in read_yaml(file))
    return next(later, files[0])
