"""`smelt job compress`: strategies, freezing, and what becomes of it when it is stopped."""

import itertools
import json
import os
import shutil
import signal
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import torch
from compression_toy import SETTINGS, SIGNALS, STUDENT, Folders, write_teacher
from invented_tasks import write_task
from safetensors.torch import load_file
from tests.pasted import run_card
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer, pipeline

from smelt.__main__ import main
from smelt.finetuning.compression.job import write_student_card
from smelt.finetuning.compression.phases import StageData, cosine_rate
from smelt.study.compression import CompressionSettings
from smelt.tasks.kinds.base import Task
from smelt.training.epochs import EpochTraining


@pytest.fixture(scope="module")
def folders(tmp_path_factory, entity_task) -> Folders:
    return Folders(tmp_path_factory.mktemp("entities"), entity_task)


@pytest.fixture(scope="module")
def gradual(folders, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("gradual") / "out"
    assert folders.compress(output, "D4.2") == 0
    return output


def metrics(output: Path) -> dict:
    return json.loads((output / "metrics.json").read_text())


def weights(output: Path) -> bytes:
    return (output / "model/model.safetensors").read_bytes()


def test_the_phases_are_the_strategy_s_and_each_has_its_scores(gradual):
    stages = metrics(gradual)["stages"]
    parts = ["head", "projection", "encoder", "embeddings"]
    assert [(row["stage"], row["unfrozen"]) for row in stages] == [
        (1, "all"),
        *((2, part) for part in parts),
        *((3, part) for part in parts),
    ]
    assert [[name for name, weight in row["losses"].items() if weight] for row in stages[::4]] == [
        ["representation"],
        ["logits"],
        ["labels"],
    ]
    assert stages[0]["scores"] == []
    assert all({row["split"] for row in stage["scores"]} == {"validation", "test"} for stage in stages[1:])
    for row in stages:
        assert len(row["validation_losses"]) == row["epochs"] + 1
        assert row["steps"] % row["epochs"] == 0 < row["steps"]
        assert row["validation_loss"] == min(row["validation_losses"]) == row["validation_losses"][row["best"]]


def test_a_phase_begins_where_the_one_before_it_was_best(gradual):
    for stage in (2, 3):
        rows = [row for row in metrics(gradual)["stages"] if row["stage"] == stage]
        for one, other in itertools.pairwise(rows):
            assert other["validation_losses"][0] == pytest.approx(one["validation_loss"], rel=1e-6)


def test_the_result_stands_where_a_fine_tuned_model_stands(gradual, folders):
    found = metrics(gradual)
    assert (found["model"], found["task"], found["seed"]) == ("small", "entities", 1)
    assert found["counts"]["train"]["windows"] == 64
    assert found["student"]["rows"] < len(AutoTokenizer.from_pretrained(folders.source)) + 1
    assert found["embeddings"]["start"] == "svd"
    assert found["transfer"]["texts"] == {"train": 64}
    rows = parquet.read_table(gradual / "predictions.parquet").to_pylist()
    assert all(len(row["words"]) == len(row["predicted"]) for row in rows)
    provenance = json.loads((gradual / "provenance.json").read_text())
    assert set(provenance["inputs"]) == {"source", "teacher", "signals", "task"}
    card = (gradual / "model/README.md").read_text()
    assert "pipeline_tag: token-classification" in card
    assert (gradual / "model/compact.py").is_file()
    assert all(path.is_file() for path in (gradual / "model").iterdir())
    assert "| 3 | labels | encoder |" in card
    run_card(gradual / "model")


def test_the_card_names_languages_by_iso_639_for_the_hub(gradual, tmp_path):
    task = Task("entities", "token-classification", "seqeval-f1", "iob2", ["B-PER", "O"])
    scores = [{"split": "test", "language": code, "metric": "f1", "value": 0.5} for code in ("als", "en", "simple")]
    write_student_card(tmp_path, "small", task, metrics(gradual) | {"scores": scores})
    assert "language:\n- gsw\n- en\nlibrary_name:" in (tmp_path / "README.md").read_text()


def test_the_written_model_makes_the_written_predictions(gradual):
    model = AutoModelForTokenClassification.from_pretrained(gradual / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(gradual / "model")
    for row in parquet.read_table(gradual / "predictions.parquet").to_pylist()[:4]:
        encoded = tokenizer(row["words"], is_split_into_words=True, return_tensors="pt")
        owners = encoded.word_ids(0)
        firsts = [owners.index(word) for word in range(len(row["words"]))]
        best = model(encoded["input_ids"]).logits[0, firsts].argmax(-1).tolist()
        assert [model.config.id2label[number] for number in best] == row["predicted"]


def test_students_of_both_kinds_work_in_pipelines_however_long_a_text_is(folders, gradual, tmp_path):
    student = {"kind": "transformer", "embedding": 24, "layers": 1, "heads": 4}
    assert folders.compress(tmp_path / "out", "D0", epochs=1, student=student) == 0
    row = parquet.read_table(gradual / "predictions.parquet").to_pylist()[0]
    for folder in (gradual / "model", tmp_path / "out/model"):
        tagger = pipeline("token-classification", model=str(folder), trust_remote_code=True)
        long = " ".join(row["words"] * 3000)
        labels = set(tagger.model.config.label2id)
        assert labels >= {found["entity"] for found in [*tagger(" ".join(row["words"])), *tagger(long)]}
        positions = tagger.model.config.max_position_embeddings  # a BiLSTM has none
        assert tagger.tokenizer.model_max_length == positions or (positions is None and len(tagger(long)) > 5_000)


@pytest.mark.parametrize("strategy", ["D1", "D2", "D3.1", "D3.2", "D4.1"])
def test_every_strategy_runs_through(folders, tmp_path, strategy):
    assert folders.compress(tmp_path / "out", strategy, epochs=1) == 0
    assert len(metrics(tmp_path / "out")["stages"]) == {"D3.1": 2, "D3.2": 5, "D4.1": 3}.get(strategy, 1)
    assert not (tmp_path / "out-kept").exists() or not list((tmp_path / "out-kept").iterdir())


def test_stages_as_a_list_may_choose_their_parts_and_their_schedules(folders, tmp_path):
    stages = [
        {"losses": {"representation": 1}, "unfreeze": "gradual", "epochs": 1},
        {"losses": {"labels": 1}, "unfreeze": [["head"], ["head", "embeddings"]], "epochs": 4, "patience": 4},
        {"losses": {"logits": 1}, "learning_rate": 1e-9, "minimum_learning_rate": 0.0, "patience": 1},
    ]
    assert folders.compress(tmp_path / "out", stages, epochs=2, patience=2) == 0
    found = metrics(tmp_path / "out")
    assert [(row["stage"], row["unfrozen"], row["epochs"]) for row in found["stages"][:-1]] == [
        *((1, part, 1) for part in ("projection", "encoder", "embeddings")),
        (2, "head", 4),
        (2, "only head, embeddings", 4),
    ]
    last = found["stages"][-1]["validation_losses"]
    assert last == pytest.approx([last[0]] * len(last), rel=1e-6)  # at its own rate it hardly learns


def test_the_head_that_learnt_last_is_the_one_that_is_kept(folders, tmp_path, monkeypatch):
    students, end = [], EpochTraining.end_phase
    monkeypatch.setattr(EpochTraining, "end_phase", lambda loop: (students.append(loop.model), end(loop)))
    assert folders.compress(tmp_path / "out", [{"losses": {"labels": 1}}, {"losses": {"logits": 1}}], epochs=2) == 0
    kept = load_file(tmp_path / "out/model/model.safetensors")["classifier.weight"]
    assert torch.equal(kept, students[-1].regression.weight)
    found = metrics(tmp_path / "out")
    assert found["scores"] == found["stages"][-1]["scores"]


def test_labels_alone_need_neither_teacher_nor_signals(folders, tmp_path):
    start = {"embeddings": {"start": "svd", "of": "pretrained"}}
    assert folders.compress(tmp_path / "out", "D0", taught=False, epochs=12, **start) == 0
    found = metrics(tmp_path / "out")
    test = {row["metric"]: row["value"] for row in found["scores"] if row["split"] == "test"}
    assert test["f1"] > 0.9  # the labels follow from the words
    assert "transfer" not in found
    assert found["embeddings"]["of"] == "pretrained"
    assert folders.compress(tmp_path / "none", "D0", taught=False, embeddings={"start": "random"}, epochs=1) == 0


@pytest.mark.parametrize("kind", ["keras-kl", "kl", "mse"])
def test_each_loss_falls_where_it_is_learnt(folders, tmp_path, kind):
    stages = [{"losses": {"representation": 1}}, {"losses": {"logits": 1}}, {"losses": {"labels": 1}}]
    settings = CompressionSettings(**SETTINGS | {"epochs": 8, "representation": kind}).model_dump()
    words = folders.words(tmp_path / "out", stages)
    chosen = json.loads(words[-1]) | {"settings": settings}
    taught_by = ["--teacher", str(folders.teacher), "--signals", str(folders.signals)]
    assert main([*words[:-1], json.dumps(chosen), *taught_by]) == 0
    for row in metrics(tmp_path / "out")["stages"]:
        first, best = row["validation_losses"][0], row["validation_loss"]
        assert best < first - 0.1 * abs(first), row


WEIGHTS = {
    "classifier": "model.classifier.",
    "regression": "regression.",
    "projection": "model.projection.",
    "encoder": "model.compact.encoder.",
    "embeddings": "model.compact.embeddings.",
}


@pytest.mark.parametrize(("strategy", "phases"), [("D3.2", 5), ("D4.2", 9)])
def test_what_is_frozen_does_not_change_by_a_bit(folders, tmp_path, monkeypatch, strategy, phases):
    seen = []

    def watched(loop: EpochTraining) -> None:
        before = {name: part.clone() for name, part in loop.model.state_dict().items()}
        begin(loop)
        seen.append((loop.phase.plan, before))

    def ended(loop: EpochTraining) -> None:
        phase, before = seen[-1]
        changed = {name for name, part in loop.model.state_dict().items() if not torch.equal(part, before[name])}
        wanted = {"D4.2": {2: ["regression"], 3: ["classifier"]}, "D3.2": {2: ["classifier", "regression"]}}
        heads = wanted[strategy].get(phase.stage, [])
        learning = [name for part in phase.parts for name in (heads if part == "head" else [part])]
        for name, prefix in WEIGHTS.items():
            assert any(key.startswith(prefix) for key in changed) == (name in learning), (phase, name)
        assert all(key.startswith(tuple(WEIGHTS.values())) for key in changed)
        end(loop)

    begin, end = EpochTraining.begin_phase, EpochTraining.end_phase
    monkeypatch.setattr(EpochTraining, "begin_phase", watched)
    monkeypatch.setattr(EpochTraining, "end_phase", ended)
    assert folders.compress(tmp_path / "out", strategy, epochs=1) == 0
    assert len(seen) == phases


def test_a_seed_repeats_bit_for_bit_and_seeds_differ(folders, gradual, tmp_path):
    assert folders.compress(tmp_path / "again", "D4.2") == 0
    assert weights(tmp_path / "again") == weights(gradual)
    assert metrics(tmp_path / "again") == metrics(gradual)
    assert folders.compress(tmp_path / "other", "D4.2", seed=2, epochs=1) == 0
    assert weights(tmp_path / "other") != weights(gradual)


@pytest.mark.parametrize("strategy", ["D4.2", "D2"])
def test_a_run_that_is_stopped_anywhere_ends_with_the_same_bytes(folders, gradual, tmp_path, monkeypatch, strategy):
    straight = gradual
    if strategy != "D4.2":
        straight = tmp_path / "straight"
        assert folders.compress(straight, strategy) == 0
    learn = StageData.learn
    steps = 0

    def interrupted(*arguments):
        nonlocal steps
        steps += 1
        if steps in (2, 4, 8):  # in the middle of an epoch, at its end, and in a later phase
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(*arguments)

    monkeypatch.setattr(StageData, "learn", interrupted)
    codes = [folders.compress(tmp_path / "out", strategy) for _ in range(4)]
    assert codes == [75, 75, 75, 0]
    assert weights(tmp_path / "out") == weights(straight)
    assert metrics(tmp_path / "out") == metrics(straight)


def test_a_killed_run_goes_on_from_the_last_phase_it_ended(folders, gradual, tmp_path, monkeypatch, capsys):
    end, ended = EpochTraining.end_phase, 0

    def killed(loop: EpochTraining) -> None:
        nonlocal ended
        ended += 1
        if ended == 4:
            raise SystemExit(137)
        end(loop)

    monkeypatch.setattr(EpochTraining, "end_phase", killed)
    with pytest.raises(SystemExit):
        folders.compress(tmp_path / "out", "D4.2")
    assert not (tmp_path / "out").exists()
    assert folders.compress(tmp_path / "out", "D4.2") == 0
    assert "going on from the checkpoint of step" in capsys.readouterr().out
    assert weights(tmp_path / "out") == weights(gradual)
    assert metrics(tmp_path / "out") == metrics(gradual)


def test_a_run_that_is_killed_in_a_phase_goes_on_from_its_last_checkpoint(folders, tmp_path, monkeypatch):
    assert folders.compress(tmp_path / "straight", "D3.1", epochs=2) == 0
    learn = StageData.learn
    turns = []

    def killed(data, student, losses, phase, turn):
        turns.append((phase, turn))
        if len(turns) in (2, 9):
            raise SystemExit(137)
        return learn(data, student, losses, phase, turn)

    monkeypatch.setattr(StageData, "learn", killed)
    taught_by = ["--teacher", str(folders.teacher), "--signals", str(folders.signals), "--checkpoint-minutes", "0"]
    words = [*folders.words(tmp_path / "out", "D3.1", epochs=2), *taught_by]
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(words)
    assert main(words) == 0
    assert turns[1] == turns[2]  # nothing was done twice but the step that was under way
    assert turns[8] == turns[9]
    assert weights(tmp_path / "out") == weights(tmp_path / "straight")
    assert metrics(tmp_path / "out") == metrics(tmp_path / "straight")


def test_it_stops_before_the_job_s_time_is_over(folders, tmp_path, capsys):
    words = folders.words(tmp_path / "out", "D0", embeddings={"start": "random"}, epochs=10_000, patience=10_000)
    assert main([*words, "--minutes", "0.02"]) == 75
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("smelt: ")]
    assert line.startswith("smelt: compression: the job's 0.02 minutes are nearly over; kept a checkpoint of step")
    assert line.endswith("Run again to go on")


def test_a_live_teacher_teaches_as_a_stored_one(folders, tmp_path):
    live = tmp_path / "signals"
    words = ["--teacher", folders.teacher, "--task", folders.task, "--output", live]
    assert main(["signals", *map(str, words), "--settings", json.dumps(SIGNALS | {"mode": "live"})]) == 0
    losses = []
    for signals in (folders.signals, live):
        out = tmp_path / f"out-{len(losses)}"
        taught_by = ["--teacher", str(folders.teacher), "--signals", str(signals)]
        assert main([*folders.words(out, "D3.1", epochs=1), *taught_by]) == 0
        losses.append([loss for row in metrics(out)["stages"] for loss in row["validation_losses"]])
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_texts_are_classified_too(text_task, tmp_path):
    folders = Folders(tmp_path, text_task)
    assert folders.compress(tmp_path / "out", "D4.2", epochs=2) == 0
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out/model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out/model")
    rows = parquet.read_table(tmp_path / "out/predictions.parquet").to_pylist()
    for row in rows[:4]:
        logits = model(tokenizer(row["text"], return_tensors="pt")["input_ids"]).logits[0].detach()
        assert model.config.id2label[int(logits.argmax())] == row["predicted"]
        assert float(logits.softmax(-1).max()) == pytest.approx(row["probability"], rel=1e-4)
    student = {"kind": "transformer", "embedding": 24, "layers": 2, "heads": 4}
    assert folders.compress(tmp_path / "transformer", "D3.2", epochs=1, student=student) == 0


def test_rows_are_those_of_seen_pieces_and_of_no_text_of_the_test_split(folders, tmp_path):
    task = tmp_path / "entities"
    splits = {}
    for split in ("train", "validation", "test"):
        splits[split] = parquet.read_table(folders.task / f"{split}.parquet").to_pylist()
    splits["test"] = [row | {"words": ["zzz", *row["words"][1:]]} for row in splits["test"]]
    write_task(task, "token-classification", splits, "seqeval-f1", "iob2")
    words = folders.words(tmp_path / "out", "D0", embeddings={"start": "random"}, epochs=1)
    words[words.index("--task") + 1] = str(task)
    assert main(words) == 0
    tensors = load_file(tmp_path / "out/model/model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(folders.source)
    rows = tensors["compact.embeddings.row_of_piece"]
    unknown, z, a = tokenizer.convert_tokens_to_ids(["<unk>", "z", "a"])
    assert rows[z] == rows[unknown] != rows[a]
    assert len(tensors["compact.embeddings.pieces.weight"]) == len(set(rows.tolist()))
    words = folders.words(tmp_path / "all", "D0", embeddings={"start": "random"}, epochs=1, vocabulary="all")
    assert main(words) == 0
    assert metrics(tmp_path / "all")["student"]["rows"] == len(tokenizer)


def test_the_rate_falls_by_a_cosine_and_starts_again():
    settings = CompressionSettings(learning_rate=1e-3, minimum_learning_rate=1e-8, cycle=2)
    rates = [cosine_rate(step, 5, settings) for step in range(20)]
    assert rates[0] == rates[10] == 1e-3
    assert rates[9] == pytest.approx(1e-8)
    assert rates[:10] == sorted(rates[:10], reverse=True)
    assert sum(rates[:10]) / 10 == pytest.approx((1e-3 + 1e-8) / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": 1}, "holds signals of layers 2, expected 1: recompute them"),
        ({"layer": 9}, "has 3 layers, counted from 1; found layer 9"),
        ({"held_out": 0.5}, "holds signals of held_out 0.25, expected 0.5"),
        ({"student": STUDENT | {"embedding": 25}}, "found 25, expected with start: svd no more than"),
        ({"learning_rate": 1e9}, "the loss is"),
    ],
)
def test_settings_that_do_not_fit_are_named_in_one_line(folders, tmp_path, capsys, changes, message):
    assert folders.compress(tmp_path / "out", "D4.1", **changes) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("smelt: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_missing_teacher_or_its_signals_are_named(folders, tmp_path, capsys):
    words = folders.words(tmp_path / "out", "D1")
    assert main(words) == 1
    assert "--teacher: is missing" in capsys.readouterr().err
    assert main([*words, "--teacher", str(folders.teacher), "--signals"]) == 1
    assert "--signals: is missing" in capsys.readouterr().err
    other = write_teacher(tmp_path / "teacher", folders.task, seed=8)
    assert main([*words, "--teacher", str(other), "--signals", str(folders.signals)]) == 1
    assert "holds signals of another teacher: recompute them" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "teacher")
    assert main([*words, "--teacher", str(other), "--signals", str(folders.signals)]) == 1
    assert "config.json: no such file" in capsys.readouterr().err
