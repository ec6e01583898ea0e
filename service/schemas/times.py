"""Times as the wire has them."""

from datetime import UTC, datetime


def to_datetime(instant: float) -> datetime:
    """Seconds since the epoch as a UTC time."""
    return datetime.fromtimestamp(instant, UTC)
