"""What is held at once is bounded, in all and for each client, and given back at the end."""

import pytest

from service.capacity import Admission, ClientCapacity
from service.errors import QueueFullError, TooManyRequestsError


def test_what_is_admitted_is_bounded_and_freed_however_its_block_ends() -> None:
    admission = Admission(5, "bytes")
    with admission.admit(2) as take:
        take(2)
        assert admission.inside == 4
        with pytest.raises(QueueFullError, match="more than 5 bytes are already in progress"):
            take(2)
        assert admission.inside == 4
        take(1)
        with pytest.raises(QueueFullError):
            admission.require_room()
        with pytest.raises(QueueFullError), admission.admit():
            raise AssertionError("admitted")
    admission.require_room()
    with pytest.raises(ZeroDivisionError), admission.admit(5):
        raise ZeroDivisionError
    assert admission.inside == 0


def test_one_client_leaves_others_their_share() -> None:
    capacity = ClientCapacity(2, "downloads")
    with capacity.hold("a") as take:
        take(1)
        with pytest.raises(TooManyRequestsError, match="more than 2 downloads of this client"):
            take(1)
        with pytest.raises(TooManyRequestsError), capacity.hold("a"):
            raise AssertionError("held")
        with capacity.hold("b", 2):
            pass
    with capacity.hold("a", 2):
        pass


def test_no_maximum_for_a_client() -> None:
    capacity = ClientCapacity(None, "requests")
    with capacity.hold("a", 0) as take:
        take(10**9)
