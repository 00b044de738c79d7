#!/usr/bin/env bash
# tokenizers 0.23.3: a Unigram model that is saved and read again has other scores for about one piece in
# eight: the last digit of the number differs. So a word that can be cut in two ways of one score
# may be cut otherwise by the tokenizer that was trained, or converted from SentencePiece, than by the one that is read
# from its file. The digits in the file are right; reading them is not. Read once, the scores stay as they are.
#
# Seen, with scores drawn at random:
#   20000 scores: 0 written otherwise, 2625 read otherwise, 0 changed by the next reading
#   300 models with pieces of one to five letters: 7 cut a run of 30 letters otherwise after reading
#
# Why it matters: texts that were counted or encoded in the process that trained a tokenizer differ from those of every
# process that loads it. Read a new tokenizer from its file before the first use.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.3
FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import json
import os
import random
import sys

from tokenizers import Tokenizer, models


def unigram(pieces: list[tuple[str, float]]) -> Tokenizer:
    return Tokenizer(models.Unigram([("<unk>", 0.0), *pieces], 0, False))


def read_again(tokenizer: Tokenizer) -> Tokenizer:
    file = os.environ["FOLDER"] + "/tokenizer.json"
    tokenizer.save(file)
    return Tokenizer.from_file(file)


def scores(tokenizer: Tokenizer) -> list[float]:
    return [score for _, score in json.loads(tokenizer.to_str())["model"]["vocab"]][1:]


def differ(one: list[float], other: list[float]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


draw = random.Random(1)
given = [-20 * draw.random() for _ in range(20_000)]
made = unigram([(f"piece{number}", score) for number, score in enumerate(given)])
read, twice = read_again(made), read_again(read_again(made))
changes = (differ(given, scores(made)), differ(given, scores(read)), differ(scores(read), scores(twice)))
print("{} scores: {} written otherwise, {} read otherwise, {} changed by the next reading".format(len(given), *changes))

models_made = [unigram([("a" * length, -20 * draw.random()) for length in range(1, 6)]) for _ in range(300)]
text = "a" * 30
otherwise = sum(model.encode(text).tokens != read_again(model).encode(text).tokens for model in models_made)
kind = "models with pieces of one to five letters"
print(f"{len(models_made)} {kind}: {otherwise} cut a run of 30 letters otherwise after reading")
sys.exit(0 if changes == (0, 2625, 0) and otherwise == 7 else "the behaviour has changed")
PYTHON
