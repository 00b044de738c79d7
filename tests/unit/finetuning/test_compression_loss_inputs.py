"""What a step of a compression learns from: first pieces of words, and neither later pieces nor padding ('X')."""

import dataclasses
import json

import pytest
import torch
from compression_toy import SETTINGS, SIGNALS, STUDENT, Folders
from torch.nn import functional

from smelt.__main__ import main
from smelt.finetuning.batches import TaskBatch
from smelt.finetuning.compression.job import CompressionInputs, CompressionJob
from smelt.finetuning.compression.phases import StageData
from smelt.finetuning.compression.windows import Windows
from smelt.study.compression import Compression, StageLosses
from smelt.tasks.prepared_task import read_task

EACH = [{"representation": 1}, {"logits": 1}, {"labels": 1}]
EVERY = {"batch": 64, "dropout": 0.0}  # all windows at once, so that some are padded
KINDS = ["keras-kl", "kl", "mse"]
TOGETHER = {"representation": 1, "logits": 1, "labels": 1}


@pytest.fixture(scope="module")
def folders(tmp_path_factory, entity_task) -> Folders:
    found = Folders(tmp_path_factory.mktemp("entities"), entity_task)
    words = ["--teacher", found.teacher, "--task", entity_task, "--output", found.folder / "live"]
    assert main(["signals", *map(str, words), "--settings", json.dumps(SIGNALS | {"mode": "live"})]) == 0
    return found


def job_of(folders: Folders, signals: str = "signals", **settings: object) -> CompressionJob:
    stages = [{"losses": TOGETHER}]
    whole = {"student": STUDENT, "stages": stages, "layer": 2, "settings": SETTINGS | EVERY | settings}
    inputs = CompressionInputs(folders.task, folders.source, folders.teacher, folders.folder / signals)
    return CompressionJob(inputs, read_task(folders.task), Compression.model_validate(whole), 1, threads=1)


def data_of(job: CompressionJob, padding: int | None = None) -> StageData:
    chosen = job.pieces.padding if padding is None else padding
    return StageData(job.training, job.training, job.signals, job.settings.settings, 1, chosen, job.device)


def learnt(job: CompressionJob, losses: dict[str, float], padding: int | None = None) -> float:
    return float(data_of(job, padding).learn(job.student, StageLosses(**losses), 0, 0)[0])


def firsts(job: CompressionJob, ids: torch.Tensor) -> torch.Tensor:
    """Say which tokens begin a word, as this tokenizer marks them; shape (batch, length)."""
    texts = job.pieces.tokenizer.convert_ids_to_tokens(ids.flatten().tolist())
    return torch.tensor([text.startswith("▁") for text in texts]).view_as(ids)


class Wider(Windows):
    """Windows whose batches are padded further than they need to be."""

    def batch(self, numbers: object, padding: int, device: torch.device) -> TaskBatch:
        batch = super().batch(numbers, padding, device)
        ids, mask = functional.pad(batch.ids, (0, 5), value=padding), functional.pad(batch.mask, (0, 5))
        return dataclasses.replace(batch, ids=ids, mask=mask)


def widened(windows: Windows) -> Windows:
    return Wider(**{field.name: getattr(windows, field.name) for field in dataclasses.fields(windows)})


class Watch:
    """Hooks that note which ids a model reads and the states that a part of it gives, and may spoil these.

    Spoilt states are nan where tokens do not begin a word.
    """

    def __init__(self, job: CompressionJob, reader: torch.nn.Module, watched: torch.nn.Module, spoils: bool) -> None:
        self.job, self.spoils = job, spoils
        self.ids: list[torch.Tensor] = []
        self.states: list[torch.Tensor] = []
        reader.register_forward_pre_hook(self.read, with_kwargs=True)
        watched.register_forward_hook(self.gave, prepend=True)

    def read(self, _model: torch.nn.Module, inputs: tuple, named: dict) -> None:
        self.ids.append(inputs[0] if inputs else named["input_ids"])

    def gave(self, _part: torch.nn.Module, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        if self.spoils:
            output = output.masked_fill(~firsts(self.job, self.ids[-1])[..., None], float("nan"))
        if output.requires_grad:
            output.retain_grad()
        self.states.append(output)
        return output


@pytest.mark.parametrize(
    ("losses", "kind"), [(TOGETHER, "keras-kl"), *((EACH[0], kind) for kind in KINDS), (EACH[1], "kl"), (EACH[2], "kl")]
)
def test_first_pieces_of_words_and_no_other_tokens_send_gradients_to_the_encoder(folders, losses, kind):
    job = job_of(folders, representation=kind, dropout=0.2)
    watch = Watch(job, job.student.model.compact.embeddings, job.student.model.compact.encoder, spoils=False)
    job.student.train()
    learnt(job, losses)
    assert len(watch.states) == (2 if losses == TOGETHER else 1)
    for read, states in zip(watch.ids, watch.states, strict=True):
        assert torch.equal(states.grad.abs().sum(-1) > 0, firsts(job, read))
        assert {"<pad>", "[CLS]", "[SEP]", "a"} <= set(job.pieces.texts(read.flatten().tolist()))


@pytest.mark.parametrize("signals", ["signals", "live"])
@pytest.mark.parametrize("losses", EACH, ids="+".join)
def test_no_loss_depends_on_the_ids_or_length_of_padding(folders, losses, signals):
    job = job_of(folders, signals)
    wanted = learnt(job, losses)
    letter = job.pieces.tokenizer.convert_tokens_to_ids("a")
    assert learnt(job, losses, padding=letter) == pytest.approx(wanted, rel=1e-5)
    job.training = widened(job.training)
    job.signals.transfer = dataclasses.replace(job.signals.transfer, windows=widened(job.signals.transfer.windows))
    assert learnt(job, losses) == pytest.approx(wanted, rel=1e-5)
    assert learnt(job, losses, padding=letter) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("losses", EACH, ids="+".join)
def test_no_loss_reads_the_student_s_states_of_other_tokens(folders, losses):
    wanted = learnt(job_of(folders), losses)
    job = job_of(folders)
    watch = Watch(job, job.student.model.compact.embeddings, job.student.model.compact.encoder, spoils=True)
    assert learnt(job, losses) == wanted
    assert torch.isnan(watch.states[0]).any()


@pytest.mark.parametrize(("loss", "place"), [("representation", "bert.encoder.layer.1"), ("logits", "classifier")])
def test_no_loss_reads_the_teachers_outputs_for_other_tokens(folders, loss, place):
    wanted = learnt(job_of(folders, "live"), {loss: 1})
    job = job_of(folders, "live")
    teacher = job.signals._teacher.model
    watch = Watch(job, teacher, teacher.get_submodule(place), spoils=True)
    assert learnt(job, {loss: 1}) == wanted
    assert torch.isnan(watch.states[0]).any()


def test_a_first_piece_has_a_label_and_no_other_token_has(folders):
    job = job_of(folders)
    pieces = job.pieces.texts(job.training.ids.tolist())
    assert len(job.training.targets) == sum(piece.startswith("▁") for piece in pieces) == 64 * 4
    assert len(pieces) > 64 * 8
