"""A study file is checked as a whole, and every complaint names the key, what was found and what is allowed."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from study_files import complaint, write

from smelt.complaints import _PATTERNS
from smelt.study.architectures import ARCHITECTURES
from smelt.study.makers.pretrain import Pretrain
from smelt.study.schema import Study, load_study
from smelt.tasks.task_file import TaskFile

BPE = {"algorithm": "bpe", "vocabulary": 1000, "corpus": "wiki"}


NUMBERS = {"layers": 2, "hidden": 32, "heads": 2, "feed_forward": 64}


def test_a_sound_study_loads_with_its_overrides(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, {}))
    tiny = study.models["tiny"]
    assert isinstance(tiny, Pretrain)
    assert tiny.training.schedule.steps == 10
    assert tiny.training.data.batch == 32
    assert study.options("sst2").limit is None
    assert study.options("conll2003").limit == 100


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"corpara": {}}, ["corpara", "no such key", "corpora"]),
        ({"corpora/wiki/wikipedia/langs": ["en"]}, ["corpora.wiki.wikipedia.langs", "languages", "mirror"]),
        ({"models/tiny/lerning_rate": 1}, ["models.tiny.lerning_rate", "no such key", "recipe"]),
        (
            {"models/tiny/settings/stepz": 1},
            ["models.tiny.settings.stepz", "optimizer", "; did you mean schedule.steps?"],
        ),
        (
            {"models/tiny/settings/lerning_rate": 1},
            ["tiny.settings.lerning_rate: no such key; ", "; did you mean optimizer.learning_rate?"],
        ),
        ({"modells": {}}, ["modells: no such key; allowed here: ", "; did you mean models?"]),
        ({"models/tiny/recipe": "smal"}, ["expected one of albert", "; did you mean small?"]),
        ({"models/tiny/architecture": "bert-bse"}, ["; did you mean bert-base"]),
        ({"models/tiny/tokenizer": "unigram-1"}, ["; did you mean unigram-1k?"]),
        ({"models/tiny/maker": "pretrian"}, ["found 'pretrian'; did you mean pretrain?"]),
        ({"significance": {"test": "wlch"}}, ["significance.test", "found 'wlch'; did you mean welch?"]),
        ({"country": "FRE"}, ["country", "FRA"]),
        ({"models/tiny": {"corpus": "wiki"}}, ["models.tiny.maker: is missing; expected one of adopt, amplify, "]),
        ({"models/tiny": "adopt"}, ["models.tiny: expected a mapping", "found 'adopt'"]),
        ({"finetuning": 3}, ["finetuning: expected a mapping with the keys batch, ", "found 3"]),
        ({"corpora": ["wiki"]}, ["corpora: expected a mapping; found a list"]),
        (
            {"corpora/Wiki": {}},
            ["corpora.Wiki: expected a name of a to z, 0 to 9, '.', '_'", "with a letter or digit first; found 'Wiki'"],
        ),
        ({"tokenizers/unigram-1k/character_coverage": 0.95}, ["character_coverage", "0.98", "found 0.95"]),
        (
            {"models/tiny/settings": {"data": {"batch": "many"}}},
            ["models.tiny.settings.data.batch", "integer", "'many'"],
        ),
        ({"models/tiny/recipe": "alberto"}, ["models.tiny.recipe", "'alberto'", "albert"]),
        ({"models/tiny/architecture": "albert-huge"}, ["models.tiny.architecture", "'albert-huge'", "albert-base"]),
        (
            {"models/tiny/maker": "bake"},
            [
                "models.tiny.maker: expected one of 'pretrain', 'distil', 'adopt', 'reduce', 'amplify', 'ex",
                "found 'bake'",
            ],
        ),
        ({"models/tiny/tokenizer": "unigram-2k"}, ["models.tiny.tokenizer", "'unigram-2k'", "unigram-1k"]),
        ({"models/tiny/corpus": "web"}, ["models.tiny.corpus", "'web'", "wiki"]),
        ({"models/mbert/revision": None}, ["models.mbert", "revision"]),
        ({"corpora/wiki/wikipedia/languages": ["en", "gr"]}, ["languages.1", "'gr'", "close to it"]),
        ({"corpora/wiki/wikipedia/date": "2023-05-01"}, ["corpora.wiki.wikipedia.date", "'2023-05-01'"]),
        ({"corpora/wiki": {}}, ["corpora.wiki", "names no source"]),
        ({"tokenizers/unigram-1k/vocabulary": 3}, ["tokenizers.unigram-1k.vocabulary", "64", "found 3"]),
        ({"tokenizers/unigram-1k/algorithm": "bpt"}, ["tokenizers.unigram-1k.algorithm", "'wordpiece'", "'bpt'"]),
        ({"tokenizers/unigram-1k/strip_accents": True}, ["tokenizers.unigram-1k.strip_accents", "character_coverage"]),
        (
            {"tokenizers/unigram-1k": BPE | {"lowercase": True}},
            ["tokenizers.unigram-1k.lowercase", "no such key"],
        ),
        ({"tokenizers/unigram-1k": BPE | {"vocabulary": 260}}, ["unigram-1k.vocabulary", "261", "found 260"]),
        (
            {"tokenizers/unigram-1k": BPE | {"character_coverage": 0.99}},
            ["unigram-1k.character_coverage", "no such key"],
        ),
        ({"finetuning": None}, ["finetuning is missing"]),
        ({"finetuning/seeds": [1, 1]}, ["finetuning.seeds", "twice"]),
        ({"corpora/wiki/wikipedia/languages": ["en", "en"]}, ["corpora.wiki.wikipedia.languages", "'en' twice"]),
        ({"tasks": ["sst2", "sst2"]}, ["tasks", "'sst2' twice"]),
        ({"models/tiny/tasks": ["sst2", "sst2"]}, ["models.tiny.tasks", "'sst2' twice"]),
        ({"finetuning/seeds": []}, ["finetuning.seeds", "at least 1"]),
        ({"study": "My Study"}, ["study", "'My Study'"]),
        ({"models/tiny/settings": {"schedule": {"steps": 5, "stop_at": 9}}}, ["models.tiny", "stop_at (9)", "5 steps"]),
        ({"tables": {"one": {"kind": "scores", "tasks": ["sst5"]}}}, ["tables.one.tasks", "'sst5'", "sst2"]),
        (
            {"models/tiny/settings": {"optimizer": {"clip": math.inf}, "schedule": {"steps": 5}}},
            ["models.tiny.settings.optimizer.clip", "finite"],
        ),
        ({"finetuning/learning_rate": math.nan}, ["finetuning.learning_rate"]),
        ({"tables": {"one": {"kind": "pie"}}}, ["tables.one", "pie", "'scores'"]),
        (
            {"models/tiny/architecture": {"layers": 2, "hidden": 100, "heads": 3, "feed_forward": 64}},
            ["models.tiny.architecture", "3 heads do not divide"],
        ),
        (
            {"models/tiny/architecture": {**NUMBERS, "family": "gpt"}},
            ["models.tiny.architecture.family", "'bert'", "'gpt'"],
        ),
        ({"models/tiny/architecture": {**NUMBERS, "layers": 0}}, ["models.tiny.architecture.layers", "found 0"]),
        (
            {"models/tiny/architecture": {**NUMBERS, "family": "bert", "embedding": 16}},
            ["models.tiny.architecture", "embedding: found 16", "the hidden size, 32", "albert"],
        ),
        (
            {"models/tiny/architecture": "distilbert-base"},
            ["models.tiny", "settings.objective.sentences: expected none; found 'order'", "distilbert"],
        ),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_is_allowed(
    tmp_path: Path, changes: dict[str, Any], expected: list[str]
) -> None:
    message = complaint(write(tmp_path, changes))
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize(
    ("numbers", "shape"),
    [
        ({}, ("albert", 128)),
        ({"embedding": 16}, ("albert", 16)),
        ({"family": "albert"}, ("albert", 128)),
        ({"family": "bert"}, ("bert", 32)),
        ({"family": "distilbert"}, ("distilbert", 32)),
    ],
)
def test_an_architecture_in_numbers_is_of_its_family_and_embeds_as_that_does(
    tmp_path: Path, numbers: dict[str, Any], shape: tuple[str, int]
) -> None:
    settings = {"objective": {"sentences": "none"}, "schedule": {"steps": 10}}
    path = write(tmp_path, {"models/tiny/architecture": NUMBERS | numbers, "models/tiny/settings": settings})
    tiny = load_study(path).models["tiny"]
    assert isinstance(tiny, Pretrain)
    assert (tiny.shape.family, tiny.shape.embedding) == shape


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Only the branch of a union that the value can be of is complained about.
        (
            {"tasks": {"sst2": {"length": 100_000}}},
            "tasks.sst2.length: expected a number of at most 4096; found 100000",
        ),
        (
            {"tasks": {"sst2": {"limt": 1}}},
            "tasks.sst2.limt: no such key; allowed here: finetuned_as, finetuning, length, limit, per, task, v",
        ),
        ({"tasks": ["SST 2"]}, "tasks.0: expected a name of a to z, 0 to 9, '.', '_' and '-', with a letter or digit"),
        (
            {"models/tiny/architecture": NUMBERS | {"layers": 0}},
            "models.tiny.architecture.layers: expected a number of at least 1; found 0",
        ),
        ({"models/tiny/tasks": [3]}, 'models.tiny.tasks.0: expected text; found 3; write "3" in quotes'),
        ({"corpora/wiki/text": {"en": ["a", []]}}, "corpora.wiki.text.en.1: expected text; found an empty list"),
        # Where it can be of none or of several, all are named.
        ({"tasks": "sst2"}, "tasks: expected a list or a mapping; found 'sst2'"),
        ({"models/tiny/tasks": "sst2"}, "models.tiny.tasks: expected a list or 'own'; found 'sst2'"),
        ({"corpora/wiki/text": {"en": {"a": 1}}}, "corpora.wiki.text.en: expected text or a list; found a mapping"),
        ({"finetuning/warmup": 1.5}, "finetuning.warmup: expected a number less than 1 or an integer; found 1.5"),
        # Each complaint of the library, in plain words.
        ({"corpora/wiki/wikipedia/date": 20230501}, 'date: expected text; found 20230501; write "20230501" in quotes'),
        ({"corpora/wiki/wikipedia/date": "2023"}, "date: expected a date such as \"20230501\"; found '2023'"),
        ({"title": True}, 'title: expected text; found true; write "true" in quotes'),
        ({"title": None}, "title: expected text; found nothing"),
        ({"study": "x" * 65}, "study: expected at most 64 characters; found 'xxx"),
        (
            {"corpora/wiki/wikipedia/skip_pages": {"en": [""]}},
            "expected an integer or text that is not empty; found ''",
        ),
        ({"models": {}}, "models: expected at least 1 entry; found an empty mapping"),
        ({"finetuning/seeds": 1}, "finetuning.seeds: expected a list; found 1"),
        ({"finetuning/batch": "many"}, "finetuning.batch: expected an integer or a list; found 'many'"),
        ({"finetuning/batch": 1.5}, "finetuning.batch: expected an integer or a list; found 1.5"),
        ({"finetuning/clip": "low"}, "finetuning.clip: expected a number; found 'low'"),
        ({"finetuning/clip": math.inf}, "finetuning.clip: expected a finite number; found inf"),
        ({"finetuning/clip": 0}, "finetuning.clip: expected a number greater than 0; found 0"),
        ({"significance/alpha": 1}, "significance.alpha: expected a number less than 1; found 1"),
        ({"finetuning/weight_decay": -1}, "finetuning.weight_decay: expected a number of at least 0; found -1"),
        (
            {"models/tiny/settings": {"machine": {"grouped": "maybe"}}},
            "settings.machine.grouped: expected true or false; found 'maybe'",
        ),
        (
            {"models/tiny/settings": {"machine": {"grouped": []}}},
            "settings.machine.grouped: expected true or false; found an empty list",
        ),
        (
            {"models/tiny/settings": {"optimizer": {"zero": 3}}},
            "models.tiny.settings.optimizer.zero: expected 0, 1 or 2; found 3",
        ),
    ],
)
def test_a_wrong_value_gets_one_line_of_plain_words(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    changes = {"significance": {}} | changes
    message = complaint(write(tmp_path, changes))
    assert expected in message
    assert message.count("\n") == 0


@pytest.mark.parametrize(
    "name", ["a b", "a'b", 'a"b', "a\nb", "ab\n", "a;b", "..", ".a", "a/b", "-a", "$a", "{a", "", "a" * 65]
)
@pytest.mark.parametrize("part", ["study", "corpora", "tokenizers", "models", "tasks", "tables", "datasets", "sets"])
def test_a_name_that_a_shell_or_a_path_would_read_is_refused(tmp_path: Path, part: str, name: str) -> None:
    places = {"study": "study", "datasets": "corpora/wiki/datasets", "sets": "finetuning/sets"}
    path = write(tmp_path, {places.get(part, part): name if part == "study" else {name: {}}})
    assert re.search(rf"{part}.*: (expected (a name|at most 64|text)|a family of)", complaint(path), re.DOTALL)


@pytest.mark.parametrize("path", ["a {b}.txt", "-x", "a\nb", "${A}/{language}"])
@pytest.mark.parametrize("place", ["corpora/wiki/text", "corpora/wiki/wikipedia/mirror", "models/mbert"])
def test_a_path_that_snakemake_or_a_command_would_take_for_another_is_refused(
    tmp_path: Path, place: str, path: str
) -> None:
    value = {"text": {"en": path}, "mirror": [path], "mbert": {"maker": "adopt", "folder": path}}
    found = complaint(write(tmp_path, {place: value[place.rpartition("/")[2]]}))
    assert "expected a path of one line without braces and without '-' in front" in found
    assert found.count("\n") == 0


def test_paths_with_blanks_and_quotes_are_taken(tmp_path: Path) -> None:
    load_study(write(tmp_path, {"corpora/wiki/text": {"en": '${A}/it\'s; $HOME & "x" é.txt'}}))


def test_two_wrong_values_get_a_line_each(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, {"study": {"a": 1}, "finetuning/batch": "many"}))
    assert [line.split(": ", 1)[0].strip() for line in message.partition("study.yaml: ")[2].splitlines()] == [
        "study",
        "finetuning.batch",
    ]


def test_every_complaint_that_the_schemas_can_raise_has_plain_words() -> None:
    """pydantic's schemas name what they check; a new check without words of its own would end in a KeyError."""
    nodes = list(_nodes([kind.__pydantic_core_schema__ for kind in (Study, TaskFile)]))
    checks = {"gt", "ge", "lt", "le", "min_length", "max_length", "pattern"}
    used = {(node["type"], check) for node in nodes for check in node if check in checks}
    known = {(kind, limit) for kind in ("int", "float") for limit in ("gt", "ge", "lt", "le")}
    known |= {("list", "min_length"), ("dict", "min_length")}
    known |= {("str", "min_length"), ("str", "max_length"), ("str", "pattern")}
    assert used <= known
    assert {node["pattern"] for node in nodes if "pattern" in node} <= _PATTERNS.keys()
    values = {"str", "int", "float", "bool", "literal", "list", "dict", "tuple", "model"}
    around = {"model-fields", "model-field", "default", "nullable", "union", "tagged-union", "definitions"}
    around |= {"definition-ref", "function-after", "function-before", "no-info", "with-info"}
    assert {node["type"] for node in nodes} <= values | around


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of pydantic's schemas that checks something."""
    if isinstance(part, dict):
        if isinstance(part.get("type"), str):
            yield part
        for key, value in part.items():
            if key not in ("metadata", "serialization"):
                yield from _nodes(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _nodes(value)


def test_every_named_architecture_trains_where_its_recipe_predicts_no_sentences(tmp_path: Path) -> None:
    for name in ARCHITECTURES:
        path = write(
            tmp_path, {"models/tiny/architecture": name, "models/tiny/settings": {"objective": {"sentences": "none"}}}
        )
        assert isinstance(load_study(path).models["tiny"], Pretrain)


def test_a_list_in_place_of_options_is_complained_about_once(tmp_path: Path) -> None:
    assert complaint(write(tmp_path, {"tasks": ["sst2", "sst2"]})).endswith("study.yaml: tasks: names 'sst2' twice")
