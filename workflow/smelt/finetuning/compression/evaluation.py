"""What the validation and test splits of a task say, so that no corpus brings it into the transfer text.

A corpus may hold what a task was made of: WikiANN's sentences are Wikipedia's.
"""

import re
from hashlib import blake2b
from pathlib import Path

from smelt.finetuning.data import Task, read_texts

EVALUATION = ("validation", "test")
_WORDS = re.compile(r"\w+")


def surface(text: list[str] | str) -> bytes:
    """Return a digest of the letters and digits of a sentence, given by words or running, or of a text.

    Neither case nor punctuation, nor where words are told apart, makes two of them differ: those of a task are cut into
    words by other rules than a corpus's.
    """
    letters = "".join(_WORDS.findall(text if isinstance(text, str) else " ".join(text))).casefold()
    return blake2b(letters.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def surfaces_of_evaluation(folder: Path, task: Task) -> frozenset[bytes]:
    """Return those of all texts of a prepared task that are for validation or test.

    Raises:
        SmeltError: a split is missing or damaged.
    """
    paths = [folder / f"{split}.parquet" for split in EVALUATION]
    return frozenset(surface(text) for path in paths for text in read_texts(path, task))
