"""What the benchmark of latency compares gives the same logits in every exact way; times are not tested."""

from pathlib import Path

import pytest
import torch
from bench.latency import BERT, INT8, PAPER, Plan, deviations, fastest_exact, measure_rounds, outcome_of
from bench.latency_ways import ONNX, TORCH, Shapes, bert_ways, student, student_ways
from bench.measure import Unequal

pytestmark = pytest.mark.slow

SMALL = Shapes(
    pieces=300,
    rows=200,
    width=32,
    bert={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
)


def plan(batch: int) -> Plan:
    settings = ((12, 10), (16, 20))
    return Plan(batch, settings=settings, chosen=(16, 20), shapes=SMALL, queries=8, length=6, rounds=2)


@pytest.mark.parametrize("batch", [1, 3])
def test_all_ways_of_a_student_are_run_and_the_exact_ones_are_equal(batch: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # where results/bench is written
    processor, clock, changed = measure_rounds(plan(batch))
    assert {model: set(ways) for model, ways in processor.items()} == {
        BERT: {TORCH, ONNX},
        "12/10": {"torch", "onnx", INT8},
        "16/20": {"torch", "onnx", INT8, "torch-packed", "torch-frozen"},
    }
    assert all(len(values) == 2 for ways in clock.values() for values in ways.values())
    assert 0 < changed["16/20, int8 differs by, of the largest logit"] < 0.3
    outcome = outcome_of("latency-test", plan(batch), processor, clock, changed)
    assert outcome.ratio == max(outcome.further[f"16/20, {way}"] for way in processor["16/20"] if way != INT8)
    lines = (tmp_path / "results/bench/latency-test.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| 12/10", "| 16/20"]


def test_speed_ups_are_over_bert_by_torch_and_over_its_fastest_way(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    seconds = {
        BERT: {TORCH: [8.0, 8.0], ONNX: [4.0, 4.0]},
        "12/10": {TORCH: [2.0, 2.0], ONNX: [1.0, 1.0], INT8: [0.1, 0.1]},
        "16/20": {TORCH: [2.0, 2.0], ONNX: [0.5, 0.5], INT8: [0.1, 0.1]},
    }
    outcome = outcome_of("latency-test", plan(1), seconds, seconds, {})
    assert (outcome.ratio, outcome.peer_name) == (16, "BERT by torch; ours is 16/20 by onnx")
    assert outcome.further["12/10, fastest exact, over BERT by onnx"] == 4
    assert outcome.further["16/20, fastest exact, over BERT by onnx"] == 8
    heads, _, first, _, last = (tmp_path / "results/bench/latency-test.md").read_text().splitlines()
    cells = dict(zip(heads.split(" | "), first.split(" | "), strict=True))
    assert (cells["onnx"], cells["the same over BERT by onnx"]) == ("8.0", "4.0")
    assert last.startswith("| BERT: 8000.0 ms a query by torch, 4000.0 ms a query by onnx |")


def test_a_way_that_gives_other_logits_fails_the_benchmark(tmp_path: Path) -> None:
    ways = student_ways(student(SMALL, 12, 10), tmp_path / "ways", None)
    ids = torch.randint(1, 300, (2, 6))
    with torch.inference_mode():
        deviations(ways, ids)
        wrong = ways | {"onnx": lambda ids: ways["onnx"](ids) * 1.001}
        with pytest.raises(Unequal, match="onnx differs from torch by"):
            deviations(wrong, ids)


def test_int8_is_never_named_as_the_fastest_exact_way() -> None:
    assert fastest_exact({"torch": 1.0, "onnx": 2.0, INT8: 9.0}) == "onnx"


def test_the_bert_gives_a_label_to_every_token_as_the_student_does(tmp_path: Path) -> None:
    ids = torch.randint(1, 300, (2, 6))
    with torch.inference_mode():
        of_bert = bert_ways(SMALL, "cpu", tmp_path / "bert")
        assert deviations(of_bert, ids) == {}  # by ONNX Runtime the same, to rounding
        assert {way(ids).shape for way in of_bert.values()} == {student(SMALL, 12, 10)(ids).logits.shape}


def test_the_papers_table_has_all_16_settings() -> None:
    assert set(PAPER) == {(embedding, hidden) for embedding in (50, 100, 200, 300) for hidden in (100, 200, 400, 600)}
    assert PAPER[50, 200] == (5.1, 51, 16)
