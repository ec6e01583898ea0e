"""The header by which a request that is sent again is known."""

from typing import Any

from fastapi import Header

from service.schemas import IDEMPOTENCY_HEADER


def idempotency_key(description: str) -> Any:
    """The parameter of an operation that happens once for each key.

    Args:
        description: what a repeated request gets, and how long a key is known.
    """
    return Header(
        alias=IDEMPOTENCY_HEADER,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",  # visible ASCII, so that no proxy writes it in another manner
        description="Fresh and random, such as a UUID: a request that is sent again with the same "
        f"key {description}; with another request it is refused.",
    )
