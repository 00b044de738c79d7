#!/usr/bin/env bash
# seqeval 1.2.2 with numpy 2.4.6 and scikit-learn 1.9.1: in its default mode neighbouring entities in BILOU become one, so
# that a model which finds one span where there are two has an F1 of 1.0. The same tags with the letters of IOBES (S for
# U, E for L) are scored right.
#
# The default mode, conlleval's, knows the prefixes B, I, E and S, and reads U and L as "inside": [U-LOC, U-LOC] is one
# entity. seqeval warns once a tag ("U-LOC seems not to be NE tag") and returns a score. mode="strict" with scheme=BILOU
# is right.
#
# Seen:
#   BILOU, default: [('LOC', 0, 1)] F1 1.0
#   IOBES, default: [('LOC', 0, 0), ('LOC', 1, 1)] F1 0.0
#   BILOU, strict:  F1 0.0
#
# Why it matters: spaCy and AllenNLP write BILOU, and most papers score entities with seqeval. The error is upwards:
# borders between entities of one type cost nothing. Convert BILOU to IOB2 before scoring, or use the strict mode.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check seqeval==1.2.2 numpy==2.4.6 scikit-learn==1.9.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU

two, one = ["U-LOC", "U-LOC"], ["B-LOC", "L-LOC"]  # two places of a word each, and one of two words
letters = str.maketrans("UL", "SE")
iobes = [[tag[0].translate(letters) + tag[1:] for tag in tags] for tags in (two, one)]
default = f1_score([two], [one])
other = f1_score([iobes[0]], [iobes[1]])
strict = f1_score([two], [one], mode="strict", scheme=BILOU)
print("BILOU, default:", get_entities(two), "F1", default)
print("IOBES, default:", get_entities(iobes[0]), "F1", other)
print("BILOU, strict: ", "F1", strict)
sys.exit(0 if (default, other, strict) == (1.0, 0.0, 0.0) else "the behaviour has changed")
PYTHON
