"""What routes are given costs no thread: a hop there and back takes longer than all of them."""

from typing import NoReturn

import httpx
import pytest

from tests.service.http_api import new_session, post_segment
from tests.service.pictures import picture


async def test_requests_need_no_thread_for_their_dependencies(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a dependency is no coroutine function")

    monkeypatch.setattr("fastapi.dependencies.utils.run_in_threadpool", refused)
    session = await new_session(client, [picture()])
    assert (await post_segment(client, session, [picture()])).status_code == 200
    assert (await client.get(f"/sessions/{session}")).status_code == 200
    assert (await client.get("/jobs")).status_code in {200, 503}
    assert (await client.delete(f"/sessions/{session}")).status_code == 204
