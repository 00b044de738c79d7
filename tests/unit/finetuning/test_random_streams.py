"""Random numbers of a compression are drawn from independent streams."""

import itertools

import numpy as np
import torch
from invented_tasks import tokenizer

from smelt.finetuning.compression.embeddings import random_rows
from smelt.finetuning.compression.random_streams import derive_seed
from smelt.finetuning.compression.students import DistillationStudent, draw_student
from smelt.study.compression import Compression
from smelt.tasks.kinds.base import Task
from smelt.tasks.tokenizer import TaskTokenizer

TASK = Task("entities", "token-classification", "seqeval-f1", "iob2", ["B-PER", "O"])


def test_no_two_parts_of_a_student_start_with_the_same_numbers():
    pieces = TaskTokenizer(tokenizer(), [2], [3], 0, 1)
    settings = Compression.model_validate(
        {"student": {"kind": "bilstm", "embedding": 12, "hidden": 16}, "stages": [{"losses": {"labels": 1}}]}
    )
    kept = np.arange(len(pieces.tokenizer))
    student = draw_student(settings, TASK, pieces, kept, 24, 3)
    drawn = {
        "student": student.compact.embeddings.pieces.weight,
        "rows": random_rows(len(kept), 12, 3),
        "regression": DistillationStudent(student, 3).regression.weight,
    }
    shares = {name: (part / part.abs().max()).flatten()[:40] for name, part in drawn.items()}  # each is uniform
    for one, other in itertools.combinations(shares, 2):
        assert abs(float(torch.corrcoef(torch.stack([shares[one], shares[other]]))[0, 1])) < 0.5, (one, other)


def test_a_seed_gives_the_same_streams_and_another_seed_others():
    names = ("student", "regression head", "embedding rows", "dropout")
    seeds = [derive_seed(seed, name) for seed in (1, 2) for name in names]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [derive_seed(seed, name) for seed in (1, 2) for name in names]
    assert max(seeds) < 2**32
