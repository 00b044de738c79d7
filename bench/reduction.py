"""A BERT of multilingual BERT's shape reduced from 119,547 to 20,000 pieces, against what public scripts do.

Both read and write a folder with model and tokenizer. The plain way is that of the scripts that go with papers: the
whole model in memory, a list-membership test for every piece of the vocabulary, rows of the embeddings copied one by
one, the tokenizer saved and loaded again. Neither counts pieces or proves anything here: the proof's time is that of
the models that it runs.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bench.measure import Benchmark, Figures
from bench.workers import WayProcess, close

SPECIAL = ["[PAD]", *(f"[unused{number}]" for number in range(1, 10)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ALPHABET = "abcdefghijklmnoprstuvzàéîöšžαβγδεκλμνπρστабвгдежикл"
SHAPE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
SMALL = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}

ReducingWay = Callable[[Path, np.ndarray, Path], None]


def reduction(name: str) -> Benchmark:
    """Reductions a minute; the numbers of pieces before and after stand in the name."""
    before, after = (int(part.removesuffix("k")) for part in name.split("-")[1:])
    sizes = (119_547 if before == 119 else before * 1000, after * 1000)
    folder = Path(tempfile.mkdtemp(prefix="smelt-bench-"))
    write_source(folder / "source", sizes[0], SHAPE)
    ways = {make.__name__: WayProcess(make, folder, sizes) for make in (ours, plain, ours_memory, plain_memory)}

    def end() -> None:
        close(ways)
        shutil.rmtree(folder)

    return Benchmark(
        name,
        "reductions/min",
        "a plain script",
        ours=ways["ours"],
        peer=ways["plain"],
        runs=3,
        others={name: ways[name] for name in ("ours_memory", "plain_memory")},
        further=_further,
        rehearse=False,
        close=end,
    )


def ours(folder: Path, sizes: tuple[int, int]) -> Callable[[], float]:
    """What `smelt reduce` does between choosing pieces and the proof."""
    return _speed(reduce_folder, folder / "source", sizes)


def plain(folder: Path, sizes: tuple[int, int]) -> Callable[[], float]:
    """What public scripts do."""
    return _speed(by_script, folder / "source", sizes)


def ours_memory(folder: Path, sizes: tuple[int, int]) -> Callable[[], float]:
    """The MiB that a reduction takes at its peak, without the libraries'."""
    return _peak(reduce_folder, folder / "source", sizes)


def plain_memory(folder: Path, sizes: tuple[int, int]) -> Callable[[], float]:
    """The same of the script."""
    return _peak(by_script, folder / "source", sizes)


def write_source(folder: Path, pieces: int, shape: Mapping[str, int]) -> None:
    """Write a BERT with random weights and a WordPiece tokenizer of invented words."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(1)
    BertForMaskedLM(BertConfig(vocab_size=pieces, **shape)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(invented_pieces(pieces)) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": False})
    )


def invented_pieces(number: int) -> list[str]:
    """Return a WordPiece vocabulary: special ones, letters, and words of up to 8 of these."""
    generator = np.random.default_rng(1)
    found = dict.fromkeys([*SPECIAL, *ALPHABET, *(f"##{letter}" for letter in ALPHABET)])
    while len(found) < number:
        letters = generator.integers(0, len(ALPHABET), 9)
        word = "".join(ALPHABET[letter] for letter in letters[: 2 + letters[-1] % 7])
        found[word if letters[0] % 5 < 3 else f"##{word}"] = None
    return list(found)


def choose_ids(sizes: tuple[int, int]) -> np.ndarray:
    """Return the ids to keep: special pieces, letters and drawn ones."""
    first = len(SPECIAL) + 2 * len(ALPHABET)
    drawn = np.random.default_rng(2).choice(np.arange(first, sizes[0]), sizes[1] - first, replace=False)
    return np.sort(np.concatenate([np.arange(first), drawn]))


def reduce_folder(source: Path, ids: np.ndarray, output: Path) -> None:
    """Read the vocabulary, close the choice, gather the weights and write the tokenizer, which checks itself."""
    from smelt.models.vocabulary.vocabulary import read_vocabulary
    from smelt.models.vocabulary.weights import reduce_weights

    vocabulary = read_vocabulary(source, "the model")
    ids = vocabulary.closure(ids).ids
    output.mkdir()
    reduce_weights(source, ids, output, vocabulary.size, "the model")
    vocabulary.write(ids, output)


def by_script(source: Path, ids: np.ndarray, output: Path) -> None:
    """Load all, look every piece up in a list, copy row by row, save, and load the tokenizer again."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model, tokenizer = AutoModelForMaskedLM.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    selected = [vocabulary[number] for number in ids]
    kept = [(number, piece) for number, piece in enumerate(vocabulary) if piece in selected]
    old, bias = model.get_input_embeddings().weight.data, model.cls.predictions.bias.data
    new = torch.nn.Embedding(len(kept), old.shape[1], padding_idx=0)
    new_bias = torch.zeros(len(kept))
    for place, (number, _) in enumerate(kept):
        new.weight.data[place] = old[number]
        new_bias[place] = bias[number]
    model.set_input_embeddings(new)
    model.cls.predictions.bias = torch.nn.Parameter(new_bias)
    model.config.vocab_size = len(kept)
    model.tie_weights()
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    for file in output.glob("tokenizer.json"):
        file.unlink()
    (output / "vocab.txt").write_text("\n".join(piece for _, piece in kept) + "\n", encoding="utf-8")
    AutoTokenizer.from_pretrained(output).save_pretrained(output)


def _rehearsed(way: ReducingWay) -> None:
    """Have the libraries loaded, and everything run once that is slow only then."""
    with tempfile.TemporaryDirectory() as folder:
        write_source(Path(folder, "source"), 1000, SMALL)
        way(Path(folder, "source"), choose_ids((1000, 300)), Path(folder, "output"))


def _speed(way: ReducingWay, source: Path, sizes: tuple[int, int]) -> Callable[[], float]:
    _rehearsed(way)
    ids = choose_ids(sizes)

    def run() -> float:
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            began = time.perf_counter()
            way(source, ids, Path(folder, "output"))
            return 60 / (time.perf_counter() - began)

    return run


def _peak(way: ReducingWay, source: Path, sizes: tuple[int, int]) -> Callable[[], float]:
    _rehearsed(way)
    ids = choose_ids(sizes)
    measured: list[float] = []

    def run() -> float:
        if not measured:  # memory that is freed may stay with the process: only the first time counts
            Path("/proc/self/clear_refs").write_text("5")
            before = _in_status("VmRSS")
            with tempfile.TemporaryDirectory(dir=source.parent) as folder:
                way(source, ids, Path(folder, "output"))
            measured.append(_in_status("VmHWM") - before)
        return measured[0]

    return run


def _in_status(name: str) -> float:
    """Return a figure of this process's memory, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _further(measured: Mapping[str, list[float]]) -> Figures:
    seconds = {f"{way}, seconds": 60 / float(np.median(measured[way])) for way in ("ours", "peer")}
    ways = {"ours": "ours_memory", "peer": "plain_memory"}
    return seconds | {f"{way}, peak MiB": measured[name][0] for way, name in ways.items()}
