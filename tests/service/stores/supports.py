"""Small classes of made-up shots."""

import numpy as np

from model.contract import SupportPrototype, SupportSet
from service.stores import SessionKey


def shot(value: float = 0.0, tokens: int = 4) -> SupportPrototype:
    """A shot whose vectors hold one value."""
    vector = np.full(8, value, np.float16)
    return SupportPrototype(vector, vector, vector, np.ones((tokens, 8), np.float16))


def shots(*values: float) -> SupportSet:
    """A class, one shot for each value."""
    return SupportSet(tuple(shot(value) for value in values))


def some(count: int) -> SupportSet:
    """A class of that many shots."""
    return shots(*[0.0] * count)


def values(supports: SupportSet) -> list[float]:
    """What `shots` made a class of."""
    return [float(each.gate[0]) for each in supports.shots]


def key(session_id: str, owner: str = "owner") -> SessionKey:
    """The key of a session."""
    return SessionKey(owner, session_id)


SHOT_BYTES = shot().nbytes
