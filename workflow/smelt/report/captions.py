"""What each figure shows: its title, and the sentence under it that also stands in for it where it cannot be seen."""

OF_TABLES = ("by-language", "drops", "tradeoff")
"""Kinds of figures of which a study has one for a table: drops-table-6."""

FIGURES = {
    "by-language": (
        "Scores by language",
        "Score of each row of the table in each language: mean over seeds, on the test set, with a panel for each "
        "column or section. Languages are ordered from the fewest training examples to the most. Grey bars show "
        "these numbers on the right axis; there are none where rows were trained on different numbers.",
    ),
    "drops": (
        "Lost against the baseline",
        "How much lower each row of the table scores than its baseline on each task, in points: mean and standard "
        "deviation of the difference over seeds, by language. A bar below the line means that the row scores higher "
        "than the baseline.",
    ),
    "language-distribution": (
        "Language distribution",
        "Words of each language in each corpus, the largest first, on a logarithmic scale.",
    ),
    "learning-curves": (
        "Learning curves",
        "Measured on held-out documents, by training step: loss of masked language modelling, accuracy of sentence "
        "order prediction, and for distilled models how far their predictions, hidden states and attention are from "
        "their teachers'. A line for each model, and thin lines for its languages where these are few.",
    ),
    "score-by-vocabulary": (
        "Scores against vocabulary size",
        "Score on each task's test set against the number of pieces: mean and standard deviation over n seeds. "
        "Lines join models of one shape that were made in one way (trained from nothing, distilled, reduced, "
        "amplified); where several of these have one vocabulary, they are drawn beside each other and no line joins "
        "them. Horizontal lines are adopted models. A model that was tested in fewer languages of a task than "
        "others is left out of its panel.",
    ),
    "splitting-and-errors": (
        "Splitting and missed labels",
        "Share of the entity words (of all words where labels are not spans) whose label is wrong, mean over seeds, "
        "by the number of pieces that the tokenizer cuts the word into, up to 8. A line for each model; Wilson "
        "intervals over words, at the confidence that the study sets.",
    ),
    "tradeoff": (
        "Score against size and latency",
        "Score on the test set against the number of parameters, and against the latency of each batch, for the "
        "models of the table: mean and standard deviation over seeds. The line joins the models, with filled "
        "points, for which no other model is at least as good in both.",
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
