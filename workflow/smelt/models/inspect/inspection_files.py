"""An inspection as people see it: tables on the screen; inspection.json and tables as CSV in a folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from smelt.files import whole_folder, write_json
from smelt.models.inspect.comparison import ComparedLanguage, ComparedTokenizers
from smelt.models.inspect.pieces import KINDS, InspectedTokenizer
from smelt.models.inspect.usage import SHARES, LanguageUse, Usage
from smelt.report.csv_files import write_csv
from smelt.report.render import number
from smelt.scripts import NO_SCRIPT, name_of_script

WIDTH = 120  # columns that the tables need at least
MOST_SCRIPTS = 20
"""Scripts in a table on the screen; the files have all."""
LONGEST = 12
"""Characters of a piece in the table of lengths; longer ones stand together."""

Tokenizers = Sequence[InspectedTokenizer]


def print_inspection(tokenizers: Tokenizers, uses: Sequence[Usage], compared: ComparedTokenizers | None) -> None:
    """Print tables of kinds, scripts and lengths, and where there are texts, of languages."""
    console = Console(markup=False, emoji=False, highlight=False, width=max(Console().width, WIDTH), soft_wrap=True)
    for tokenizer in tokenizers:
        console.print(f"{tokenizer.name}: {tokenizer.vocabulary.size:,} pieces, {tokenizer.algorithm}")
    if compared:
        first, other = tokenizers
        same = " at the same place in a word" if first.marked == other.marked else ", whatever its place in a word"
        console.print(f"{compared.shared:,} pieces are in both: the same text{same}")
    console.print(_kinds(tokenizers))
    console.print(_scripts(tokenizers, compared))
    console.print(_lengths(tokenizers))
    for tokenizer, usage in zip(tokenizers, uses, strict=True):
        if usage.languages:
            console.print(_languages(tokenizer, usage))
            console.print(_sharing(tokenizer, usage))
    if compared and compared.languages:
        console.print(_compared(compared))


def _table(title: str, head: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(head, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table


def _heads(tokenizers: Tokenizers) -> list[str]:
    """Return a head for each tokenizer: its name is long, and stands above."""
    return ["pieces"] if len(tokenizers) == 1 else ["first", "other"]


def _kinds(tokenizers: Tokenizers) -> Table:
    table = _table("Kinds of pieces", "kind", *_heads(tokenizers))
    counts = [tokenizer.by_kind() for tokenizer in tokenizers]
    for kind in KINDS:
        if any(kind in each for each in counts):
            table.add_row(kind, *(f"{each.get(kind, 0):,}" for each in counts))
    return table


def _scripts(tokenizers: Tokenizers, compared: ComparedTokenizers | None) -> Table:
    table = _table("Scripts of pieces", "script", *_heads(tokenizers), *(["in both"] if compared else []))
    counts: list[Mapping[str, int]] = [tokenizer.by_script() for tokenizer in tokenizers]
    counts += [compared.shared_by_script] if compared else []
    codes = list(dict.fromkeys(code for each in counts for code in each))
    for code in codes[:MOST_SCRIPTS]:
        table.add_row(_script(code), *(f"{each.get(code, 0):,}" for each in counts))
    if rest := codes[MOST_SCRIPTS:]:
        table.add_row(f"{len(rest)} others", *(f"{sum(each.get(code, 0) for code in rest):,}" for each in counts))
    return table


def _script(code: str) -> str:
    return "no letters" if code == NO_SCRIPT else name_of_script(code)


def _lengths(tokenizers: Tokenizers) -> Table:
    lengths = range(1, LONGEST + 1)
    table = _table("Pieces with letters by their characters", "", *map(str, lengths), f"{LONGEST + 1} or more")
    for head, tokenizer in zip(_heads(tokenizers), tokenizers, strict=True):
        counts = tokenizer.by_length()
        longer = sum(count for length, count in counts.items() if length > LONGEST)
        table.add_row(head, *(f"{counts.get(length, 0):,}" for length in lengths), f"{longer:,}")
    return table


def _languages(tokenizer: InspectedTokenizer, usage: Usage) -> Table:
    heads = ["lines", "words", "pieces seen", *(f"for {share:.4g}" for share in SHARES), "only here"]
    table = _table(f"Use of {tokenizer.name}", "language", *heads, "pieces a word", "characters a piece", "unknown")
    for use in usage.languages:
        made = [f"{use.pieces_for(share):,}" for share in SHARES]
        counts = [f"{use.lines:,}", f"{use.words:,}", f"{use.seen:,}", *made, f"{usage.alone(use):,}"]
        table.add_row(use.language, *counts, *_ratios(use))
    return table


def _ratios(use: LanguageUse) -> list[str]:
    return [number(use.fertility), number(use.characters_per_piece), number(use.unknown_share, ".3%")]


def _sharing(tokenizer: InspectedTokenizer, usage: Usage) -> str:
    size, languages = tokenizer.vocabulary.size, len(usage.languages)
    unused = f"{usage.used_by(0):,} of {size:,} pieces are used by none of these texts"
    alone, together = usage.used_by(1), usage.used_by(languages)
    more = f", {alone:,} by those of one language, {together:,} by those of all {languages}" if languages > 1 else ""
    heads = "For 0.9: the most used pieces that make 90% of all; only here: pieces that no other of the languages uses"
    return f"{unused}{more}.\n{heads}."


def _compared(compared: ComparedTokenizers) -> Table:
    heads = ["pieces a word: first", "other", "unknown: first", "other", "pieces: other / first", "lines cut alike"]
    table = _table("Both on the same texts", "language", *heads)
    for each in compared.languages:
        ratios = [_ratios(use) for use in (each.first, each.other)]
        pairs = [ratio[place] for place in (0, 2) for ratio in ratios]
        alike = f"{number(each.alike_share, '.1%')} of {each.lines:,}"
        table.add_row(each.first.language, *pairs, number(each.length_ratio, ".3f"), alike)
    return table


def write_inspection(
    folder: Path, tokenizers: Tokenizers, uses: Sequence[Usage], compared: ComparedTokenizers | None
) -> None:
    """Write all figures as JSON and CSV, and a row for each piece."""
    both = list(zip(tokenizers, uses, strict=True))
    with whole_folder(folder) as draft:
        tables: dict[str, list[dict[str, Any]]] = {
            "kinds": [row for tokenizer in tokenizers for row in _rows(tokenizer, "kind", tokenizer.by_kind())],
            "scripts": [row for tokenizer in tokenizers for row in _rows(tokenizer, "script", tokenizer.by_script())],
            "lengths": [row for tokenizer in tokenizers for row in _rows(tokenizer, "length", tokenizer.by_length())],
            "languages": [_language_row(tokenizer, usage, use) for tokenizer, usage in both for use in usage.languages],
        }
        if compared:
            tables["comparison"] = list(map(_compared_row, compared.languages))
        for name, rows in tables.items():
            if rows:
                write_csv(draft / f"{name}.csv", rows)
        write_csv(draft / "pieces.csv", (row for tokenizer, usage in both for row in _piece_rows(tokenizer, usage)))
        write_json(
            draft / "inspection.json", {"tokenizers": [_record(*pair) for pair in both]} | tables | _both(compared)
        )


def _rows(tokenizer: InspectedTokenizer, name: str, counts: Mapping[Any, int]) -> Iterator[dict[str, Any]]:
    for value, count in counts.items():
        yield {"tokenizer": tokenizer.name, name: value, "pieces": count, "share": count / tokenizer.vocabulary.size}


def _record(tokenizer: InspectedTokenizer, usage: Usage) -> dict[str, Any]:
    used = {str(count): usage.used_by(count) for count in range(len(usage.languages) + 1)} if usage.languages else {}
    about = {"name": tokenizer.name, "algorithm": tokenizer.algorithm, "pieces": tokenizer.vocabulary.size}
    return about | {"pieces_by_number_of_languages_that_use_them": used}


def _both(compared: ComparedTokenizers | None) -> dict[str, Any]:
    if compared is None:
        return {}
    return {"pieces_in_both": compared.shared, "pieces_in_both_by_script": dict(compared.shared_by_script)}


def _language_row(tokenizer: InspectedTokenizer, usage: Usage, use: LanguageUse) -> dict[str, Any]:
    alone = usage.alone(use)
    return {
        "tokenizer": tokenizer.name,
        "language": use.language,
        "lines": use.lines,
        "words": use.words,
        "characters": use.characters,
        "tokens": use.tokens,
        "pieces_seen": use.seen,
        **{f"pieces_for_{share:g}": use.pieces_for(share) for share in SHARES},
        "pieces_only_here": alone,
        "share_only_here": alone / use.seen if use.seen else None,
        "fertility": use.fertility,
        "characters_per_piece": use.characters_per_piece,
        "unknown": use.unknown,
        "unknown_share": use.unknown_share,
    }


def _compared_row(each: ComparedLanguage) -> dict[str, Any]:
    return {
        "language": each.first.language,
        "fertility_first": each.first.fertility,
        "fertility_other": each.other.fertility,
        "unknown_share_first": each.first.unknown_share,
        "unknown_share_other": each.other.unknown_share,
        "length_ratio": each.length_ratio,
        "lines_compared": each.lines,
        "lines_cut_alike": each.alike,
        "share_cut_alike": each.alike_share,
    }


def _piece_rows(tokenizer: InspectedTokenizer, usage: Usage) -> Iterator[dict[str, Any]]:
    columns = {use.language: use.occurrences.tolist() for use in usage.languages}
    for identity, piece in enumerate(tokenizer.pieces):
        about = {"id": identity, "piece": piece.piece, "text": piece.text, "kind": piece.kind, "script": piece.script}
        yield {"tokenizer": tokenizer.name, **about, **{name: counts[identity] for name, counts in columns.items()}}
