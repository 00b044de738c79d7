"""Tests, corrections, effect sizes, intervals and correlations over arrays of scores.

A library below the stages: pure functions over arrays, no files, nothing of Snakemake. A value that does not exist (a p
from one seed) is None with a note that says why, never NaN.
"""
