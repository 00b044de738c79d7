"""The card that is published says what a model was made from, how well it does, and what is not known of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load
from tests.unit.publish.published_study import STUDY, record, write_finetuned

from smelt.errors import SmeltError
from smelt.publish.card import make_card
from smelt.publish.folder import list_files, refuse_secrets, without_paths, write_folder
from smelt.publish.subject import find_model, refuse_other_weights
from smelt.statistics.intervals import mean_interval
from smelt.study.catalogue import Catalogue


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def load(*changes: tuple[str, str]) -> Catalogue:
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("changed.yaml").write_text(text)
    return Catalogue.load("changed.yaml")


def front(name: str, *changes: tuple[str, str]) -> dict[str, Any]:
    card = make_card(find_model(load(*changes), name), "me/model").card
    found: dict[str, Any] = yaml.safe_load(str(card).split("---\n")[1])
    return found


@pytest.mark.usefixtures("here")
def test_the_card_is_the_hubs_own_and_comes_back_as_it_was(tmp_path: Path) -> None:
    card = make_card(find_model(load(), "small"), "me/model").card
    card.save(tmp_path / "README.md")
    again = ModelCard.load(tmp_path / "README.md")
    assert again.data.to_dict() == card.data.to_dict() == metadata_load(tmp_path / "README.md")
    assert again.text == card.text
    assert again.data.eval_results == card.data.eval_results


@pytest.mark.usefixtures("here")
def test_scores_stand_with_interval_seeds_and_test_set() -> None:
    results = ModelCard(str(make_card(find_model(load(), "small"), "me/model").card)).data.eval_results or []
    assert [(each.dataset_config, each.metric_value) for each in results] == [("all", 0.6), ("sw", 0.5), ("qab", 0.7)]
    whole, interval = results[0], mean_interval([0.5, 0.6, 0.7], 0.95)
    assert whole.metric_args == {
        "model": "fine-tuned",
        "seeds": 3,
        "standard_deviation": 0.1,
        "interval": [pytest.approx(interval.low, abs=1e-4), pytest.approx(interval.high, abs=1e-4)],
        "confidence": 0.95,
        "interval_method": "Student's t over seeds",
    }
    assert (whole.task_type, whole.dataset_name, whole.dataset_split) == (
        "token-classification",
        "Demo named entities",
        "test",
    )
    assert "| Demo named entities | sw qab | F1 | 60.0 | 10.0 | 35.2 to 84.8 | 3 |" in str(
        make_card(find_model(load(), "small"), "me/model").card
    )


@pytest.mark.usefixtures("here")
def test_the_card_names_languages_data_with_dates_tokens_and_emissions() -> None:
    found, text = front("student"), str(make_card(find_model(load(), "student"), "me/model").card)
    assert found["language"] == ["sw", "en"]
    assert "| training of small | Wikipedia's dumps | 2024-01-01 | sw simple | cc-by-sa-4.0 |" in text
    assert "| training of student | text files of the study | not known | sw | cc-by-4.0 |" in text
    assert "| pieces of small | Wikipedia's dumps | 2024-01-01 | sw simple | cc-by-sa-4.0 |" in text
    assert "student was trained on 1,234 tokens; small was trained on 1,234 tokens: repeated" in text
    assert found["co2_eq_emissions"] == {
        "emissions": 40.0,
        "source": "codecarbon 3.3.2: the trainings of student, small",
        "training_type": "pre-training",
        "geographical_location": "FRA",
        "hardware_used": found["co2_eq_emissions"]["hardware_used"],
    }
    assert "- No score of it is known: it was tested on no task." in text


@pytest.mark.usefixtures("here")
def test_emissions_are_left_out_where_one_training_is_not_known() -> None:
    path = Path("results/tiny/models/small/provenance.json")
    kept = path.read_text()
    try:
        path.write_text(kept.replace('"kg_co2e": 0.02', '"kg_co2e": null'))
        assert "co2_eq_emissions" not in front("student")
    finally:
        path.write_text(kept)


LICENCES = [
    ("small", [], "cc-by-sa-4.0"),
    ("small", [("20240101", "20230101")], "cc-by-sa-3.0"),
    ("twin", [], "cc-by-sa-4.0"),
    ("student", [], None),  # its texts and its teacher's differ
    ("student", [("text_licence: cc-by-4.0", "text_licence: cc-by-sa-4.0")], "cc-by-sa-4.0"),
    ("student", [(", text_licence: cc-by-4.0", "")], None),
    ("student", [("study: tiny", "study: tiny\nlicence: apache-2.0")], "apache-2.0"),
    ("student", [("study:", "licence: gpl\nstudy:"), ("corpus: news, st", "licence: mit, corpus: news, st")], "mit"),
    ("twin", [("pretrain,", "pretrain, licence: mit,")], None),  # of a source's own word, too
    ("cut", [], "mit"),
]  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("name", "changes", "licence"), LICENCES)
def test_a_licence_is_the_studys_word_or_what_all_sources_share(
    name: str, changes: list[tuple[str, str]], licence: str | None
) -> None:
    found = make_card(find_model(load(*changes), name), "me/model")
    assert found.card.data.license == found.terms.licence == licence
    assert ("No licence is stated, because" in str(found.card)) is (licence is None)
    assert any(line.startswith("licence:") for line in found.missing) is (licence is None)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("CC BY-SA 4.0", r"licence: the hub has no licence 'CC BY-SA 4\.0': expected 'cc-by-sa-4\.0'"),
        ("other", r"licence: names none by itself: write \{name: my-licence, link: https://\.\.\.\}"),
        ("{name: mine-1.0}", r"licence\.link: is missing"),
        (
            "{name: Mine, link: 'https://x.org'}",
            r"licence\.name: expected a name of a to z, 0 to 9, '\.' and '-'; found",
        ),
        (
            "{name: mine, link: LICENSE}",
            r"licence\.link: expected an address that begins with https://; found 'LICENSE'",
        ),
        ("apache-2", r"licence: the hub has no licence 'apache-2': [Dd]id you mean apache-2\.0"),
    ],
)
def test_a_licence_has_the_hubs_name(written: str, said: str) -> None:
    with pytest.raises(SmeltError, match=said):
        load(("study:", f"licence: {written}\nstudy:"))


@pytest.mark.usefixtures("here")
def test_a_licence_that_the_hub_has_no_name_for_has_its_own() -> None:
    link = "https://example.org/licence"
    own = f"{{name: mine-1.0, link: {link}}}"
    found = ModelCard(str(make_card(find_model(load(("study:", f"licence: {own}\nstudy:")), "small"), "me/model").card))
    expected = {"license": "other", "license_name": "mine-1.0", "license_link": link}
    assert expected.items() <= found.data.to_dict().items()
    assert f"## Licence\n\n[mine-1.0]({link}). Its makers chose this licence." in found.text
    # Of texts, it is shared by what learns from nothing else.
    shared = ("text_licence: cc-by-4.0", f"text_licence: {own}")
    assert front("small", shared, ("tokenizer: pieces, corpus: wiki", "tokenizer: pieces, corpus: news")).items() >= (
        expected.items()
    )
    found = make_card(find_model(load(shared), "student"), "me/model")
    assert "license" not in found.card.data.to_dict()
    assert f"text files of the study: [mine-1.0]({link})" in found.card.text


@pytest.mark.usefixtures("here")
def test_adopted_models_share_a_licence_by_its_name_although_each_has_a_file_of_it() -> None:
    files = [f"https://huggingface.co/org/{name}/blob/3f076fd/LICENSE" for name in ("base", "texts")]
    path = Path("results/tiny/models/base/README.md")
    kept = path.read_text()
    learns = (
        "maker: reduce, source: base, corpus: news, size: 100",
        "maker: distil, recipe: distil, teacher: base, corpus: news",
    )
    texts = ("text_licence: cc-by-4.0", f"text_licence: {{name: x-y, link: {files[1]}}}")
    try:
        stated = f"license: other\nlicense_name: X-Y\nlicense_link: {files[0]}"
        path.write_text(kept.replace("license: mit", stated))
        found = make_card(find_model(load(learns, texts), "cut"), "me/model").card
    finally:
        path.write_text(kept)
    assert (found.data.license, found.data.license_name, found.data.license_link) == ("other", "X-Y", files[0])
    why = f"share, by its name (org/base: [X-Y]({files[0]}); text files of the study: [x-y]({files[1]}))."
    assert why in found.text


@pytest.mark.usefixtures("here")
def test_a_fine_tuned_model_has_its_own_scores_and_the_terms_of_its_task() -> None:
    run = Path("results/tiny/finetuned/small/wikiann-dev/seed-2")
    write_finetuned(run, {"sw": 0.25, "en": 0.75, "all": 0.5})
    try:
        found = make_card(find_model(load(), "small/wikiann-dev/seed-2"), "me/model")
        text, data = str(found.card), found.card.data
    finally:
        shutil.rmtree(run)
    assert [(each.dataset_config, each.metric_value) for each in data.eval_results or []] == [
        ("all", 0.5),
        ("sw", 0.25),
        ("en", 0.75),
    ]
    assert (data.pipeline_tag, data.license, data.language) == ("token-classification", None, ["sw", "en"])
    assert text.startswith("# small-wikiann-dev-seed-2\n", text.index("\n---\n") + 6)
    assert 'pipeline("token-classification", model="me/model")' in text
    assert "## Test" not in text
    assert "| fine-tuning on wikiann-dev | " in text
    assert "In percent, of this one fine-tuning." in text
    assert data.co2_eq_emissions["training_type"] == "fine-tuning"
    assert data.co2_eq_emissions["emissions"] == 40.0


@pytest.mark.usefixtures("here")
def test_models_of_the_hub_are_named_with_the_hubs_word_for_the_relation() -> None:
    assert [front(name).get("base_model") for name in ("small", "cut", "onnx")] == [None, "org/base", "org/base"]
    relations = [front(name).get("base_model_relation") for name in ("small", "cut", "onnx")]
    assert relations == [None, None, "quantized"]
    learns = (
        "maker: reduce, source: base, corpus: news, size: 100",
        "maker: distil, recipe: distil, teacher: base, corpus: news",
    )
    assert front("cut", learns)["base_model_relation"] == "finetune"


@pytest.mark.usefixtures("here")
def test_the_folder_holds_what_is_listed_and_no_path_of_this_machine(here: Path, tmp_path: Path) -> None:
    published = find_model(load(), "small")
    strays = {"optimizer.pt": "x", "notes.txt.bak": "x", "train.log": "x", "pytorch_model.bin": "x"}
    for name, text in strays.items():
        (published.folder / name).write_text(text)
    try:
        files = list_files(published)
        write_folder(published, files, str(make_card(published, "me/model").card), tmp_path, link=False)
    finally:
        for name in strays:
            (published.folder / name).unlink()
    assert set(files.left) == {*strays, ".snakemake_timestamp"}
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {"README.md", "config.json", "model.safetensors", "provenance.json", "vocab.txt"} <= written
    assert written.isdisjoint(files.left)
    assert str(here) in (published.folder / "provenance.json").read_text()
    assert record(tmp_path)["inputs"]["source"][0]["path"] == "published"
    assert record(tmp_path)["inputs"]["text"][0]["path"] == "news.txt"
    assert not [path for path in tmp_path.rglob("*.*") if str(here).encode() in path.read_bytes()]


@pytest.mark.usefixtures("here")
def test_a_secret_in_a_file_is_refused(tmp_path: Path) -> None:
    published = find_model(load(), "small")
    card = str(make_card(published, "me/model").card) + "hf_" + "aB3" * 10
    with pytest.raises(SmeltError, match=r"^README\.md: holds a token"):
        write_folder(published, list_files(published), card, tmp_path, link=True)


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("text:/home/jane/x.txt", "text:x.txt"),
        ("//home/jane/x.txt", "x.txt"),
        ("file:///home/jane/x.txt", "x.txt"),
        (r"C:\Users\jane doe\x.txt", "x.txt"),
        ("/a/b:/home/jane/x.txt", "b:x.txt"),
        ("/home/jane/my study/x.txt", "x.txt"),
        ("--from /home/jane/x --to /srv/y", "--from x --to y"),
        ("https://example.org/a/b, s3://c/d and ${HERE}/e/f", "https://example.org/a/b, s3://c/d and ${HERE}/e/f"),
        ("sentences and/or words, 1/2/3", "sentences and/or words, 1/2/3"),
    ],
)
def test_of_a_path_the_last_part_is_published(text: str, published: str) -> None:
    assert without_paths({"key": [text]}) == {"key": [published]}


@pytest.mark.parametrize("text", ["in /study.", '{"x": "/study/results"}', "a:/study", "/root", "//root/x"])
def test_a_folder_of_this_machine_is_refused_however_short(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/root"))
    monkeypatch.setattr(Path, "cwd", lambda: Path("/study"))
    (tmp_path / "file").write_text(text)
    with pytest.raises(SmeltError, match=r"^file: names the folder /(study|root) of this machine"):
        refuse_secrets(tmp_path / "file", "file")


def test_names_like_those_of_folders_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/root"))
    monkeypatch.setattr(Path, "cwd", lambda: Path("/"))
    (tmp_path / "file").write_text("a/root, /rooted, /root-2 and https://example.org/root")
    refuse_secrets(tmp_path / "file", "file")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smal", r"has no model 'smal': .*did you mean small\?"),
        ("base", r"'base' is org/base as it was published: publish what was made from it"),
        ("small/demo-ne/seed-1", r"'small' is not fine-tuned on 'demo-ne': .*did you mean demo-ner\?"),
        ("small/demo-ner/seed-4", r"has no seed-4 of small on demo-ner: expected one of seed-1, seed-2, seed-3"),
        ("small/demo-ner", r"expected <model>, or <model>/<task>/seed-<n>"),
        ("small/demo-ner/seed-1", r"small/demo-ner/seed-1 is not built yet: `smelt run <study>` makes it"),
    ],
)
def test_what_cannot_be_published_is_one_line(name: str, said: str) -> None:
    with pytest.raises(SmeltError, match=said):
        find_model(load(), name)


def test_a_model_or_a_study_without_results_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SmeltError, match="has no results here"):
        find_model(load(), "small")
    (tmp_path / "results/tiny").mkdir(parents=True)
    with pytest.raises(SmeltError, match="'small' is not built yet"):
        find_model(load(), "small")


@pytest.mark.usefixtures("here")
def test_scores_of_other_weights_are_refused() -> None:
    run = Path("results/tiny/finetuned/small/demo-ner/seed-2")
    run.mkdir(parents=True)
    try:
        (run / "provenance.json").write_text('{"inputs": {"model": [{"path": "x", "sha256": "of others"}]}}')
        with pytest.raises(SmeltError, match=r"was fine-tuned from other files than .*/small holds now"):
            refuse_other_weights(find_model(load(), "small"))
    finally:
        shutil.rmtree(run.parents[2])
