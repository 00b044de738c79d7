"""`check` says what a study will build, and what is missing, without Snakemake."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from smelt.__main__ import main
from smelt.errors import NO_INPUT
from smelt.study.catalogue import Catalogue

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def printed(capsys: pytest.CaptureFixture[str], study: str, code: int = 0) -> str:
    assert main(["check", study]) == code
    return capsys.readouterr().out


def test_check_counts_the_jobs_of_the_full_malbert_study(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "config/studies/malbert.yaml", NO_INPUT)  # MEDIA is not free to have
    # Five models run on all eleven tasks, the English ALBERT on six, the French one on one; ten seeds each, by the
    # published settings and by smelt's own.
    assert "52 downloads" in text
    assert "3 tokenizers" in text
    assert "7 models" in text
    assert f"{2 * 10 * (5 * 11 + 6 + 1)} fine-tunings" in text


def test_check_names_an_unset_variable_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMELT_DATA", raising=False)
    assert printed(capsys, "config/studies/mini.yaml", NO_INPUT).count("SMELT_DATA") == 1


def test_check_names_a_missing_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SMELT_DATA", str(tmp_path))
    text = printed(capsys, "config/studies/mini.yaml", NO_INPUT)
    assert f"not there: {tmp_path}/text/sw.txt" in text


def test_check_names_a_folder_where_a_file_is_expected_and_the_other_way_round(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "model").touch()
    study = tmp_path / "study.yaml"
    study.write_text(
        "study: small\n"
        f"corpora: {{one: {{text: {{en: {tmp_path}/texts}}}}}}\n"
        f"models: {{theirs: {{maker: adopt, folder: {tmp_path}/model}}}}\n"
    )
    assert main(["check", str(study)]) == NO_INPUT
    printed = capsys.readouterr()
    assert f"a folder, where a file is expected: {tmp_path}/texts (corpora.one.text.en)\n" in printed.out
    assert f"a file, where a folder is expected: {tmp_path}/model (models.theirs.folder)\n" in printed.out
    assert f"{study}: the file is right, but 2 sources are missing (see above)." in printed.err


@pytest.mark.parametrize(
    ("mirrors", "missing"),
    [
        (["{there}", "{gone}"], []),
        (["{gone}", "https://dumps.wikimedia.org"], []),
        (["{gone}", "file://{gone}/2/{{wiki}}-{{date}}"], ["{gone} and 1 more (corpora.wiki.wikipedia.mirror)"]),
    ],
)
def test_check_names_missing_mirrors_where_no_other_may_have_the_dump(
    mirrors: list[str], missing: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fill(text: str) -> str:
        return text.format(there=tmp_path, gone=tmp_path / "gone")

    for wiki in ("qaawiki", "qabwiki", "qacwiki"):
        (tmp_path / wiki / "20260101").mkdir(parents=True)
    study = tmp_path / "mirrors.yaml"
    demo = Path("config/config.yaml").read_text()
    assert "mirror: resources/demo/dumps" in demo
    study.write_text(demo.replace("mirror: resources/demo/dumps", f"mirror: {list(map(fill, mirrors))}"))
    lines = printed(capsys, str(study), NO_INPUT if missing else 0).splitlines()
    assert [line for line in lines if "not there" in line] == [f"not there: {fill(found)}" for found in missing]


def test_check_names_what_lacks_within_folders_that_are_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for folder in ("mirror/swwiki/20230501", "data/named", "model"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/sw.jsonl").write_text("{}")
    data = f"{{folder: {tmp_path}/data, files: {{sw: '*.jsonl', en: '*.parquet'}}, configs: {{fr: named, de: none}}}}"
    wikipedia = f"{{date: '20230501', languages: [sw, en], mirror: '{tmp_path}/mirror'}}"
    study = tmp_path / "study.yaml"
    study.write_text(
        f"study: one\ntitle: '[/b] :smile:'\ncorpora:\n  one: {{wikipedia: {wikipedia}, datasets: {{web: {data}}}}}\n"
        f"  two: {{text: {{sw: resources/demo/none.txt}}}}\n"
        f"models:\n  theirs: {{maker: adopt, folder: '{tmp_path}/model'}}\n"
    )
    lines = printed(capsys, str(study), NO_INPUT).splitlines()
    assert lines[0] == "one [/b] :smile:"
    assert {line.removeprefix("not there: ") for line in lines if "not there" in line} == {
        f"{ROOT}/resources/demo/none.txt (corpora.two.text.sw)",
        f"{tmp_path}/data/*.parquet (corpora.one.datasets.web.files.en)",
        f"{tmp_path}/data/none (corpora.one.datasets.web.configs.de)",
        f"{tmp_path}/mirror/enwiki/20230501 (corpora.one.wikipedia.mirror)",
        f"{tmp_path}/model/config.json (models.theirs.folder)",
    }


@pytest.mark.parametrize("downloaded", [False, True])
def test_a_local_folder_of_a_dump_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, downloaded: bool) -> None:
    (tmp_path / "items/qaawiki-20260101").mkdir(parents=True)
    demo = Path("config/config.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    if downloaded:
        (tmp_path / "resources/dumps/qaawiki/20260101").mkdir(parents=True)

    def watched(mirror: object) -> list[str]:
        study = tmp_path / "mirrors.yaml"
        study.write_text(demo.replace("mirror: resources/demo/dumps", f"mirror: {mirror}"))
        dump = SimpleNamespace(wiki="qaawiki", date="20260101")
        return Catalogue.load(study).corpora.mirrored_folder(dump)

    items = f"{tmp_path}/items/{{wiki}}-{{date}}"
    assert watched(items) == [f"{tmp_path}/items/qaawiki-20260101"]
    assert watched("https://dumps.wikimedia.org") == []
    assert watched(["https://dumps.wikimedia.org", f"{tmp_path}/gone", f"file://{items}"]) == [
        f"{tmp_path}/items/qaawiki-20260101"
    ]
    assert watched([f"{tmp_path}/gone", "resources/demo/dumps"]) == ["resources/demo/dumps/qaawiki/20260101"]


def test_the_pages_to_leave_out_are_those_of_the_language(tmp_path: Path) -> None:
    study = tmp_path / "skip.yaml"
    demo = Path("config/config.yaml").read_text()
    pages = "{qaa: [\"Ärger, '1984'\", 7]}"
    study.write_text(demo.replace("mirror: resources/demo/dumps", f"skip_pages: {pages}"))
    catalogue = Catalogue.load(study)
    skipped = {
        language: catalogue.corpora.skipped_pages(SimpleNamespace(corpus="wiki", language=language))
        for language in ("qaa", "qab")
    }
    assert skipped == {"qaa": "[\"Ärger, '1984'\", 7]", "qab": "[]"}


def test_check_of_the_demo_misses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "config/config.yaml")
    assert "not there" not in text
    assert "18 fine-tunings" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "kind: segmentation\n    tasks: [demo-ner]",
            "kind: segmentation\n    tasks: [demo-intent]",
            "tables.segmentation",
        ),
        ("task: demo-ner", "task: demo-intent", "tables.example"),
        (
            "tasks: [demo-ner, demo-intent]",
            "tasks: [demo-ner, demo-intent, demo-nre]",
            "task 'demo-nre': no such task: did you mean demo-ner? Searched for ",
        ),
        (
            "tasks: [demo-ner, demo-intent]",
            "tasks: [demo-ner, demo-intent, xnli-tranfer]",
            "task 'xnli-tranfer': no such task: did you mean xnli.transfer or xnli-dev.transfer? Searched for ",
        ),
        (
            "tasks: [demo-ner, demo-intent]",
            "tasks: [demo-ner, demo-intent, xnli-all]",
            "task 'xnli-all': no such task: did you mean xnli? Searched for ",
        ),
        (
            "tasks: [demo-ner, demo-intent]",
            "tasks: [demo-ner, demo-intent, something-else]",
            "task 'something-else': no such task: expected one of ag-news, ",
        ),
        (
            "tasks: [demo-ner, demo-intent]",
            "tasks: [demo-ner, demo-intent, xnli.tranfer]",
            "xnli.yaml: has no setting 'tranfer': expected xnli.transfer, ",
        ),
        (  # where tables name the right one
            "tasks: [demo-ner, demo-intent]",
            "tasks: [demo-nre, demo-intent]",
            "wrong.yaml: tasks.demo-nre: task 'demo-nre': no such task: did you mean demo-ner? Searched for ",
        ),
        (
            "tasks: [demo-ner, demo-intent]",
            "tasks: {demo-intent: {}, ner: {task: xnli.tranfer}}",
            "wrong.yaml: tasks.ner.task: ",
        ),
        (
            "tasks: [demo-ner, demo-intent]",
            "tasks: [conll2003, demo-intent]",
            "wrong.yaml: tables.slots.tasks: 'demo-ner' is not in the study: expected one of conll2003, demo-intent",
        ),
    ],
)
def test_check_refuses_tables_and_tasks_that_no_job_could_make(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, old: str, new: str, message: str
) -> None:
    study = tmp_path / "wrong.yaml"
    demo = Path("config/config.yaml").read_text()
    assert old in demo
    study.write_text(demo.replace(old, new))
    assert main(["check", str(study)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_check_of_a_wrong_study_fails_with_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = tmp_path / "wrong.yaml"
    study.write_text("study: x\nmodels: {a: {maker: adopt, folder: somewhere}}\nfinetunning: {}\n")
    assert main(["check", str(study)]) == 1
    assert capsys.readouterr().err.splitlines()[0].startswith(f"smelt: {study}: finetunning: no such key")
