"""The shape of an adopted model is read where its config.json is here, without a network and without transformers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import constants, try_to_load_from_cache
from transformers import AutoConfig, AutoModel

from smelt.__main__ import main
from smelt.model_families import GATED, PLAIN
from smelt.study import model_shapes
from smelt.study.architectures import ARCHITECTURES
from smelt.study.catalogue import Catalogue
from smelt.study.model_shapes import NOT_HERE, ModelShapes, cached_configuration
from smelt.study.plan import planned_stages

COMMIT = "3f076fdb1ab68d5b2880cb87a0886f315b8146f8"
TINY = {
    **{"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2},
    **{"intermediate_size": 512, "vocab_size": 30_522},
}
SMALL = {
    **{"vocab_size": 8_000, "hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 2},
    **{
        "intermediate_size": 512,
        "embedding_size": 64,
        "input_embedding_size": 64,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "pad_token_id": 0,
    },
    **{"dim": 128, "n_layers": 3, "n_heads": 2, "hidden_dim": 512},  # DistilBERT's names
    **{"emb_dim": 128, "n_embd": 128, "n_layer": 3, "n_head": 2, "d_model": 128, "d_inner": 512},  # XLM, GPT-2, XLNet
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an empty cache of the hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def shapes_of(models: dict[str, Any], **others: object) -> ModelShapes:
    study = {
        "study": "shapes",
        "corpora": {"text": {"text": {"eu": "eu.txt"}}},
        "models": models,
        "tasks": {"conll2003": {"limit": 1000}},
        "finetuning": {"seeds": [1, 2]},
    }
    Path("study.yaml").write_text(yaml.safe_dump(study | others))
    Path("eu.txt").write_text("hitz\n")
    return Catalogue.load("study.yaml").shapes


def adopted(folder: str, configuration: object) -> dict[str, str]:
    """Write a config.json; return the entry that adopts the folder."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    text = configuration if isinstance(configuration, str) else json.dumps(configuration)
    Path(folder, "config.json").write_text(text)
    return {"maker": "adopt", "folder": folder}


def in_the_cache(repository: str, commit: str, configuration: object) -> None:
    adopted(f"hub/models--{repository.replace('/', '--')}/snapshots/{commit}", configuration)


@pytest.mark.parametrize(
    ("family", "numbers"),
    [
        *(pytest.param(family, SMALL, id=f"{family}, small") for family in sorted(PLAIN | GATED)),
        *((family, {}) for family in ("albert", "bert", "distilbert", "electra", "modernbert", "roberta")),
    ],
)
def test_an_adopted_model_has_about_the_parameters_that_transformers_gives_it(
    family: str, numbers: dict[str, int]
) -> None:
    configuration = AutoConfig.for_model(family, **numbers)
    configuration.save_pretrained("model")
    with torch.device("meta"):
        model = AutoModel.from_config(configuration)
    assert shapes_of({"a": {"maker": "adopt", "folder": "model"}}).parameters("a") == pytest.approx(
        sum(weight.numel() for weight in model.parameters()), rel=0.05
    )


def test_what_is_here_is_read_and_what_is_not_is_assumed() -> None:
    hub = {"maker": "adopt", "hub": "some/model", "revision": COMMIT}
    models = {"folder": adopted("own", TINY), "hub": hub, "branch": hub | {"revision": "main"}}
    shapes = shapes_of(models | {"pinned": hub | {"revision": "pinned"}})
    assert shapes.assumed == dict.fromkeys(["hub", "branch", "pinned"], NOT_HERE)
    assert shapes.shape("folder") == ARCHITECTURES["bert-tiny"]
    assert shapes.shape("hub") == ARCHITECTURES["bert-base"]
    assert shapes.pieces("hub") == 119_547

    in_the_cache("some/model", COMMIT, TINY)
    branch = Path("hub/models--some--model/refs/main")
    branch.parent.mkdir()
    branch.write_text(COMMIT)
    Path("revisions.yaml").write_text(f"some/model: {COMMIT}\n")
    shapes = shapes_of(models | {"pinned": hub | {"revision": "pinned"}})
    assert shapes.assumed == {}
    assert {shapes.parameters(name) for name in ("hub", "branch", "pinned")} == {shapes.parameters("folder")}

    # What is among the results may be the model that the study named before.
    adopted("results/shapes/models/hub", TINY | {"num_hidden_layers": 4})
    assert shapes_of(models).shape("hub").layers == 2
    adopted("results/shapes/models/other", TINY | {"num_hidden_layers": 4})
    assert shapes_of({"other": hub | {"hub": "other/model"}}).shape("other").layers == 4


@pytest.mark.parametrize("revision", [COMMIT, "main", "refs/pr/3", "v1"])
@pytest.mark.parametrize("repository", ["some/model", "albert"])
def test_the_cache_is_read_as_the_hubs_own_client_reads_it(repository: str, revision: str) -> None:
    in_the_cache(repository, COMMIT, TINY)
    for name in ("main", "refs/pr/3"):
        branch = Path("hub", f"models--{repository.replace('/', '--')}", "refs", name)
        branch.parent.mkdir(parents=True, exist_ok=True)
        branch.write_text(COMMIT)
    found = try_to_load_from_cache(repository, "config.json", revision=revision)
    ours = cached_configuration(repository, revision)
    assert (found if isinstance(found, str) else None) == (str(ours) if ours.is_file() else None)
    assert (found is None) == (revision == "v1")


def test_a_pinned_commit_is_looked_for_and_no_file_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    own = model_shapes.read_published_shape
    monkeypatch.setattr(model_shapes, "read_published_shape", lambda file: read.append(file) or own(file))
    shapes_of({"a": adopted("a", TINY), "b": adopted("b", TINY)})
    catalogue = Catalogue.load("study.yaml")
    assert read == []
    planned_stages(catalogue)
    planned_stages(catalogue)
    assert read == [Path("a/config.json"), Path("b/config.json")]


ALBERT = {
    **{"model_type": "albert", "num_hidden_layers": 12, "hidden_size": 4096, "num_attention_heads": 64},
    **{"intermediate_size": 16_384, "embedding_size": 128, "vocab_size": 30_000},
}
TRAINED = {"maker": "distil", "corpus": "text", "recipe": "distil", "tasks": []}


def test_models_made_from_others_inherit_what_they_do_not_choose() -> None:
    chosen = {"maker": "reduce", "source": "xxlarge", "corpus": "text", "size": 5_000}
    compressed = {"maker": "compress", "teacher": "tiny", "strategy": "D2", "tasks": ["conll2003"]}
    shapes = shapes_of(
        {
            "xxlarge": adopted("xxlarge", ALBERT),
            "tiny": adopted("tiny", TINY),
            "electra": adopted("electra", TINY | {"model_type": "electra", "embedding_size": 64}),
            "reduced": chosen,
            "amplified": {"maker": "amplify", "source": "reduced", "corpus": "text", "pieces": 700},
            "narrow": TRAINED | {"teacher": "reduced", "student": {"layers": 3, "hidden": 256, "start": "random"}},
            "half": TRAINED | {"teacher": "tiny", "student": {"layers": 1}},
            "small": compressed | {"student": {"kind": "bilstm", "embedding": 8, "hidden": 8}},
            "of-electra": TRAINED | {"teacher": "electra", "student": {"layers": 1}},
        }
    )
    xxlarge = ARCHITECTURES["albert-xxlarge"]
    assert {name: shapes.shape(name) for name in ("xxlarge", "reduced", "amplified")} == dict.fromkeys(
        ("xxlarge", "reduced", "amplified"), xxlarge
    )
    assert [shapes.pieces(name) for name in ("xxlarge", "reduced", "amplified", "half")] == [
        *(30_000, 5_000, 5_700, 30_522)
    ]
    narrow = shapes.shape("narrow")
    assert (narrow.layers, narrow.hidden, narrow.feed_forward, narrow.embedding) == (3, 256, 16_384, 128)
    half = shapes.shape("half")
    assert (half.family, half.layers, half.hidden, half.embedding) == ("distilbert", 1, 128, 128)
    assert shapes.shape("of-electra").embedding == 64
    assert shapes.parameters("small") == shapes.parameters("tiny")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "expected a JSON object, found list"),
        ({}, "gives no layers, hidden, heads, feed_forward, embedding, pieces under a name that smelt knows"),
        (TINY | {"vocab_size": None}, "gives no pieces under a name that smelt knows"),
        (TINY | {"hidden_size": [128, 256]}, "hidden: "),
        (TINY | {"hidden_size": "wide"}, "hidden: "),
        (TINY | {"num_hidden_layers": True}, "layers: "),
        (TINY | {"num_hidden_layers": -2, "vocab_size": 10**30}, "layers: "),
        ('{"num_hidden_layers": NaN, "hidden_size": 1e999, "num_attention_heads": 2, "vocab_size": 9}', "layers: "),
        (TINY | {"model_type": ["bert"]}, "family: "),
        (TINY | {"is_encoder_decoder": True}, "is of an encoder with a decoder"),
        ({"text_config": TINY, "model_type": "clip"}, "gives no layers"),
    ],
)
def test_a_configuration_that_says_nothing_is_named_and_the_study_is_planned(
    content: object, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    models = {"odd": adopted("odd", content), "tiny": adopted("tiny", TINY)}
    models["absent"] = {"maker": "adopt", "folder": "absent"}
    shapes_of(models)
    assert main(["plan", "study.yaml", "--output", "plan.json"]) == 0
    shown = capsys.readouterr().out
    size = "Assumed to be as large as BERT-base, with 119,547 pieces"
    assert f"{size}, until they are adopted or in the hub's cache: absent.\n" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith(f"{size}: odd (odd/config.json: ")]
    assert reason in line
    assert json.loads(Path("plan.json").read_text())["assumed"].keys() == {"odd", "absent"}
    main(["check", "study.yaml"])
    assert line in capsys.readouterr().out


def test_a_model_that_is_built_otherwise_is_named_as_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    shapes_of({"tiny": adopted("tiny", TINY), "phone": adopted("phone", TINY | {"model_type": "mobilebert"})})
    assert main(["plan", "study.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "Estimated as if its layers were BERT's, which may be far off: phone (mobilebert).\n" in shown
    assert "tiny (" not in shown


@pytest.mark.parametrize("spoil", [lambda file: file.mkdir(), lambda file: file.symlink_to("config.json")])
def test_what_is_no_file_is_not_read(spoil: Callable[[Path], None]) -> None:
    Path("odd").mkdir()
    spoil(Path("odd/config.json"))
    assert shapes_of({"odd": {"maker": "adopt", "folder": "odd"}}).assumed == {"odd": NOT_HERE}


def test_a_folder_below_a_variable_is_named_as_it_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adopted("somewhere/odd", "{")
    monkeypatch.setenv("FOLDER", str(tmp_path / "somewhere"))
    assumed = shapes_of({"odd": {"maker": "adopt", "folder": "${FOLDER}/odd"}}).assumed
    assert assumed["odd"].startswith("${FOLDER}/odd/config.json: is not JSON")


def test_larger_models_take_more_and_smaller_ones_less() -> None:
    def planned(configuration: dict[str, Any]) -> dict[str, float]:
        shapes_of({"a": adopted("a", configuration)})
        stages = {stage.name: stage for stage in planned_stages(Catalogue.load("study.yaml"))}
        tuning = stages["fine-tuning"]
        return {"hours": tuning.cpu_seconds, "memory": tuning.memory, "disk": stages["models: adopt"].disk}

    tiny, base, xxlarge = planned(TINY), planned({}), planned(ALBERT)
    assert all(tiny[key] < base[key] for key in base)
    assert xxlarge["hours"] > 20 * base["hours"]
    assert base["memory"] < xxlarge["memory"]


def test_no_large_library_is_loaded_for_it() -> None:
    shapes_of({"a": adopted("a", TINY), "b": {"maker": "adopt", "hub": "some/model", "revision": COMMIT}})
    large = ["torch", "transformers", "numpy", "httpx", "huggingface_hub.file_download"]
    code = (
        "import sys; from smelt.study.catalogue import Catalogue; print(*Catalogue.load('study.yaml').shapes.assumed,"
        f" *[name for name in {large} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("b\n", "")
