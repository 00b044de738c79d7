import hashlib
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import transformers
import yaml
from huggingface_hub import ModelCard
from tests.pasted import run_card
from transformers import BertConfig

from smelt.card import Card, card_text, write_card
from smelt.energy import Energy
from smelt.licences import OtherLicence, StatedLicence, licence_of_card, shared_licence
from smelt.model_folder import read_inherited
from smelt.provenance import code_revision, digest, machine, sha256_of, write_provenance

FILES = "https://huggingface.co/org/one/blob/c0ffee"
CARD = Card(
    name="tiny-no",
    summary="Pretrained from scratch.",
    languages=["no", "en"],
    facts={"architecture": "AlbertForPreTraining", "parameters": 5344224},
    tables={"Languages": [{"language": "no", "words": 12345, "share": 0.25}], "Nothing": []},
)


def test_a_cards_front_matter_is_yaml_with_codes_as_texts() -> None:
    front = yaml.safe_load(card_text(CARD).split("---\n")[1])
    assert front["language"] == ["no", "en"]
    assert front["pipeline_tag"] == "fill-mask"
    assert "license" not in front


def test_a_cards_tables_hold_their_rows_and_empty_ones_are_left_out() -> None:
    text = card_text(CARD)
    assert "| parameters | 5,344,224 |" in text
    assert "## Languages\n\n| language | words | share |\n| --- | ---: | ---: |\n| no | 12,345 | 0.25 |" in text
    assert "Nothing" not in text


def test_a_cards_front_matter_is_the_hubs(tmp_path: Path) -> None:
    card = replace(CARD, base_models=["org/one", "org/two"], relation="finetune", licence="mit")
    write_card(tmp_path, card)
    data = ModelCard.load(tmp_path / "README.md").data
    assert (data.base_model, data.base_model_relation) == (["org/one", "org/two"], "finetune")
    assert (data.license, data.library_name, data.language) == ("mit", "transformers", ["no", "en"])


HEADS = {
    "fill-mask": "AutoModelForMaskedLM",
    "feature-extraction": "AutoModel",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
}


@pytest.mark.parametrize("pipeline", HEADS)
def test_a_cards_lines_use_the_model_as_pasted(
    pipeline: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    getattr(transformers, HEADS[pipeline]).from_config(BertConfig(vocab_size=8, **shape)).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ntext\n.\n")
    write_card(tmp_path, replace(CARD, pipeline=pipeline))
    run_card(tmp_path)
    assert capsys.readouterr().out.strip() or pipeline == "question-answering"  # an untrained one may answer nothing


def test_a_card_takes_over_what_all_sources_share(tmp_path: Path) -> None:
    for name, base, licence in (("a", "org/one", "mit"), ("b", "org/two", "mit"), ("c", "org/one", None)):
        (tmp_path / name).mkdir()
        write_card(tmp_path / name, replace(CARD, base_models=[base], licence=licence))
    folders = [tmp_path / name for name in "abc"]
    assert read_inherited(folders[:2]) == {"base_models": ["org/one", "org/two"], "licence": "mit"}
    assert read_inherited(folders) == {"base_models": ["org/one", "org/two"], "licence": None}


WEB = "https://x.org/l"
OTHER = [
    ({"license_name": "Mine-1", "license_link": "LICENSE"}, ("Mine-1", f"{FILES}/LICENSE")),
    ({"license_name": "mine", "license_link": WEB}, ("mine", WEB)),
    (
        {"license_name": " x_y  z", "license_link": "./our LICENSE (1).md"},
        ("x_y z", f"{FILES}/our%20LICENSE%20%281%29.md"),
    ),
    ({"license_name": "x_y z", "license_link": "http://x.org"}, ("x_y z", "http://x.org")),
    ({"license_name": "mine"}, ("mine", "")),
    ({"license_name": "two\nlines", "license_link": "javascript://x.org/%0aalert()"}, ("two lines", "")),
    ({"license_name": "hidden\u202e\x1b[1m", "license_link": WEB}, None),
    ({"license_name": "long" * 51, "license_link": WEB}, None),
    ({"license_link": WEB}, None),
    ({}, None),
]


@pytest.mark.parametrize(("stated", "found"), OTHER)
def test_a_licence_without_a_name_of_the_hub_keeps_its_own(
    tmp_path: Path, stated: dict[str, str], found: tuple[str, str] | None
) -> None:
    licence = licence_of_card({"license": "other"} | stated, FILES)
    assert licence == (StatedLicence(name=found[0], link=found[1]) if found else "other")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_card(tmp_path / name, replace(CARD, licence=licence))
    assert read_inherited([tmp_path / "a"])["licence"] == licence
    # Two without a name need not be the same.
    both = read_inherited([tmp_path / "a", tmp_path / "b"])["licence"]
    assert both == (licence if found else None)


def test_files_of_repositories_hold_the_same_licence_if_its_name_is_the_same() -> None:
    one, other = (f"https://huggingface.co/org/{name}/blob/3f076fd/LICENSE" for name in ("one", "other"))

    def shared(*licences: tuple[str, str]) -> bool:
        return shared_licence([StatedLicence(name=name, link=link) for name, link in licences]) is not None

    assert shared(("Mine", one), ("mine", other))
    assert not shared(("mine", one), ("theirs", one))
    assert not shared(("mine", one), ("mine", WEB))
    assert not shared(("mine", f"{WEB}/1"), ("mine", f"{WEB}/2"))
    own = OtherLicence(name="mine", link=WEB)
    assert shared_licence([own, StatedLicence(name="mine", link=WEB)]) == own
    assert shared_licence([own, None]) is None


def test_a_stated_name_is_no_markup() -> None:
    licence = StatedLicence(name="a](b) | <c>", link=WEB)
    assert str(licence) == rf"[a\](b) \| \<c\>]({WEB})"


def test_provenance_names_code_settings_inputs_libraries_seeds_and_machine(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("x")
    write_provenance(tmp_path, "pretrain", {"b": 1, "a": 2}, {"blocks": [tmp_path / "input.txt"]}, seeds=[1], hours=0.5)
    written = json.loads((tmp_path / "provenance.json").read_text())
    assert written["settings_sha256"] == digest({"a": 2, "b": 1})
    assert written["inputs"]["blocks"][0]["sha256"] == hashlib.sha256(b"x").hexdigest()
    assert written["libraries"]["transformers"]
    assert (written["seeds"], written["hours"]) == ([1], 0.5)
    assert written["machine"]["cores"] >= 1


def test_provenance_states_energy_to_four_digits_and_null_where_it_is_not_known(tmp_path: Path) -> None:
    known_by = {"cpu": "measured", "gpu": "none used", "ram": "estimated"}
    energy = Energy(1 / 3, 0.25, 0.0, 1 / 12, 90.0, 1 / 60, "FRA", known_by, "3.3.2")
    found = []
    for known in (energy, None):
        write_provenance(tmp_path, "pretrain", {}, {}, seeds=[1], hours=0.5, energy=known)
        found.append(json.loads((tmp_path / "provenance.json").read_text())["energy"])
    assert found[0]["kwh"] == 0.3333
    assert (found[0]["kg_co2e"], found[0]["country"], found[0]["known_by"]) == (0.01667, "FRA", known_by)
    assert found[1] is None


def test_the_checksum_of_a_folder_changes_with_content_and_names(tmp_path: Path) -> None:
    sums = []
    for name, text in (("a/x", "1"), ("a/y", "1"), ("a/y", "2")):
        folder = tmp_path / str(len(sums))
        (folder / "a").mkdir(parents=True)
        (folder / name).write_text(text)
        sums.append(sha256_of(folder))
    assert len(set(sums)) == 3


def test_the_code_revision_is_gits_or_nothing() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True)
    found = code_revision()
    assert (found or {}).get("revision") == (done.stdout.strip() if done.returncode == 0 else None)


def test_the_machine_is_described() -> None:
    described = machine()
    assert re.search(r"\w", described["system"])
    assert described["memory_gib"] > 0


def test_the_number_of_processes_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine()["processes"] == 1
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert machine()["processes"] == 4
