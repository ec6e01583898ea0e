"""`/sessions`: look, forget, expire."""

from datetime import datetime
from urllib.parse import urljoin

import httpx
import pytest

from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from service.stores import MemoryStore
from tests.service.clocks import ManualClock
from tests.service.http_api import assert_problem, new_session, post_segment, post_support, running
from tests.service.pictures import BLUE, picture
from tests.service.session_limits import LIMITS


async def test_session_lists_its_classes_in_order(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture(), picture(seed=1)], "zebra")
    await post_support(client, [picture(BLUE)], "ant", session_id=session_id)
    body = (await client.get(f"/sessions/{session_id}")).json()
    assert body["classes"] == [
        {"class_name": "zebra", "shots": 2, "adapted": False},
        {"class_name": "ant", "shots": 1, "adapted": False},
    ]
    assert (body["session_id"], body["model"]) == (session_id, "fake@1")
    assert datetime.fromisoformat(body["expires_at"]) > datetime.fromisoformat(body["created"])


async def test_deleted_session_is_gone(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()])
    response = await client.delete(f"/sessions/{session_id}")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers
    assert_problem(await client.get(f"/sessions/{session_id}"), 404, "session_not_found")
    assert_problem(await client.delete(f"/sessions/{session_id}"), 404, "session_not_found")
    assert_problem(await post_segment(client, session_id, [picture()]), 404, "session_not_found")


@pytest.mark.parametrize("name", ["thing", "a/b c", "100 %", "\u732b"])
async def test_class_of_any_name_is_deleted(client: httpx.AsyncClient, name: str) -> None:
    session_id = await new_session(client, [picture()], name)
    path = httpx.URL(f"http://service/sessions/{session_id}/classes/").copy_with(
        raw_path=f"/sessions/{session_id}/classes/{_quoted(name)}".encode()
    )
    response = await client.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers
    assert (await client.get(f"/sessions/{session_id}")).json()["classes"] == []
    assert_problem(await client.delete(path), 404, "class_not_found")


async def test_a_newline_behind_a_path_makes_it_another(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()])
    for path in (f"/sessions/{session_id}/classes/thing", f"/sessions/{session_id}"):
        assert_problem(await client.delete(path + "%0A"), 404, "not_found")
    assert_problem(await client.get(f"/sessions/{session_id}/archive%0A"), 404, "not_found")
    assert len((await client.get(f"/sessions/{session_id}")).json()["classes"]) == 1


async def test_class_is_deleted_by_any_spelling(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()], "caf\u00e9")
    path = f"/sessions/{session_id}/classes/cafe\u0301"
    assert (await client.delete(path)).status_code == 204


@pytest.mark.parametrize("tail", ["classes/..", "classes/a/../..", "classes/.", "classes/", ""])
async def test_what_clients_make_of_dots_deletes_nothing(
    client: httpx.AsyncClient, tail: str
) -> None:
    session_id = await new_session(client, [picture()])
    base = f"http://service/sessions/{session_id}/"
    squashed = await client.delete(urljoin(base, tail), follow_redirects=True)
    assert squashed.status_code in {404, 422}
    sent_as_it_is = await client.delete(base + _quoted(tail).replace("%2F", "/"))
    assert sent_as_it_is.status_code in {404, 422}
    session = (await client.get(f"/sessions/{session_id}")).json()
    assert session["classes"] == [{"class_name": "thing", "shots": 1, "adapted": False}]


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


async def test_use_extends_a_session_and_idleness_ends_it(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    clock = ManualClock(1_000_000_000.0)
    store = MemoryStore(LIMITS._replace(ttl_s=100.0), max_sessions=9, max_bytes=10**6, clock=clock)
    async with running(create_app(settings, engine=fake_engine, store=store)) as client:
        session_id = await new_session(client, [picture()])
        for _ in range(3):
            clock.now += 99
            response = await post_segment(client, session_id, [picture()])
            assert response.status_code == 200
        clock.now += 100
        expired = await post_segment(client, session_id, [picture()])
        assert_problem(expired, 404, "session_not_found")
