"""`smelt job signals`: which text a teacher is asked about, what is kept of it, and what is refused."""

import json
import shutil
from collections import Counter, namedtuple
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import torch
from compression_toy import write_documents, write_pretrained, write_teacher
from invented_tasks import pairs, sentences, tokenizer, write_task
from transformers import AutoModelForTokenClassification

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.finetuning.compression import signals as shards
from smelt.finetuning.compression.signals import Signals, Teacher, describe_origin
from smelt.finetuning.compression.transfer import EVALUATION, even_shares, read_transfer
from smelt.tasks.prepared_task import read_task
from smelt.tasks.tokenizer import load_pieces

CPU = torch.device("cpu")
LABELS = ["B-LOC", "B-PER", "O"]
SETTINGS = {"layers": [2], "length": 32, "held_out": 0.25, "mode": "stored", "seed": 1}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, entity_task) -> Path:
    return write_teacher(tmp_path_factory.mktemp("teachers") / "tiny", entity_task)


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    english = ["anna sees oslo. boris likes the cairo!\ncarla finds [SEP] lima", "dmitri leaves"]
    return [
        write_documents(folder, "en", english, held_out=["the the the the"]),
        write_documents(folder, "fr", [f"oslo likes {'a' * n}." for n in range(1, 21)]),
    ]


def signals(teacher: Path, task: Path, output: Path, documents: list[Path] = (), **settings: object) -> int:
    words = ["--teacher", teacher, "--task", task, "--output", output]
    words += ["--documents", *documents] if documents else []
    return main(["signals", *map(str, words), "--settings", json.dumps(SETTINGS | settings)])


def opened(folder: Path, teacher: Path, task: Path, layers: Sequence[int] = (2,)) -> Signals:
    description, pieces = read_task(task), load_pieces(teacher)
    model = Teacher(teacher, description, layers, SETTINGS["length"], CPU)
    made = describe_origin(model, task, description, pieces, SETTINGS["length"], SETTINGS["held_out"])
    return Signals(folder, made, model, pieces)


def transfer_texts(folder: Path, chosen: bool | None = None) -> list[str]:
    """Return the texts of all windows, or of those held out, or of the others."""
    pieces = tokenizer()
    transfer = read_transfer(folder / "text", len(pieces))
    windows = transfer.windows
    return [
        pieces.decode(windows.ids[windows.starts[number] + 1 : windows.starts[number + 1] - 1].astype(int)).strip()
        for number in range(len(windows))
        if chosen is None or transfer.held_out[number] == chosen
    ]


def saying(path: Path, words: list[str]) -> None:
    """Replace the first sentence of a split."""
    rows = parquet.read_table(path).to_pylist()
    rows[0] |= {"words": words, "labels": ["O"] * len(words)}
    parquet.write_table(arrow.Table.from_pylist(rows), path)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "provenance.json"
    }


@pytest.fixture(scope="module")
def stored(teacher, entity_task, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("signals") / "stored"
    assert signals(teacher, entity_task, folder) == 0
    return folder


def test_stored_signals_are_those_of_each_text_alone(stored, teacher, entity_task):
    found = opened(stored, teacher, entity_task)
    windows = found.transfer.windows
    model = AutoModelForTokenClassification.from_pretrained(teacher).eval()
    numbers = np.array([17, 3, 40])
    outputs = found.teacher_outputs(numbers, windows.batch(numbers, 0, CPU), states=True, logits=True)
    states, logits, second = [], [], []
    model.bert.encoder.layer[1].register_forward_hook(lambda _layer, _inputs, output: second.append(output))
    for number in numbers:
        ids = torch.tensor(windows.ids[windows.starts[number] : windows.starts[number + 1]].astype(int))[None]
        output = model(ids)
        places = windows.positions[windows.firsts[number] : windows.firsts[number + 1]].astype(int)
        states.append(second[-1][0, places])
        logits.append(output.logits[0, places])
    assert torch.allclose(outputs.logits, torch.cat(logits), atol=1e-4)
    assert torch.allclose(outputs.states.float(), torch.cat(states), rtol=1e-2, atol=1e-3)
    assert outputs.states.dtype == torch.bfloat16


def test_the_size_that_is_announced_is_that_of_the_shards(stored, teacher, entity_task, tmp_path, capsys):
    arrays = [np.load(path) for path in sorted((stored / "shards").iterdir())]
    about = json.loads((stored / "signals.json").read_text())
    assert sum(array.nbytes for array in arrays) == about["bytes"] == 64 * 4 * (24 * 2 + 4 * 3)
    assert about["counts"]["labelled_tokens"] == 64 * 4
    assert signals(teacher, entity_task, tmp_path / "out") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "64 texts, 256 labelled tokens: 1.54e-05 GB of signals" in lines[0]
    assert "shard 1 of 1" in lines[1]


def test_layers_share_text_and_logits_and_each_has_its_states(stored, teacher, entity_task, tmp_path):
    assert signals(teacher, entity_task, tmp_path / "out", layers=["middle", 3, 2]) == 0
    about = json.loads((tmp_path / "out/signals.json").read_text())
    assert about["layers"] == [2, 3]  # the middle of three is the second
    names = [f"shards/00000.{kind}.npy" for kind in ("layer-2", "layer-3", "logits")]
    assert sorted(name for name in files(tmp_path / "out") if name.startswith("shards")) == names
    assert about["bytes"] == 64 * 4 * (2 * 24 * 2 + 4 * 3)
    numbers = np.array([7, 30])
    outputs = {}
    for folder, layer in ((stored, 2), (tmp_path / "out", 2), (tmp_path / "out", 3)):
        found = opened(folder, teacher, entity_task, [layer])
        outputs[folder.name, layer] = found.teacher_outputs(
            numbers, found.transfer.windows.batch(numbers, 0, CPU), True, True
        )
    assert torch.equal(outputs["out", 2].states, outputs["stored", 2].states)
    assert torch.equal(outputs["out", 3].logits, outputs["stored", 2].logits)
    assert not torch.allclose(outputs["out", 3].states, outputs["out", 2].states)


@pytest.mark.parametrize("mode", ["stored", "live"])
def test_no_states_are_kept_for_logits_alone(teacher, entity_task, tmp_path, mode):
    assert signals(teacher, entity_task, tmp_path / "out", layers=[], mode=mode) == 0
    about = json.loads((tmp_path / "out/signals.json").read_text())
    assert about["bytes"] == (64 * 4 * 4 * 3 if mode == "stored" else 0)
    found = opened(tmp_path / "out", teacher, entity_task, [])
    numbers = np.array([3])
    outputs = found.teacher_outputs(numbers, found.transfer.windows.batch(numbers, 0, CPU), False, True)
    assert outputs.states is None
    assert outputs.logits.shape == (4, 3)
    with pytest.raises(SmeltError, match="holds signals of layers none, expected 2: recompute them"):
        opened(tmp_path / "out", teacher, entity_task, [2])


def test_a_run_that_is_killed_goes_on_with_the_next_shard_to_the_same_bytes(
    teacher, entity_task, tmp_path, monkeypatch
):
    monkeypatch.setattr(shards, "WINDOWS", 10)
    assert signals(teacher, entity_task, tmp_path / "straight") == 0
    asked = []

    def killed(folder, shard, *rest):
        asked.append(shard)
        if len(asked) in (3, 5):
            raise SystemExit(1)
        write_shard(folder, shard, *rest)

    write_shard = shards.write_shard
    monkeypatch.setattr(shards, "write_shard", killed)
    for _ in range(2):
        with pytest.raises(SystemExit):
            signals(teacher, entity_task, tmp_path / "broken")
        assert not (tmp_path / "broken").exists()
    assert signals(teacher, entity_task, tmp_path / "broken") == 0
    assert asked == [0, 1, 2, 2, 3, 3, 4, 5, 6]
    assert files(tmp_path / "broken") == files(tmp_path / "straight")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "straight"]


def test_leftovers_of_another_run_are_removed(teacher, entity_task, tmp_path, monkeypatch):
    def stopped(*_):
        raise SystemExit(1)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_shard", stopped)
        with pytest.raises(SystemExit):
            signals(teacher, entity_task, tmp_path / "out")
    assert signals(teacher, entity_task, tmp_path / "out", seed=2) == 0
    assert signals(teacher, entity_task, tmp_path / "other", seed=2) == 0
    assert files(tmp_path / "out") == files(tmp_path / "other")


def test_a_live_teacher_gives_what_a_stored_one_gave(stored, teacher, entity_task, tmp_path):
    assert signals(teacher, entity_task, tmp_path / "live", mode="live") == 0
    assert not (tmp_path / "live/shards").exists()
    numbers = np.array([5, 60])
    outputs = []
    for folder in (stored, tmp_path / "live"):
        found = opened(folder, teacher, entity_task)
        outputs.append(found.teacher_outputs(numbers, found.transfer.windows.batch(numbers, 0, CPU), True, True))
    assert torch.allclose(outputs[0].logits, outputs[1].logits, atol=1e-4)
    assert torch.allclose(outputs[0].states.float(), outputs[1].states.float(), rtol=2e-2, atol=1e-3)


def test_auto_stores_what_is_small_enough(teacher, entity_task, tmp_path):
    for most, mode in ((1.0, "stored"), (1e-6, "live")):
        assert signals(teacher, entity_task, tmp_path / mode, mode="auto", max_gigabytes=most) == 0
        assert json.loads((tmp_path / mode / "signals.json").read_text())["mode"] == mode


@pytest.mark.parametrize(
    ("mode", "way_out"), [("auto", "lower transfer.max_gigabytes"), ("stored", "set transfer.signals: live")]
)
def test_too_small_a_disk_is_refused_in_one_line_before_the_teacher_is_asked(
    mode, way_out, teacher, entity_task, tmp_path, monkeypatch, capsys
):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 5_000))
    assert signals(teacher, entity_task, tmp_path / "out", mode=mode) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"smelt: {tmp_path / '.out.partial/shards'}: the teacher's signals take 1.54e-05 GB more, and this disk"
    )
    assert line.endswith(f": make room, or {way_out}")
    assert not (tmp_path / "out").exists()


def test_the_task_s_own_texts_come_first_and_a_corpus_gives_evenly(teacher, entity_task, documents, tmp_path):
    assert signals(teacher, entity_task, tmp_path / "all", documents) == 0
    everything = transfer_texts(tmp_path / "all")
    english = ["anna sees oslo.", "boris likes the cairo!", "carla finds <unk> lima", "dmitri leaves"]
    assert everything[64:68] == [text.replace(".", "<unk>").replace("!", "<unk>") for text in english]
    assert len(everything) == 64 + 4 + 20
    assert signals(teacher, entity_task, tmp_path / "some", documents, sentences=64 + 12) == 0
    about = json.loads((tmp_path / "some/signals.json").read_text())
    assert about["texts"] == {"train": 64, "en": 4, "fr": 8}
    assert signals(teacher, entity_task, tmp_path / "few", documents, sentences=20) == 0
    assert json.loads((tmp_path / "few/signals.json").read_text())["texts"] == {"train": 20}


def test_sentences_of_validation_and_test_do_not_return_with_a_corpus(teacher, entity_task, tmp_path):
    task = tmp_path / "entities"
    shutil.copytree(entity_task, task)
    for split, words in zip(EVALUATION, (["Boris", "sees", "lima", "."], ["anna", ",", "dmitri"]), strict=True):
        saying(task / f"{split}.parquet", words)
    english = ["boris sees Lima.\nzelda sees oslo\nAnna, dmitri!", "dmitri leaves", "boris  sees lima"]
    documents = [write_documents(tmp_path, "en", english), write_documents(tmp_path, "fr", ["zelda leaves"])]
    assert signals(teacher, task, tmp_path / "out", documents) == 0
    about = json.loads((tmp_path / "out/signals.json").read_text())
    assert about["texts"] == {"train": 64, "en": 2, "fr": 1}
    assert about["of_evaluation_left_out"] == {"en": 3, "fr": 0}
    assert transfer_texts(tmp_path / "out")[64:] == ["zelda sees oslo", "dmitri leaves", "zelda leaves"]


def test_another_test_split_draws_again_where_a_run_was_stopped(teacher, entity_task, documents, tmp_path, monkeypatch):
    task = tmp_path / "entities"
    shutil.copytree(entity_task, task)

    def stopped(*_):
        raise SystemExit(1)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_shard", stopped)
        with pytest.raises(SystemExit):
            signals(teacher, task, tmp_path / "out", documents)
    saying(task / "test.parquet", ["dmitri", "leaves"])
    assert signals(teacher, task, tmp_path / "out", documents) == 0
    about = json.loads((tmp_path / "out/signals.json").read_text())
    assert (about["texts"]["en"], about["of_evaluation_left_out"]["en"]) == (3, 1)


def test_smaller_draws_lie_within_larger_ones_and_seeds_draw_others(teacher, entity_task, documents, tmp_path):
    found = {}
    for seed, count in ((1, 70), (1, 80), (2, 70)):
        folder = tmp_path / f"{seed}-{count}"
        assert signals(teacher, entity_task, folder, documents, seed=seed, sentences=count) == 0
        found[seed, count] = Counter(transfer_texts(folder))
    assert found[1, 70] < found[1, 80]
    assert found[1, 70] != found[2, 70]


def test_texts_whose_labels_were_left_out_follow_the_labelled_ones(teacher, entity_task, tmp_path):
    folder = tmp_path / "limited"
    shutil.copytree(entity_task, folder)
    rows = parquet.read_table(entity_task / "train.parquet")
    parquet.write_table(rows.slice(0, 10), folder / "train.parquet")
    parquet.write_table(rows.slice(10).drop_columns(["labels"]), folder / "unlabelled.parquet")
    assert signals(teacher, folder, tmp_path / "out", sentences=30) == 0
    assert json.loads((tmp_path / "out/signals.json").read_text())["texts"] == {"train": 10, "unlabelled": 20}
    known = {" ".join(row["words"]) for row in sentences(64)}
    assert set(transfer_texts(tmp_path / "out")) <= known
    assert transfer_texts(tmp_path / "out")[:10] == [" ".join(row["words"]) for row in sentences(10)]


def test_a_quarter_of_the_texts_is_held_out(stored):
    assert len(transfer_texts(stored, True)) == 16
    assert len(transfer_texts(stored, False)) == 48


def test_running_text_is_labelled_at_the_first_pieces_of_words(teacher, entity_task, tmp_path):
    documents = [write_documents(tmp_path, "en", ["anna sees the oslo", " ".join(["anna", "sees"] * 12)])]
    assert signals(teacher, entity_task, tmp_path / "out", documents, length=24) == 0
    windows = read_transfer(tmp_path / "out/text", len(tokenizer())).windows
    first = windows.ids[windows.starts[64] : windows.starts[65]].astype(int)
    places = windows.positions[windows.firsts[64] : windows.firsts[65]]
    assert tokenizer().convert_ids_to_tokens(first[places]) == ["▁", "▁sees", "▁the", "▁"]
    assert np.diff(windows.firsts)[65:].sum() == 24  # each word of the long sentence once
    assert windows.lengths.max() <= 24


def test_texts_are_asked_about_at_their_first_token(text_task, tmp_path):
    teacher = write_teacher(tmp_path / "teacher", text_task)
    documents = [write_documents(tmp_path, "en", ["anna sees. boris sees.\ncarla sees."])]
    assert signals(teacher, text_task, tmp_path / "out", documents) == 0
    windows = read_transfer(tmp_path / "out/text", len(tokenizer())).windows
    assert len(windows) == 64 + 2  # lines, not sentences
    assert not windows.positions.any()
    assert windows.labelled == len(windows)
    assert np.load(tmp_path / "out/shards/00000.logits.npy").shape == (66, 2)


def test_even_shares_give_what_is_wanted():
    assert even_shares([3, 100, 50], 60) == [3, 29, 28]
    assert even_shares([3, 1], 10) == [3, 1]
    assert even_shares([5, 5], 0) == [0, 0]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"layers": [1, 4]}, "layer: {teacher} has 3 layers, counted from 1; found layer 4"),
        ({"length": 64}, "length: {teacher} reads 40 tokens at once; found 64"),
        (
            {"held_out": 0.001},
            "{task}: 64 texts of transfer text, and held_out: 0.001 keeps 0 for validation: "
            "expected at least one, and one to train on; more text, or another share",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(teacher, entity_task, tmp_path, capsys, settings, line):
    assert signals(teacher, entity_task, tmp_path / "out", **settings) == 1
    assert capsys.readouterr().err == f"smelt: {line.format(teacher=teacher, task=entity_task)}\n"
    assert not (tmp_path / "out").exists()


def test_teachers_that_do_not_fit_are_refused(teacher, entity_task, text_task, tmp_path, capsys):
    assert signals(write_teacher(tmp_path / "other", text_task), entity_task, tmp_path / "out") == 1
    found = capsys.readouterr().err
    assert found == (
        f"smelt: {tmp_path / 'other'}: its labels are not those of the task entities: early, late, not "
        "B-LOC, B-PER, O\n"
    )
    bare = write_pretrained(tmp_path / "bare")
    config = json.loads((bare / "config.json").read_text())
    labels = json.loads((teacher / "config.json").read_text())["id2label"]
    (bare / "config.json").write_text(json.dumps(config | {"id2label": labels}))
    assert signals(bare, entity_task, tmp_path / "out") == 1
    assert f"{bare}: is not fine-tuned on entities: it lacks classifier.bias\n" in capsys.readouterr().err


def test_pairs_are_refused(teacher, tmp_path, capsys):
    rows = {split: pairs(16) for split in ("train", "validation", "test")}
    task = write_task(tmp_path / "pairs", "sequence-classification", rows, "accuracy", pairs=True)
    assert signals(teacher, task, tmp_path / "out") == 1
    assert "labels pairs of texts, and a compact student reads one text at a time" in capsys.readouterr().err


def test_signals_of_something_else_are_refused(stored, teacher, entity_task, tmp_path):
    task = tmp_path / "entities"
    shutil.copytree(entity_task, task)
    rows = sentences(64)[:40]
    parquet.write_table(parquet.read_table(task / "train.parquet").slice(0, len(rows)), task / "train.parquet")
    with pytest.raises(SmeltError, match=r"signals.json: holds signals of another task: recompute them"):
        opened(stored, teacher, task)
    other = write_teacher(tmp_path / "other", entity_task, seed=9)
    with pytest.raises(SmeltError, match="holds signals of another teacher"):
        opened(stored, other, entity_task)
    model = Teacher(teacher, read_task(entity_task), [2], 24, CPU)
    made = describe_origin(model, entity_task, read_task(entity_task), load_pieces(teacher), 24, 0.25)
    with pytest.raises(SmeltError, match="of length 32, expected 24"):
        Signals(stored, made, model, load_pieces(teacher))


def test_files_that_hold_nothing_are_named(stored, teacher, entity_task, tmp_path):
    for name, line in (
        ("shards/00000.layer-2.npy", "shards/00000.layer-2.npy: is damaged"),
        ("text/ids.uint16", "text: holds no windows of 37 pieces: "),
        ("text/starts.npy", "text: holds no windows of 37 pieces: "),
    ):
        folder = tmp_path / Path(name).name
        shutil.copytree(stored, folder)
        (folder / name).write_bytes(b"")
        with pytest.raises(SmeltError) as caught:
            opened(folder, teacher, entity_task)
        assert str(caught.value).startswith(f"{folder}/{line}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("empty", "line"),
    [
        (range(8), "no transfer text has a piece: there is nothing to learn from"),
        ([1, 6], "no text held out for validation has a piece: expected more texts than 0.25 of these"),
        ([0, 2, 3, 4, 5, 7], "no text left to learn from has a piece: expected more texts than 0.25 of these"),
    ],
)
def test_texts_without_a_piece_are_refused_where_nothing_else_is_left(teacher, tmp_path, capsys, empty, line):
    rows = sentences(8)
    splits = {"train": rows, "validation": sentences(2), "test": sentences(2)}
    for number in empty:
        rows[number] |= {"words": [], "labels": []}
    task = write_task(tmp_path / "entities", "token-classification", splits, "seqeval-f1", "iob2", labels=LABELS)
    assert signals(teacher, task, tmp_path / "out") == 1
    assert capsys.readouterr().err == f"smelt: {task}: {line}\n"
    assert not (tmp_path / "out").exists()


def test_only_the_wanted_layers_of_a_teacher_are_kept(teacher, entity_task, stored):
    found = opened(stored, teacher, entity_task)
    model = Teacher(teacher, read_task(entity_task), [2], 32, CPU)
    outputs = []
    model.model.register_forward_hook(lambda _model, _inputs, output: outputs.append(output))
    batch = found.transfer.windows.batch(np.array([17, 3]), 0, CPU)
    states_of_calls = [model(batch, layers)[0] for layers in ([2], [])]
    assert [number for number, states in enumerate(outputs[0].hidden_states) if states is not None] == [2]
    assert outputs[1].hidden_states is None
    assert [len(states) for states in states_of_calls] == [1, 0]


def test_a_shard_that_is_missing_is_named(stored, teacher, entity_task, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(stored, folder)
    (folder / "shards/00000.layer-2.npy").unlink()
    with pytest.raises(SmeltError, match=r"00000.layer-2.npy: no such file"):
        opened(folder, teacher, entity_task)
    opened(folder, teacher, entity_task, [])  # a student of logits misses nothing
