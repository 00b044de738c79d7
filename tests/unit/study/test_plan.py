"""What a study takes, by the sizes of its sources and the rates of a machine."""

from pathlib import Path

import pytest

from smelt.report.render import two_digits
from smelt.study.plan import StagePlan, StudyPlan, total
from smelt.study.rates import RATES, Rates, read_rates
from smelt.study.sizes import Sizes, known_sizes
from smelt.study.workflow import catalogue_of

STUDY = """
study: planned
corpora:
  wiki: {wikipedia: {date: "20230501", languages: [sw, en], mirror: mirror}, text: {en: en.txt}}
tokenizers:
  small: {algorithm: unigram, vocabulary: 8000, corpus: wiki, sample: 1000}
  large: {algorithm: bpe, vocabulary: 100000, corpus: wiki}
models:
  tiny:
    {maker: pretrain, architecture: {layers: 2, hidden: 128, heads: 2, feed_forward: 512}, tokenizer: small,
     corpus: wiki, recipe: small, settings: {data: {batch: 4, length: 64}, schedule: {steps: 100},
     validation: {every: 100}}}
  large-tiny:
    {maker: pretrain, architecture: {layers: 2, hidden: 128, heads: 2, feed_forward: 512}, tokenizer: large,
     corpus: wiki, recipe: small, settings: {data: {batch: 4, length: 64}, schedule: {steps: 100},
     validation: {every: 100}}}
  reduced: {maker: reduce, source: tiny, corpus: wiki, languages: [sw]}
tasks: {conll2003: {limit: 100, validation_limit: 50}}
finetuning: {seeds: [1, 2, 3], epochs: 2, runs_per_job: 3}
"""


MODELS = "{tiny: {maker: pretrain, architecture: albert-tiny, tokenizer: small, corpus: web, recipe: small}}"
TOKENIZERS = "{small: {algorithm: unigram, vocabulary: 8000, corpus: web}}"


def rates(**changes: object) -> Rates:
    """Return the default rates, without a GPU, with others in their place."""
    return read_rates(RATES).model_copy(update={"gpu": None, **changes})


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyPlan:
    """Return the plan of a study with 2 MB and 4 MB of dumps, and 1 MB of English text."""
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    Path("en.txt").write_bytes(b"word\n" * 200_000)
    for wiki, size in (("swwiki", 2_000_000), ("enwiki", 4_000_000)):
        folder = Path("mirror", wiki, "20230501")
        folder.mkdir(parents=True)
        (folder / f"{wiki}-20230501-pages-articles.xml.bz2").write_bytes(bytes(size))
    catalogue = catalogue_of([Path("study.yaml")], {})
    return StudyPlan(catalogue, known_sizes(catalogue), rates())


def stages(plan: StudyPlan) -> dict[str, StagePlan]:
    """Return its stages by name."""
    return {stage.name: stage for stage in plan.stages()}


def test_counts_the_text_of_local_dumps_and_files(plan: StudyPlan) -> None:
    found, per_byte = plan.text_bytes("wiki"), plan.rates.text_of_dump
    assert found == pytest.approx(6e6 * per_byte + 1e6)
    assert plan.text_bytes("wiki", ["sw"]) == pytest.approx(2e6 * per_byte)
    assert stages(plan)["downloads"].disk == 6e6


def test_takes_the_text_that_documents_have_once_they_are_made(plan: StudyPlan) -> None:
    folder = Path("results/planned/corpora/wiki/sw")
    folder.mkdir(parents=True)
    (folder / "statistics.json").write_text('{"bytes": 123}')
    again = StudyPlan(plan.catalogue, known_sizes(plan.catalogue), plan.rates)
    assert again.text_bytes("wiki", ["sw"]) == 123


def test_names_what_has_no_known_size(plan: StudyPlan) -> None:
    Path("mirror/swwiki/20230501/swwiki-20230501-pages-articles.xml.bz2").unlink()
    assert StudyPlan(plan.catalogue, known_sizes(plan.catalogue), plan.rates).unknown() == [("wiki", "sw")]
    Path("en.txt").unlink()
    unknown = StudyPlan(plan.catalogue, known_sizes(plan.catalogue), plan.rates).unknown()
    assert unknown == [("wiki", "sw"), ("wiki", "en")]
    given = Sizes(text={("wiki", "sw"): 1e6, ("wiki", "en"): 2e6})
    assert StudyPlan(plan.catalogue, given, plan.rates).unknown() == []


def test_text_of_data_sets_is_not_known_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = "datasets: {web: {folder: web, files: {sw: sw.jsonl}}}, text: {en: en.txt}"
    parts = [f"corpora: {{web: {{{own}}}}}", f"models: {MODELS}", f"tokenizers: {TOKENIZERS}"]
    Path("study.yaml").write_text("\n".join(["study: rows", *parts]))
    Path("en.txt").write_bytes(bytes(1000))
    catalogue = catalogue_of([Path("study.yaml")], {})
    assert StudyPlan(catalogue, known_sizes(catalogue), rates()).unknown() == [("web", "sw")]
    given = Sizes(text={("web", "sw"): 5e6})
    assert StudyPlan(catalogue, given, rates()).text_bytes("web") == 5e6 + 1000


def test_has_every_job_of_the_study(plan: StudyPlan) -> None:
    found = stages(plan)
    jobs = {name: stage.jobs for name, stage in found.items()}
    assert jobs.pop("measurement and report") > 0
    assert jobs == {
        "downloads": 2,
        "documents": 2,
        "tokenizers": 2,
        "blocks": 4,
        "counts of pieces": 1,
        "models: pretrain": 2,
        "models: reduce": 1,
        "tasks": 1,
        "fine-tuning": 3,  # three models, the three seeds of each in one job
        "efficiency": 1,
    }


def test_quick_measurements_are_planned_as_such(plan: StudyPlan) -> None:
    quick = stages(plan)["efficiency"].cpu_seconds - plan.rates.start_torch
    assert quick == pytest.approx(3 * plan.rates.measuring * 2 / 11), "one loading beside the passes, not ten"


def test_stores_pieces_of_large_vocabularies_twice_as_wide(plan: StudyPlan) -> None:
    tokens = plan.text_bytes("wiki") / plan.rates.bytes_of_token
    assert stages(plan)["blocks"].disk == pytest.approx(tokens * (2 + 4))


def test_a_run_takes_twice_as_long_at_half_the_speed(plan: StudyPlan) -> None:
    slow = rates(cpu=plan.rates.cpu.model_copy(update={"fp32": plan.rates.cpu.fp32 / 2, "bf16": 1e9}))
    start = plan.rates.start_torch * 2
    one, other = (
        stages(StudyPlan(plan.catalogue, plan.sizes, each))["models: pretrain"] for each in (plan.rates, slow)
    )
    assert other.cpu_seconds - start == pytest.approx(2 * (one.cpu_seconds - start))


def test_uses_gpus_for_models_that_ask_for_one(plan: StudyPlan) -> None:
    with_gpu = read_rates(RATES)
    found = stages(StudyPlan(plan.catalogue, plan.sizes, with_gpu))["models: pretrain"]
    # 8,000 pieces of 128 and two narrow layers train on a CPU; 100,000 pieces make it a model for a GPU.
    assert found.gpu_seconds > 0
    assert found.cpu_seconds > 2 * plan.rates.start_torch
    assert found.kwh(with_gpu) > found.cpu_seconds * with_gpu.cpu.watts / 3.6e6


def test_counts_prepared_examples_rather_than_limits(plan: StudyPlan) -> None:
    before = stages(plan)["fine-tuning"].cpu_seconds
    folder = Path("results/planned/tasks/conll2003")
    folder.mkdir(parents=True)
    splits = {"train": {"examples": 1000}, "validation": {"examples": 50}, "test": {"examples": 2000}}
    (folder / "task.json").write_text(f'{{"splits": {str(splits).replace(chr(39), chr(34))}}}')
    assert stages(StudyPlan(plan.catalogue, plan.sizes, plan.rates))["fine-tuning"].cpu_seconds > before


def test_sums_time_and_disk_and_takes_the_largest_memory() -> None:
    whole = total([StagePlan("a", 1, 2.0, 3.0, 4.0, 5.0, 6.0), StagePlan("b", 10, 20.0, 30.0, 40.0, 50.0, 60.0)])
    assert whole == StagePlan("all", 11, 22.0, 33.0, 44.0, 50.0, 66.0)


def test_checkpoints_of_trainings_are_planned_beside_what_stays(plan: StudyPlan) -> None:
    found = stages(plan)
    # Weights and two moments, four times: the last two, the best, and the one that is being written.
    assert found["models: pretrain"].checkpoints == pytest.approx(12 * found["models: pretrain"].disk)
    assert found["models: reduce"].checkpoints == 0


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.001, "<0.01"), (0.256, "0.26"), (2.5, "2.5"), (1234.5, "1,234")]
)
def test_shows_figures_without_false_digits(value: float, shown: str) -> None:
    assert two_digits(value) == shown
