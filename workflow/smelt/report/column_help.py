"""What heads of columns mean, in a sentence each: the page shows it where a reader points at a head."""

import re

_HELP = {
    # Scores and their comparison
    "n": "Runs behind the number, one a seed.",
    "Average": "Mean of the scores on the tasks named below, in percent.",
    "Score": "Mean over seeds on the test set, in percent; in brackets the standard deviation.",
    "score": "Mean over seeds on the test set, in percent; in brackets the standard deviation.",
    "difference": "From the model that the note names, in points; a star marks a significant one.",
    "Difference": "Score of the first model minus that of the second, in points, with its interval.",
    "Hedges' g": "The difference in standard deviations over seeds, corrected for few seeds.",
    "p": "Probability of a difference at least as large if the two did not differ; without correction.",
    "p corrected": "The p after the correction for many comparisons that the note names; the verdict rests on it.",
    "Significant": "Whether the corrected p lies below the study's level.",
    "Detectable": "The smallest true difference, in points, that the test finds in four of five such studies.",
    "Seeds for the margin": "Seeds of each model that would show one of two equal models to be no worse.",
    "Seeds needed": "Seeds of each model that would show a difference as large as this one, at the seen spread.",
    "Interval over examples": "Of the difference, from test examples drawn again and again; at the corrected level.",
    "Differ over examples": "Whether these runs differ on other examples like these, with the corrected p.",
    "No worse over seeds": "Which of the two loses less than the margin against the other, with both bounds.",
    "No worse over examples": "The same over test examples: whether these runs would, on other examples like these.",
    "No worse over tasks": "The same over tasks, of one mean each.",
    "Mean": "Over the tasks that the models share, in percent; the note names them.",
    "Against the best": "What tests find of the model and the best one; the note says what each word means.",
    "Tasks": "Tasks on which both models ran.",
    "Won – lost": "Tasks on which the first model's mean is higher, and those on which it is lower.",
    "W": "Statistic of Wilcoxon's signed-rank test.",
    "r": "Pearson's correlation between added pieces and missed labels.",
    "r of single runs": "Mean of the correlations of each seed alone; in brackets their standard deviation.",
    "Interval (sentences)": "Of r, from whole sentences drawn again and again.",
    "Interval (words)": "Of r, as if words were independent of each other.",
    # Models
    "Maker": "How the model was made.",
    "Vocabulary": "Rows of the table of embeddings.",
    "Layers × width": "Layers of the encoder, and the size of its hidden states.",
    "Parameters": "Weights of the model; tied ones count once.",
    "Parameters (M)": "Weights, in millions; tied ones count once.",
    "Table of pieces (M)": "Weights of the embeddings of pieces, in millions.",
    "Steps": "Optimiser steps that pretraining took.",
    "MLM loss": "Cross-entropy of masked language modelling on held-out documents; lower is better.",
    "MLM accuracy": "Share of masked pieces that are found again on held-out documents.",
    "SOP loss": "Cross-entropy of the order of two segments on held-out documents; lower is better.",
    "SOP accuracy": "Share of pairs of segments whose order is found on held-out documents.",
    # Efficiency
    "Size (MB)": "Bytes of the weights; a megabyte is a million bytes.",
    "fp32 (MB)": "Bytes of the weights in fp32; a megabyte is a million bytes.",
    "On disk (MB)": "Bytes of the model's file; a megabyte is a million bytes.",
    "Memory (MB)": "What a process holds after one pass, all weights included, beyond what libraries take.",
    "Loading (s)": "From files in the system's cache to all weights in memory, in a fresh process.",
    "(ms)": "Median latency of a batch: sentences × tokens.",
    "(tokens/s)": "Throughput: tokens a second, at this batch of sentences × tokens.",
    "MFLOP a token at 32": "Millions of operations for a token of a sentence of 32 tokens.",
    # Published numbers
    "Published": "As the paper prints it; in brackets the standard deviation, where the paper has one.",
    "Ours": "Of a score the mean over seeds.",
    "Interval of ours": "Student's t interval of our mean over seeds.",
    "Verdict": "Whether the published number lies in our interval; of what no seed changes, whether both print alike.",
    # Texts and vocabularies
    "Pieces": "Pieces of the vocabulary, or in a table of blocks those of the texts.",
    "Pieces a word": "Fertility: pieces divided by words between white space.",
    "Unknown": "Share of pieces that are the unknown token.",
    "Held out": "Documents kept from training, on which pretraining is measured.",
    "Share drawn": "Share of a language in what samples draw.",
    "Coverage": "Share of the occurrences of pieces whose piece is kept.",
    "Lines cut otherwise (%)": "Share of held-out lines that the reduced tokenizer cuts differently.",
    # Costs
    "CPU time": "Planned processor time; the column beside it has what was measured.",
    "Energy": "Planned electric energy; the column beside it has what was measured.",
    "Energy used": "Electric energy of its jobs, as codecarbon estimates it.",
    "Emissions": "By the mix of electricity of the country that the study names.",
    "kWh": "Electric energy, as codecarbon estimates it.",
    "time": "On the clock, of the jobs between the source and the score.",
    "Time": "On the clock, resumed parts included.",
    # Tasks
    "Validation in training": "Validation examples that also stand in training, word for word.",
    "Test in training": "Test examples that also stand in training, word for word: a leak.",
    "Test in validation": "Test examples that also stand in validation, word for word.",
}


def column_help(head: str) -> str:
    """Return what a column's head means; nothing where the head says it, or is a name."""
    shown = head.rpartition(": ")[2]
    unit = re.search(r"\(ms\)$|\(tokens/s\)$", head)
    return _HELP.get(head) or _HELP.get(shown) or _HELP.get(unit[0] if unit else re.sub(r" \(.*\)$", "", head), "")
