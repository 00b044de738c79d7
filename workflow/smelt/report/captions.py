"""What each figure shows: its title, and the sentence under it that also stands in for it where it cannot be seen."""

OF_TABLES = ("by-language", "drops", "tradeoff")
"""Kinds of figures of which a study has one for a table: drops-table-6."""

FIGURES = {
    "by-language": (
        "Scores by language",
        "Score of each row of the table in each language: mean over seeds, on the test set, a panel for each "
        "column or section. Languages stand from the fewest training examples to the most, which the grey bars "
        "count on the right axis; where rows were trained on different numbers, there are none.",
    ),
    "drops": (
        "Lost against the baseline",
        "What each row of the table scores less than its baseline on each task, in points: mean and standard deviation "
        "of the difference over seeds, by language. A bar below the line scores more than the baseline.",
    ),
    "language-distribution": (
        "Language distribution",
        "Words of each language in each corpus, the largest first, on a logarithmic scale.",
    ),
    "learning-curves": (
        "Learning curves",
        "What models were trained for, on held-out documents, by training step: loss of masked language modelling, "
        "accuracy of sentence order prediction, and for distilled models how far their predictions, hidden states and "
        "attention are from their teachers'. A line for each model, and thin lines for its languages where they are "
        "few.",
    ),
    "score-by-vocabulary": (
        "Scores against vocabulary size",
        "Score on each task's test set against the number of pieces: mean and standard deviation over n seeds. Lines "
        "join models of one shape that were made in one way (trained from nothing, distilled, reduced, amplified); "
        "where several of these have one vocabulary, they stand beside each other and no line joins them. Horizontal "
        "lines are adopted models. A model that was tested in fewer languages of a task than others does not stand in "
        "its panel.",
    ),
    "splitting-and-errors": (
        "Splitting and missed labels",
        "Share of the entity words (of all words where labels are no spans) whose label is missed, mean over seeds, by "
        "the number of pieces that the tokenizer cuts the word into, up to 8, with Wilson intervals over words: a line "
        "for each model.",
    ),
    "tradeoff": (
        "Score against size and latency",
        "Score on the test set against the number of parameters, and against the latency of each batch, of the "
        "models of the table: mean and standard deviation over seeds. The line joins the models that no other "
        "beats in both, whose points are filled.",
    ),
}


def kind_of(figure: str) -> str:
    """Return the kind of a figure, which is its name unless it belongs to a table."""
    return next((kind for kind in OF_TABLES if figure.startswith(f"{kind}-")), figure)


def caption_of(figure: str) -> tuple[str, str]:
    """Return the title and caption of a figure; the title of one that belongs to a table names the table."""
    kind = kind_of(figure)
    title, caption = FIGURES[kind]
    return (title if kind == figure else f"{title}: {figure.removeprefix(f'{kind}-')}"), caption
