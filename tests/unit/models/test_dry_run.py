"""`smelt reduce --dry-run` states for ten rules what `reduce` with each of them makes."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bench.tokenizer_layouts import sentences
from published_kinds import lines as published_lines
from published_kinds import write_kind, write_xlmr
from reducible import MODELS, PIECES, sentence, write_model, write_wordpiece

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.models.reduce.choice import Choice
from smelt.models.reduce.rungs import rungs_around, values_of
from smelt.models.reduce.selection import Selection
from smelt.models.vocabulary.texts import texts_by_language, write_languages
from smelt.models.vocabulary.vocabulary import Closure
from smelt.study.makers.reduce import SelectionRule


def of_syllables(folder: Path) -> list[str]:
    """Write a BERT, and return lines in two mixtures of its words."""
    write_model(folder)
    return [sentence("qab" if number % 7 == 0 else "qaa", random.Random(number)) for number in range(300)]


def with_unknown_words(folder: Path) -> list[str]:
    """Write a BERT to which zqx becomes known when zq is left out, and z and ##qx are not."""
    write_model(folder)
    write_wordpiece(folder, [*PIECES[:-2], "zq", "##qx"])
    found = of_syllables(folder.with_name("others"))
    return [f"{line} zqx" if number % 3 == 0 else line for number, line in enumerate(found)]


def with_spare_rows(folder: Path) -> list[str]:
    """Write a BERT whose embeddings have rows to spare."""
    write_model(folder, MODELS["bert-pretraining"], rows=len(PIECES) + 8)
    return of_syllables(folder.with_name("others"))


def of_kind(name: str) -> Callable[[Path], list[str]]:
    def write(folder: Path) -> list[str]:
        write_kind(name, folder)
        return random.Random(3).choices(published_lines(), k=300)

    return write


def xlmr(folder: Path) -> list[str]:
    write_xlmr(folder)
    return sentences()[:300]


SOURCES: dict[str, Callable[[Path], list[str]]] = {
    "WordPiece": of_syllables,
    "WordPiece, unknown words become known": with_unknown_words,
    "WordPiece, spare rows": with_spare_rows,
    "Unigram": xlmr,
    "BPE with byte fallback": of_kind("mmbert"),
    "BPE of bytes": of_kind("modernbert"),
    "BPE with ends of words": of_kind("clip-text"),
}


def call(folder: Path, *words: str) -> int:
    corpus = ["--corpus", str(folder / "qaa.txt"), "--held-out-share", "0.3", "--threads", "1"]
    return main(["reduce", "--model", str(folder / "source"), *corpus, *words])


def write_source(folder: Path, write: Callable[[Path], list[str]] = of_syllables) -> None:
    (folder / "qaa.txt").write_text("\n".join(write(folder / "source")) + "\n", encoding="utf-8")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("rule", ["--threshold", "--coverage", "--size"])
def test_a_rung_says_what_reduce_with_its_rule_makes(source: str, rule: str, tmp_path: Path) -> None:
    write_source(tmp_path, SOURCES[source])
    size = {"BPE with byte fallback": "440", "BPE of bytes": "410", "BPE with ends of words": "400"}.get(source, "130")
    given = {"--threshold": "0.05", "--coverage": "0.99", "--size": size}[rule]
    more = ["--keep", "z", "##qx"] if "become known" in source else []
    assert call(tmp_path, "--dry-run", rule, given, *more, "--output", str(tmp_path / "sizes")) == 0
    found = json.loads((tmp_path / "sizes/sizes.json").read_text())
    whole = found["whole"]["by_language"]["qaa"]
    proven = [rung for rung in found["rungs"] if rung["by_language"]["qaa"]["proving"]]
    assert len(proven) >= 2
    changed = {rung["by_language"]["qaa"]["changed"] for rung in proven}
    assert max(changed) > 0
    for number, rung in enumerate((proven[0], proven[-1])):
        output = tmp_path / f"out-{number}"
        assert call(tmp_path, rule, str(rung["value"]).removesuffix(".0"), *more, "--output", str(output)) == 0
        made = json.loads((output / "reduction.json").read_text())
        proof, cut = made["proof"]["languages"]["qaa"], rung["by_language"]["qaa"]
        assert (rung["pieces"], rung["weights"]["parameters"]) == (made["pieces"], made["parameters"])
        assert rung["weights"]["bytes"] == (output / "model.safetensors").stat().st_size
        assert proof["lines_with_unknown_words_now_known"] == 0 or "become known" in source
        assert (cut["coverage"], cut["lines"]) == (made["coverage"]["qaa"], proof["lines"])
        assert cut["changed"] / cut["lines"] == proof["share_of_lines_that_tokenise_differently"]
        assert cut["proving"] == proof["lines_whose_pieces_are_all_kept"]
        words = whole["tokens"] / proof["before"]["fertility"]
        assert cut["tokens"] == pytest.approx(words * proof["after"]["fertility"], rel=1e-12)
        assert cut["unknown"] == pytest.approx(cut["tokens"] * proof["after"]["unknown_share"], rel=1e-12)
        assert whole["unknown"] == pytest.approx(whole["tokens"] * proof["before"]["unknown_share"], rel=1e-12)


def test_words_that_become_known_are_counted_as_reduce_counts_them(tmp_path: Path) -> None:
    write_source(tmp_path, with_unknown_words)
    words = ["--size", "120", "--keep", "z", "##qx"]
    assert call(tmp_path, *words, "--output", str(tmp_path / "out")) == 0
    proof = json.loads((tmp_path / "out/reduction.json").read_text())["proof"]["languages"]["qaa"]
    assert proof["lines_with_unknown_words_now_known"] > 0
    assert call(tmp_path, *words, "--dry-run", "--output", str(tmp_path / "sizes")) == 0
    found = json.loads((tmp_path / "sizes/sizes.json").read_text())
    (own,) = [rung for rung in found["rungs"] if rung["given"]]
    cut = own["by_language"]["qaa"]
    assert cut["changed"] / cut["lines"] == proof["share_of_lines_that_tokenise_differently"]


def test_rules_that_reduce_refuses_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_source(tmp_path)
    assert call(tmp_path, "--dry-run", "--size", "20", "--output", str(tmp_path / "sizes")) == 0
    said = capsys.readouterr().out
    assert "reduce will refuse this size, since of none of 90 held-out lines all pieces are kept; keep more" in said
    rungs = json.loads((tmp_path / "sizes/sizes.json").read_text())["rungs"]
    rows = pd.read_csv(tmp_path / "sizes/sizes.csv")
    assert list(rows["provable"])[:-1] == [rung["by_language"]["qaa"]["proving"] > 0 for rung in rungs]
    outcomes = set()
    for rung in rungs:
        (row,) = (line for line in said.splitlines() if line.lstrip("> ").startswith(f"{rung['label']} "))
        marked = row.rstrip().endswith("cannot be proven")
        made = call(tmp_path, "--size", rung["label"].replace(",", ""), "--output", str(tmp_path / rung["label"]))
        assert ("nothing can be proven: of none of 90" in capsys.readouterr().err, made) == (marked, int(marked))
        outcomes.add(marked)
    assert outcomes == {True, False}


def test_languages_without_a_line_of_kept_pieces_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_source(tmp_path)
    (tmp_path / "qab.txt").write_text("".join(f"{sentence('qab', random.Random(place))}\n" for place in range(30)))
    (tmp_path / "qaa.txt").write_text("".join(f"{'ba ' * number}\n" for number in range(3, 40)))
    words = ["--size", "11", "--corpus", str(tmp_path / "qaa.txt"), str(tmp_path / "qab.txt"), "--weights", "qaa=99"]
    assert call(tmp_path, *words, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert call(tmp_path, *words, "--output", str(tmp_path / "out")) == 0
    made = capsys.readouterr().out
    assert "out: qab: none of its" in made
    assert "leave out --dry-run for that; nothing will be proven of qab." in shown
    assert "not of qab" in shown


def keeps(sizes: dict[float, int]) -> Callable[[SelectionRule], Choice]:
    """Return a choice of the first pieces, as many as a table has for each value; one that it lacks is refused."""

    def choose(rule: SelectionRule) -> Choice:
        value = float({"threshold": rule.share, "coverage": rule.coverage, "size": rule.size}[rule.named_by] or 0)
        if value not in sizes:
            raise SmeltError("rule", f"refused {value}")
        ids = np.arange(sizes[value])
        return Choice({}, Selection({}, ids[:0], ids), Closure(ids, {}, ids[:0]))

    return choose


THRESHOLDS = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [("code", 0.00005, 0.05), ("paper", 0.00005, 0.05), (0.003, 0.0001, 0.05), (0.02, 0.0005, 0.5), (1, 0.001, 1)],
)
def test_ten_thresholds_lie_around_the_one_that_is_given(given: Any, first: float, last: float) -> None:
    rule = SelectionRule(threshold=given)
    sizes = {value: 100 - place for place, value in enumerate(sorted({*THRESHOLDS, rule.share}))}
    rungs = rungs_around(rule, keeps(sizes), 1000, 20_000)
    values = [rung.value for rung in rungs]
    assert (len(values), values[0], values[-1]) == (10, first, last)
    assert values == sorted(values)
    assert [rung.value for rung in rungs if rung.given] == [rule.share]


def test_thresholds_below_one_line_are_all_alike() -> None:
    assert min(values_of(SelectionRule(), 1000, 980)) == 0.002
    assert min(values_of(SelectionRule(), 1000, 1000)) == 0.001


def test_coverages_step_by_what_they_leave_out() -> None:
    found = sorted(values_of(SelectionRule(coverage=0.99), 1000, 10**6))
    assert found == [
        *(0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999),
        *(0.99995, 0.99998, 0.99999),
    ]


def test_sizes_go_up_to_the_whole_vocabulary_and_are_multiples() -> None:
    assert sorted(values_of(SelectionRule(size=30), 119, 10))[-4:] == [20, 50, 100, 119]
    found = sorted(values_of(SelectionRule(size=64, multiple_of=64), 1200, 10))
    assert found == [64, 128, 256, 512, 1024, 1152]


def test_rules_that_keep_the_same_or_are_refused_are_no_rungs() -> None:
    sizes = {0.1: 10, 0.2: 9, 0.5: 9, 1.0: 8, 0.05: 12, 0.02: 12, 0.01: 12}
    rungs = rungs_around(SelectionRule(threshold=0.1), keeps(sizes), 1000, 20_000)
    assert [rung.value for rung in rungs] == [0.05, 0.1, 0.2, 1.0]
    with pytest.raises(SmeltError, match=r"refused 0\.3"):
        rungs_around(SelectionRule(threshold=0.3), keeps(sizes), 1000, 20_000)


def test_the_table_marks_the_rule_of_the_call_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_source(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert call(tmp_path, "--dry-run", "--coverage", "0.98", "--multiple-of", "8") == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith((" ", ">"))]
    marked = [row for row in rows if row[:2] == [">", "0.98"]]
    assert len(marked) == 1
    assert int(marked[0][2]) % 8 == 0
    assert rows[-2][:3] == ["whole", "model", f"{len(PIECES)}"]


def test_figures_and_plot_are_written_by_language(tmp_path: Path) -> None:
    write_source(tmp_path)
    (tmp_path / "qab.txt").write_text("\n".join(sentence("qab", random.Random(number)) for number in range(90)) + "\n")
    words = ["--corpus", str(tmp_path / "qaa.txt"), str(tmp_path / "qab.txt"), "--output", str(tmp_path / "sizes")]
    assert call(tmp_path, "--dry-run", "--coverage", "0.95", *words) == 0
    assert {path.name for path in (tmp_path / "sizes").iterdir()} == {
        f"sizes.{end}" for end in ["json", "csv", "svg", "png"]
    }
    rows = pd.read_csv(tmp_path / "sizes/sizes.csv")
    own = rows[rows["given"]].set_index("language")
    assert list(own.index) == ["all", "qaa", "qab"]
    for column in ("lines", "changed", "tokens", "unknown"):
        assert own.loc["all", column] == own.loc[["qaa", "qab"], column].sum()
    assert own.loc["all", "changed_share"] == own.loc["all", "changed"] / own.loc["all", "lines"]
    assert np.isnan(own.loc["all", "coverage"])
    drawn = (tmp_path / "sizes/sizes.svg").read_text()
    assert "qab" in drawn
    assert "0.95" in drawn
    assert (tmp_path / "sizes/sizes.png").stat().st_size > 10_000


def test_counts_and_held_out_documents_give_what_their_texts_give(tmp_path: Path) -> None:
    write_source(tmp_path)
    source, text = str(tmp_path / "source"), str(tmp_path / "qaa.txt")
    documents = write_languages(texts_by_language([text], None), tmp_path, 0.3, 1)["qaa"]
    counts = tmp_path / "qaa.parquet"
    shards = ["--shards", str(tmp_path / "shards"), "--output", str(counts)]
    assert main(["count", "--documents", str(documents), "--tokenizer", source, "--language", "qaa", *shards]) == 0
    words = ["--dry-run", "--coverage", "0.98", "--output"]
    assert call(tmp_path, *words, str(tmp_path / "of-texts")) == 0
    files = ["--counts", str(counts), "--held-out", str(documents)]
    assert main(["reduce", "--model", source, *files, *words, str(tmp_path / "of-counts")]) == 0
    for name in ("sizes.json", "sizes.csv", "sizes.svg"):
        assert (tmp_path / "of-texts" / name).read_bytes() == (tmp_path / "of-counts" / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "--output: expected the folder of the reduced model; only --dry-run does without"),
        (["--dry-run", "--size", "3"], "size: expected more than the 5 pieces always kept, found 3"),
        (["--dry-run", "--output", "{folder}/source"], "source: exists: expected an --output that is not there yet"),
    ],
)
def test_a_dry_run_that_cannot_be_is_one_line(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_source(tmp_path)
    capsys.readouterr()
    assert call(tmp_path, *(word.format(folder=tmp_path) for word in words)) == 1
    message = capsys.readouterr().err
    assert complaint in message
    assert message.count("\n") == 1
