"""Types of options that several commands take."""

import argparse

_SEEDS = 2**32  # NumPy's and torch's generators take more, but not scikit-learn's


def integers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between, such as folds or seeds."""
    return tuple(int(part) for part in text.split(","))


def seed(text: str) -> int:
    """A whole number that starts a generator.

    Raises:
        argparse.ArgumentTypeError: it is negative, or has more than 32 bits.
    """
    value = int(text)
    if not 0 <= value < _SEEDS:
        raise argparse.ArgumentTypeError(f"{text} is no seed: take 0 to {_SEEDS - 1}")
    return value


def seeds(text: str) -> tuple[int, ...]:
    """Seeds with commas between."""
    return tuple(map(seed, text.split(",")))


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


def probability(text: str) -> float:
    """A number between 0 and 1, neither of them included.

    Raises:
        argparse.ArgumentTypeError: it is not.
    """
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
