"""How fast a machine works, for plans: the types of `config/rates.yaml`, and of files of one's own."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Entry, check
from smelt.numbers import NO_TRUTH
from smelt.strict_yaml import read_yaml

WorkRate = Annotated[float, Field(gt=0, le=10**18), NO_TRUTH]

RATES = Path(__file__).parents[3] / "config/rates.yaml"


class DeviceRates(Entry):
    """A device at work."""

    name: str
    """What it is."""
    fp32: WorkRate
    """Floating-point operations a second that training reaches in fp32; of a processor, by one core."""
    bf16: WorkRate
    """The same in bf16."""
    watts: WorkRate
    """Its power at work; of a processor, that of one core with its part of the memory."""


class Rates(Entry):
    """How fast a machine works: by default those of `config/rates.yaml`."""

    machine: str
    """Where and how they were measured."""
    cpu: DeviceRates
    """A core."""
    gpu: DeviceRates | None = None
    """A GPU; without one everything is planned for processors."""
    download: WorkRate
    """MB a second from a mirror."""
    dumps: WorkRate
    """MB of a compressed dump that a core turns into documents in a second."""
    texts: WorkRate
    """MB of text files that a core turns into documents in a second."""
    tokenizers: dict[Literal["unigram", "wordpiece", "bpe"], WorkRate]
    """MB of a sample in a second of a processor's time, by algorithm."""
    blocks: WorkRate
    """MB of text that a core packs into token blocks in a second."""
    counts: WorkRate
    """MB of text whose pieces a core counts in a second."""
    start: WorkRate
    """Seconds of a processor that a job takes without torch, whatever it does."""
    start_torch: WorkRate
    """The same of a job with torch."""
    example: WorkRate
    """Seconds that a step of fine-tuning takes for an example, whatever the model's size."""
    measuring: WorkRate
    """Seconds that the efficiency of a model takes to measure."""
    text_of_dump: WorkRate
    """Bytes of text in a byte of a compressed dump."""
    bytes_of_token: WorkRate
    """Bytes of text in a token."""
    memory: dict[Literal["documents", "blocks", "counts", "other"], WorkRate]
    """Peak of a job's memory, in MB, of stages whose memory does not grow with the study."""

    def of_processors(self) -> "Rates":
        """Return the same machine without its GPU."""
        return self.model_copy(update={"gpu": None})


def read_rates(path: Path) -> Rates:
    """Return the rates of a file.

    Raises:
        SmeltError: it is not there, or a key is not as it should be.
    """
    return check(Rates, read_yaml(path), str(path))
