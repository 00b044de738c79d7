"""A study file is checked as a whole, and every complaint names the key, what was found and what is allowed."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from smelt.complaints import _PATTERNS
from smelt.errors import SmeltError
from smelt.study.architectures import ARCHITECTURES
from smelt.study.makers.pretrain import Pretrain
from smelt.study.schema import Study, load_study
from smelt.tasks.task_file import TaskFile

SOUND: dict[str, Any] = {
    "study": "small",
    "corpora": {"wiki": {"wikipedia": {"date": "20230501", "languages": ["en", "el"]}}},
    "tokenizers": {"unigram-1k": {"algorithm": "unigram", "vocabulary": 1000, "corpus": "wiki"}},
    "models": {
        "tiny": {
            "maker": "pretrain",
            "architecture": "albert-tiny",
            "tokenizer": "unigram-1k",
            "corpus": "wiki",
            "recipe": "small",
            "settings": {"schedule": {"steps": 10}},
        },
        "mbert": {"maker": "adopt", "hub": "google-bert/bert-base-multilingual-cased", "revision": "3f076fd"},
    },
    "tasks": {"conll2003": {"limit": 100}, "sst2": None},
    "finetuning": {"seeds": [1, 2]},
}


BPE = {"algorithm": "bpe", "vocabulary": 1000, "corpus": "wiki"}
NUMBERS = {"layers": 2, "hidden": 32, "heads": 2, "feed_forward": 64}


def write(folder: Path, changes: dict[str, Any]) -> Path:
    """Write the sound study with some keys changed; a dotted key reaches into it."""
    study = copy.deepcopy(SOUND)
    for place, value in changes.items():
        *parents, last = place.split("/")
        part = study
        for parent in parents:
            part = part[parent]
        part[last] = value
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(SmeltError) as caught:
        load_study(path)
    return str(caught.value)


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
            "models.tiny.architecture.layers: expected a number gr",
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
    around |= {"definition-ref", "function-after", "function-before", "no-info"}
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


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: one\nstudy: two\n")
    assert "'study' stands twice" in complaint(path)


def test_merge_keys_share_settings_between_models(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("  tiny:", "  tiny: &tiny"))
    text = path.read_text().replace("  mbert:", "  twin:\n    <<: *tiny\n    seed: 2\n  mbert:")
    path.write_text(text)
    models = load_study(path).models
    assert models["twin"].model_dump() == models["tiny"].model_dump() | {"seed": 2}


def test_norwegian_is_a_language_and_not_false(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("- en\n", "- no\n"))
    corpus = load_study(path).corpora["wiki"]
    assert corpus.languages == ["no", "el"]


def test_the_line_of_broken_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: one\nmodels: {a: [}\n")
    assert f"{path}:2" in complaint(path)


def test_a_variable_that_needs_quotes_is_answered_with_them(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: small\ncorpora: {one: {text: {en: ${TEXTS}/en.txt}}}\n")
    with pytest.raises(SmeltError, match=r'study.yaml:2: is not YAML: .* write "\$\{NAME\}" in quotes'):
        load_study(path)


def test_a_date_without_quotes_is_the_text_that_it_looks_like(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text(path.read_text().replace("'20230501'", "2023-05-01"))
    assert complaint(path).endswith("wikipedia.date: expected a date such as \"20230501\"; found '2023-05-01'")


def test_a_missing_file_and_an_empty_file_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    assert "no such file" in complaint(tmp_path / "none.yaml")
    assert complaint(tmp_path) == f"{tmp_path}: is a folder: expected a file in YAML"
    assert "expected a mapping" in complaint(empty)


def test_environment_variables_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_MIRROR", "/srv/dumps")
    path = write(tmp_path, {"corpora/wiki/wikipedia/mirror": "${SOME_MIRROR}/wiki"})
    source = load_study(path).corpora["wiki"].wikipedia
    assert source is not None
    assert source.mirror == "/srv/dumps/wiki"


def test_one_dump_comes_from_one_mirror(tmp_path: Path) -> None:
    other = {"wikipedia": {"date": "20230501", "languages": ["en"], "mirror": "/elsewhere"}}
    message = complaint(write(tmp_path, {"corpora/other": other}))
    assert "corpora.other.wikipedia.mirror" in message
    assert "https://dumps.wikimedia.org" in message


def test_a_dump_may_come_from_the_first_of_several_mirrors(tmp_path: Path) -> None:
    mirrors = ["https://dumps.wikimedia.org", "https://archive.org/download/{wiki}-{date}"]
    source = load_study(write(tmp_path, {"corpora/wiki/wikipedia/mirror": mirrors})).corpora["wiki"].wikipedia
    assert source is not None
    assert source.mirrors == mirrors


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ([], "at least 1"),
        (["/a", "/a"], "twice"),
        ("/a/{wiki}", "/a/{wiki} names one of {wiki} and {date}"),
        (["/a", "/b/{date}"], "/b/{date} names one of {wiki} and {date}"),
    ],
)
def test_invalid_mirrors_are_named(mirror: object, expected: str, tmp_path: Path) -> None:
    message = complaint(write(tmp_path, {"corpora/wiki/wikipedia/mirror": mirror}))
    assert "corpora.wiki.wikipedia.mirror" in message
    assert expected in message


def test_pages_to_leave_out_are_titles_and_ids(tmp_path: Path) -> None:
    pages = {"en": [1984, "1984", "No"]}
    source = load_study(write(tmp_path, {"corpora/wiki/wikipedia/skip_pages": pages})).corpora["wiki"].wikipedia
    assert source is not None
    assert source.skip_pages == pages


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ({"sw": ["Paka"]}, "skip_pages.sw: expected a language of wikipedia.languages"),
        ({"en": [0]}, "corpora.wiki.wikipedia.skip_pages.en"),
        ({"en": [""]}, "corpora.wiki.wikipedia.skip_pages.en"),
        ({"en": [True]}, "corpora.wiki.wikipedia.skip_pages.en"),
    ],
)
def test_pages_that_cannot_be_left_out_are_named(pages: object, expected: str, tmp_path: Path) -> None:
    assert expected in complaint(write(tmp_path, {"corpora/wiki/wikipedia/skip_pages": pages}))


def test_recipes_follow_alberts_square_root_rule() -> None:
    from smelt.training.recipes import RECIPES

    published = RECIPES["albert"]
    assert published.peak_rate == pytest.approx(3.125e-4)  # mALBERT, section 2.3
    assert published.warmup_steps == round(0.2 * 128 / 32768 * published.schedule.total_steps)


REDUCED = {"maker": "reduce", "source": "mbert", "corpus": "wiki", "languages": ["el"], "threshold": "paper"}


def test_a_reduced_model_may_come_of_any_other(tmp_path: Path) -> None:
    again = {"maker": "reduce", "source": "mbert-el", "corpus": "wiki", "size": 500}
    of_tiny = REDUCED | {"source": "tiny", "threshold": 0.01}
    models = {"models/mbert-el": REDUCED, "models/again": again, "models/tiny-el": of_tiny}
    study = load_study(write(tmp_path, models))
    shares = [getattr(study.models[name], "share", None) for name in ("mbert-el", "tiny-el")]
    assert shares == [0.0005, 0.01]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"source": "mbart"}, ["models.small.source", "'mbart'", "mbert"]),
        ({"source": "small"}, ["models.small.source: goes in a circle: small <- small"]),
        ({"corpus": "web"}, ["models.small.corpus", "'web'", "wiki"]),
        ({"languages": ["sw"]}, ["models.small.languages", "'sw' is not in corpus wiki", "en, el"]),
        ({"languages": []}, ["models.small.languages", "at least 1"]),
        ({"threshold": 0}, ["models.small.threshold", "greater than 0"]),
        ({"threshold": 0.1, "size": 100}, ["models.small", "either threshold or size"]),
        ({"of": "words"}, ["models.small.of", "'lines'"]),
        ({"counts": "tiny"}, ["models.small.counts", "'tiny'", "an adopted model"]),
        ({"counts": "other"}, ["models.small.counts", "'other' is not in the study"]),
        ({"tasks": ["conll2004"]}, ["models.small.tasks", "'conll2004'"]),
    ],
)
def test_a_reduction_that_cannot_be_made_is_named(tmp_path: Path, change: dict[str, Any], expected: list[str]) -> None:
    message = complaint(write(tmp_path, {"models/small": REDUCED | change}))
    assert [part for part in expected if part not in message] == [], message


def test_reductions_do_not_go_in_a_circle(tmp_path: Path) -> None:
    one, other = REDUCED | {"source": "other"}, REDUCED | {"source": "one"}
    message = complaint(write(tmp_path, {"models/one": one, "models/other": other}))
    assert "models.one.source: goes in a circle: one <- other <- one" in message


def test_a_counted_model_has_no_tokenizers_name(tmp_path: Path) -> None:
    names = {"models/unigram-1k": SOUND["models"]["mbert"], "models/small": REDUCED | {"source": "unigram-1k"}}
    assert "models.small.source: 'unigram-1k' is a tokenizer's name too" in complaint(write(tmp_path, names))
