#!/usr/bin/env bash
# seqeval 1.2.2, numpy 2.4.6, scikit-learn 1.9.1, Python 3.11
#
# mode="strict" without a scheme is strict in classification_report only. f1_score, precision_score, recall_score and
# precision_recall_fscore_support take the same argument and count in the default mode, without a warning; so does
# everything, classification_report too, with a scheme but without mode="strict".
#
# Seen for the gold labels B-PER I-PER O B-LOC and the predicted ones I-PER I-PER O I-LOC:
#                                          f1_score    classification_report, micro average
#     default                              1.0         1.0
#     scheme=IOB2                          1.0         1.0
#     mode="strict"                        1.0         0.0
#     mode="strict", scheme=IOB2           0.0         0.0
#
# Why it matters: a script that prints classification_report(mode="strict") and keeps f1_score(mode="strict") for its table
# states two F1 of one prediction, and a paper that says "strict" may hold the lenient figure. Models that predict labels
# word by word often begin spans with I, so the two can be several points apart. Name the scheme with the mode, or neither.
#
# The script ends with 1 when the behaviour has changed.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
cat > requirements.txt <<'END'
cloudpickle==3.1.3
joblib==1.6.0
narwhals==2.29.0
numpy==2.4.6
scikit-learn==1.9.1
scipy==1.17.1
seqeval==1.2.2
threadpoolctl==3.8.0
END
venv/bin/pip install --quiet --requirement requirements.txt

venv/bin/python -W ignore - <<'END'
import sys

from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import IOB2

gold = [["B-PER", "I-PER", "O", "B-LOC"]]
predicted = [["I-PER", "I-PER", "O", "I-LOC"]]
ways = {
    "default": {},
    "scheme=IOB2": {"scheme": IOB2},
    'mode="strict"': {"mode": "strict"},
    'mode="strict", scheme=IOB2': {"mode": "strict", "scheme": IOB2},
}
found = []
for name, options in ways.items():
    report = classification_report(gold, predicted, output_dict=True, zero_division=0, **options)
    found.append((float(f1_score(gold, predicted, **options)), float(report["micro avg"]["f1-score"])))
    print(f"{name:28} f1_score {found[-1][0]}  classification_report {found[-1][1]}")
if found != [(1.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)]:
    sys.exit("the behaviour has changed")
END
