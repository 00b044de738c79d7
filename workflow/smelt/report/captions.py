"""What each figure shows: its title, and the sentence under it that also stands in for it where it cannot be seen."""

FIGURES = {
    "language-distribution": (
        "Language distribution",
        "Words of each language in each corpus, the largest first, on a logarithmic scale.",
    ),
    "learning-curves": (
        "Learning curves",
        "Loss of masked language modelling and accuracy of sentence order prediction on held-out documents, by "
        "training step: a line for each model, and thin lines for its languages where they are few.",
    ),
    "score-by-vocabulary": (
        "Scores against vocabulary size",
        "Score on each task's test set against the number of pieces: mean and standard deviation over n seeds. Lines "
        "join models of one shape, pretrained ones and reduced ones apart; horizontal lines are adopted models. A "
        "model that was tested in fewer languages of a task than others does not stand in its panel.",
    ),
    "splitting-and-errors": (
        "Splitting and missed labels",
        "Share of the entity words (of all words where labels are no spans) whose label is missed, mean over seeds, by "
        "the number of pieces that the tokenizer cuts the word into, up to 8, with Wilson intervals over words: a line "
        "for each model.",
    ),
}
