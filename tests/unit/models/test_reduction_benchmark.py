"""What `make bench` compares does the same thing in two ways."""

from pathlib import Path

import torch
from bench.reduction import SMALL, by_script, choose_ids, reduce_folder, write_source
from safetensors.torch import load_file
from transformers import AutoTokenizer


def test_ours_and_the_plain_script_make_the_same_model(tmp_path: Path) -> None:
    write_source(tmp_path / "source", 1000, SMALL)
    for way, name in ((reduce_folder, "ours"), (by_script, "plain")):
        way(tmp_path / "source", choose_ids((1000, 300)), tmp_path / name)
    ours, plain = (load_file(tmp_path / name / "model.safetensors") for name in ("ours", "plain"))
    assert ours.keys() == plain.keys()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in ours.items())
    pieces = [AutoTokenizer.from_pretrained(tmp_path / name).get_vocab() for name in ("ours", "plain")]
    assert pieces[0] == pieces[1]
    assert len(pieces[0]) == 300
