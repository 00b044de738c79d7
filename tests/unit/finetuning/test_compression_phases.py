"""The phases of a strategy's stages: which parts learn in each, how long, and which head is kept."""

import pytest

from smelt.finetuning.compression.students import kept_head, phases_of
from smelt.study.compression import STRATEGIES, Schedule, Stage

PARTS = ("head", "projection", "encoder", "embeddings")


def phases(*stages: dict, **settings: object):
    return phases_of([Stage.model_validate(stage) for stage in stages], Schedule(**settings))


def test_gradual_unfreezing_adds_the_parts_from_the_top_as_algorithm_1_does():
    found = phases_of(STRATEGIES["D4.2"], Schedule())
    assert [(phase.stage, phase.unfrozen, phase.head) for phase in found] == [
        (1, "all", None),
        *((2, part, "regression") for part in PARTS),
        *((3, part, "classifier") for part in PARTS),
    ]
    assert found[0].parts == PARTS[1:]
    assert [phase.parts for phase in found[5:]] == [PARTS[:count] for count in (1, 2, 3, 4)]


def test_a_stage_of_the_representation_begins_with_the_projection_where_it_unfreezes_gradually():
    found = phases({"losses": {"representation": 1}, "unfreeze": "gradual"}, {"losses": {"labels": 1}})
    assert [(phase.unfrozen, phase.parts, phase.heads) for phase in found[:-1]] == [
        ("projection", PARTS[1:2], ()),
        ("encoder", PARTS[1:3], ()),
        ("embeddings", PARTS[1:], ()),
    ]


def test_a_stage_may_name_what_learns_in_each_of_its_phases():
    steps = [["head"], ["projection", "head"], ["embeddings"], ["head", "encoder"]]
    found = phases({"losses": {"labels": 1}, "unfreeze": steps})
    assert [(phase.unfrozen, phase.parts) for phase in found] == [
        ("head", ("head",)),
        ("projection", ("head", "projection")),
        ("only embeddings", ("embeddings",)),
        ("only head, encoder", ("head", "encoder")),
    ]


def test_a_stage_s_own_schedule_holds_for_all_of_its_phases_and_no_others():
    own = {"epochs": 7, "learning_rate": 0.1, "cycle": 2}
    settings = {"epochs": 3, "patience": 2, "learning_rate": 0.01, "minimum_learning_rate": 0.001, "cycle": 5}
    first, *rest, last = phases(
        {"losses": {"representation": 1}},
        {"losses": {"logits": 1}, "unfreeze": "gradual"} | own,
        {"losses": {"labels": 1}, "patience": 9, "minimum_learning_rate": 0.0},
        **settings,
    )
    assert first.schedule == Schedule(**settings)
    assert [phase.schedule for phase in rest] == [Schedule(**settings | own)] * 4
    assert last.schedule == Schedule(**settings | {"patience": 9, "minimum_learning_rate": 0.0})


@pytest.mark.parametrize(
    ("strategy", "stages", "heads"),
    [
        ("D0", 1, [("classifier",)]),
        ("D1", 1, [("classifier", "regression")]),
        ("D2", 1, [("classifier", "regression")]),
        ("D3.1", 2, [(), ("classifier", "regression")]),
        ("D4.1", 3, [(), ("regression",), ("classifier",)]),
    ],
)
def test_a_stage_without_unfreezing_is_one_phase_with_the_heads_of_its_losses(strategy, stages, heads):
    found = phases_of(STRATEGIES[strategy], Schedule())
    assert [phase.stage for phase in found] == list(range(1, stages + 1))
    assert [phase.heads for phase in found] == heads
    assert kept_head(found) == "classifier"


def test_the_head_that_learns_last_is_kept():
    labels, logits = {"losses": {"labels": 1}}, {"losses": {"logits": 1}}
    assert kept_head(phases(labels, logits)) == "regression"
    assert kept_head(phases(logits, labels)) == "classifier"
    assert (
        kept_head(phases(labels, {"losses": {"representation": 1}}, logits | {"unfreeze": "gradual"})) == "regression"
    )
