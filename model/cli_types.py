"""Types of options that several commands take."""


def integers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between, such as folds or seeds."""
    return tuple(int(part) for part in text.split(","))


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between, such as scales."""
    return tuple(float(part) for part in text.split(","))
