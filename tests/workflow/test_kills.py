"""Commands that are killed at random moments end as if nothing had happened (`make bench` kills more often)."""

import shutil
from pathlib import Path

import pytest
from bench import kills
from bench.corpus_commands import CorpusCommands
from bench.corpus_kills import differing, digests, survive
from bench.kills import DOCUMENTS, LENGTH, VOCABULARY, PretrainCommand
from bench.synthetic import corpus
from bench.wiki import WikiSize, write_wiki

pytestmark = pytest.mark.slow


def test_three_kills_leave_no_trace_in_weights_and_curve(tmp_path: Path) -> None:
    made = corpus(tmp_path, VOCABULARY, LENGTH, DOCUMENTS)
    survived = kills.survive(
        PretrainCommand(made, tmp_path / "undisturbed", 60),
        PretrainCommand(made, tmp_path / "killed", 60),
        kills=3,
        seed=4,
    )
    assert survived.kills == 3
    assert survived.values > 1_000_000
    assert survived.same_bits == survived.values
    assert survived.greatest_difference == 0


def test_three_kills_leave_no_trace_in_documents_and_blocks(tmp_path: Path) -> None:
    write_wiki(tmp_path / "wiki.xml.bz2", WikiSize(1_000_000, 100_000))
    undisturbed, killed = (
        CorpusCommands(tmp_path / "wiki.xml.bz2", tmp_path / part, 2, vocabulary=500, sample=2000)
        for part in ("undisturbed", "killed")
    )
    survived = survive(undisturbed, killed, kills=(1, 1, 1), seed=4)
    assert survived.kills == {"extraction": 1, "cleaning": 1, "blocks": 1}
    assert survived.cut_short == survived.differing == survived.left == []
    expected = digests(undisturbed.folder)
    assert survived.files == len(expected) > 10
    changes = {
        "cleaned/en/documents.parquet": lambda content: content[:-9] + b"!" + content[-8:],
        "blocks/en/train.tokens": lambda content: content[:-1],
        "extracted/en/statistics.json": lambda content: content.replace(b'"redirect": ', b'"redirect": 9', 1),
    }
    for name, change in changes.items():  # a single other byte is noticed
        other = shutil.copytree(undisturbed.folder, tmp_path / name.replace("/", "-"))
        (other / name).write_bytes(change((other / name).read_bytes()))
        assert differing(digests(other), expected) == [name]
