"""How often a request is expected to wait."""

from service.engine.looks import Looks


class Request:
    """What looks at images."""


def test_no_request_waits_more_than_twice_however_many_come_back_at_once() -> None:
    looks = Looks()
    early = [Request() for _ in range(200)]
    for request in (*early, *(Request() for _ in range(100))):
        with looks.look(request):
            pass
    assert looks.mean == 1
    for request in early:
        with looks.look(request):
            assert 1 < looks.mean <= 2
    assert looks.mean == 2
