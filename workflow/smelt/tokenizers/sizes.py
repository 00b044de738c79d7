"""What is said of a vocabulary that a sample does not go with, whatever the algorithm."""


def too_large(vocabulary: int, possible: int | str) -> str:
    """Return the message for a vocabulary that a sample cannot fill."""
    return (
        f"a vocabulary of {vocabulary} is larger than its sample can fill: at most {possible} pieces are possible. "
        "Name a smaller vocabulary, or a larger sample or corpus."
    )


def too_small(vocabulary: int, needed: int | str) -> str:
    """Return the message for a vocabulary that a sample's characters do not fit into."""
    return (
        f"a vocabulary of {vocabulary} is smaller than the characters of its sample: at least {needed} pieces "
        "are needed. Name a larger vocabulary, or a lower character_coverage."
    )
