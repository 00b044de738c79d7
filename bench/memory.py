"""Peak memory of the stages that make a corpus, from a generated dump whose size stands in the name.

Memory is that of a command and all its processes at one moment: the sum of their proportional set sizes (PSS), in which
a page that several share counts once.
"""

import json
import tempfile
from pathlib import Path

from bench.commands import own_environment, run_command
from bench.corpus_commands import CorpusCommands
from bench.measure import BenchmarkOutcome, machine, write
from bench.wiki import WikiSize, write_wiki

SIZES = {"100mb": 100_000_000, "1gb": 1_000_000_000}
LONGEST = 5_000_000
VOCABULARY, SAMPLE = 32_000, 300_000
LIMIT = 1000  # MiB, for each stage but the tokenizer's
PROCESSES = 2


def memory(name: str) -> BenchmarkOutcome:
    """The greatest peak of all stages but the tokenizer's, whose sample is bounded."""
    size = name.removeprefix("memory-")
    with tempfile.TemporaryDirectory(prefix="smelt-bench-") as temporary:
        folder = Path(temporary)
        commands = CorpusCommands(folder / "wiki.xml.bz2", folder, PROCESSES, VOCABULARY, SAMPLE)
        megabytes = write_wiki(commands.dump, WikiSize(SIZES[size], LONGEST)) / 1e6
        stages = {
            "extraction": commands.extraction(),
            "extraction and cleaning": commands.cleaning(),
            "tokenizer": commands.training(),
            "blocks": commands.blocks(),
        }
        used = {stage: run_command(words, folder, own_environment()) for stage, words in stages.items()}
        statistics = json.loads((folder / "cleaned" / "en" / "statistics.json").read_text())
    greatest = max(each.memory for stage, each in used.items() if stage != "tokenizer")
    outcome = BenchmarkOutcome(
        name=name,
        unit="MiB at the peak of a stage other than the tokenizer's",
        ours=greatest,
        peer=LIMIT,
        peer_name="the limit",
        ratio=LIMIT / greatest,
        runs=1,
        machine=machine(),
        further={
            "MB of XML": megabytes,
            "documents": statistics["documents"],
            "paragraphs": statistics["paragraphs"],
            **{f"{stage}, MiB": each.memory for stage, each in used.items()},
            **{f"{stage}, seconds of the processor": each.processor_seconds for stage, each in used.items()},
        },
    )
    write(outcome)
    return outcome
