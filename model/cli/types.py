"""Types of options that several commands take."""

import argparse


def integers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between, such as folds or seeds."""
    return tuple(int(part) for part in text.split(","))


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between, such as scales."""
    return tuple(float(part) for part in text.split(","))


def positive(text: str) -> int:
    """A whole number of at least 1.

    Raises:
        argparse.ArgumentTypeError: it is smaller.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value
