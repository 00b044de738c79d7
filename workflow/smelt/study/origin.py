"""Which study file the results of a study are made from: another study of the same name would overwrite them.

An edited, moved or copied file stays the same study. So what is remembered is the file's path, from the folder that the
results lie in, and a file at another path is refused only while the first one is there and says something else.
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
    """The file that a study's results are made from."""

    def __init__(self, paths: Paths, files: Sequence[str | Path]) -> None:
        """Take the study's folders and files; a later file replaces keys of those before it."""
        self.paths = paths
        self.root = Path(paths.results).resolve().parents[1]
        self.record = Path(paths.run) / "study-file"
        self.file = os.path.relpath(_naming_file([Path(file) for file in files]).resolve(), self.root)

    def check(self) -> None:
        """Make sure that no other study of this name has results here.

        Raises:
            SmeltError: the results are another file's.
        """
        first = self._recorded()
        if first in ("", self.file) or os.environ.get(SAME_STUDY) or not self._differs(self.root / first):
            return
        raise SmeltError(
            self.file,
            f"the study {self.paths.study} has results here that were made from {first}, and this file would overwrite"
            " them. Give it another name (`study:`), or, if it is to take the place of that file, `smelt run"
            " --same-study` once",
        )

    def remember(self) -> None:
        """Record the file for later runs.

        Raises:
            SmeltError: the results are another file's.
        """
        self.check()
        if self._recorded() != self.file:
            with whole_file(self.record) as draft:
                draft.write_bytes(os.fsencode(self.file))

    def _recorded(self) -> str:
        try:
            return os.fsdecode(self.record.read_bytes())
        except FileNotFoundError:
            return ""

    def _differs(self, first: Path) -> bool:
        """Return whether the first file is still there, with other contents."""
        try:
            return first.read_bytes() != (self.root / self.file).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # another user's, who lets nobody read it
            return True


def _naming_file(files: Sequence[Path]) -> Path:
    """Return the file that a study has its name from: others only change keys of it."""
    later = (file for file in reversed(files[1:]) if "study" in read_yaml(file))
    return next(later, files[0])
