"""Headers of every answer, methods of a path, and pages of other origins."""

from pathlib import Path

import httpx
import pytest

from service.access import key_line, new_key
from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.engines import BrokenEngine
from tests.service.http_api import assert_problem, listening, new_session, post_segment, running
from tests.service.pictures import picture

PAGE = "https://label.example"


def assert_harmless(response: httpx.Response) -> None:
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    policy = response.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("HEAD", "/readyz"),
        ("GET", "/openapi.json"),
        ("GET", "/nowhere"),
        ("PUT", "/support"),
        ("POST", "/segment"),
        ("OPTIONS", "/models"),
    ],
)
async def test_every_answer_is_harmless(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert_harmless(await client.request(method, path))


async def test_answers_with_content_and_unexpected_errors_too(settings: Settings) -> None:
    for engine, status in ((FakeEngine(), 200), (BrokenEngine(), 500)):
        async with running(create_app(settings, engine=engine)) as client:
            session_id = await new_session(client, [picture()])
            response = await post_segment(client, session_id, [picture()], accept="image/png")
            assert response.status_code == status
            assert_harmless(response)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("DELETE", "/support", {"POST"}),
        ("POST", "/sessions/x", {"GET", "DELETE"}),
        ("PUT", "/sessions/x/classes/a/b", {"DELETE"}),
    ],
)
async def test_refused_method_names_all_others(
    client: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    response = await client.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed


async def test_named_origin_may_ask_and_read(settings: Settings, fake_engine: FakeEngine) -> None:
    app = create_app(settings.model_copy(update={"cors_origins": (PAGE,)}), engine=fake_engine)
    async with running(app) as client:
        asked = {"Access-Control-Request-Method": "POST"}
        allowed = await client.options(
            "/segment",
            headers={
                "Origin": PAGE,
                "Access-Control-Request-Headers": "authorization, last-event-id",
            }
            | asked,
        )
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in allowed.headers
        answer = await client.get("/models", headers={"Origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == PAGE
        exposed = set(answer.headers["access-control-expose-headers"].split(", "))
        assert {"X-Request-ID", "Retry-After", "X-Class-Names", "Server-Timing"} <= exposed
        for stranger in ("https://elsewhere.example", "null", PAGE + ".elsewhere.example"):
            refused = await client.options("/segment", headers={"Origin": stranger} | asked)
            assert refused.status_code == 400
            assert "access-control-allow-origin" not in refused.headers
            answer = await client.get("/models", headers={"Origin": stranger})
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "http://service:81"},
        {"Origin": "http://service.elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://service:81"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    ],
    ids=str,
)
async def test_pages_of_other_origins_change_nothing(
    settings: Settings, fake_engine: FakeEngine, headers: dict[str, str]
) -> None:
    app = create_app(settings.model_copy(update={"cors_origins": (PAGE,)}), engine=fake_engine)
    async with running(app) as client:
        session_id = await new_session(client, [picture()])
        path = f"/sessions/{session_id}"
        for method, place in (
            ("POST", "/support"),
            ("POST", "/segment"),
            ("POST", "/jobs"),
            ("PUT", f"{path}/archive"),
            ("PATCH", path),
            ("DELETE", path),
            ("POST", "/v1/predict"),
        ):
            response = await client.request(method, place, headers=headers)
            assert_problem(response, 403, "foreign_origin")
        assert (await client.get(path, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://service"},
        {"Origin": "https://service"},
        {"Origin": "http://service", "Host": "service:80"},
        {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_own_pages_named_ones_and_programs_may_change_things(
    settings: Settings, fake_engine: FakeEngine, headers: dict[str, str]
) -> None:
    app = create_app(settings.model_copy(update={"cors_origins": (PAGE,)}), engine=fake_engine)
    async with running(app) as client:
        session_id = await new_session(client, [picture()])
        deleted = await client.delete(f"/sessions/{session_id}", headers=headers)
        assert deleted.status_code == 204


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("127.1.2.3:80", True),
        ("[::1]:8000", True),
        ("label.example", True),
        ("elsewhere.example:8000", False),
        ("localhost.elsewhere.example", False),
        ("192.168.0.2:8000", True),
        ("host.docker.internal:8000", True),
        ("line.localhost.:8000", True),
        ("internal.example", False),
        ("fss", True),
        ("fss:8000", True),
        ("fss.vision.svc:8000", True),
        ("fss.vision.svc.cluster.local", True),
        ("[fd00::7]", True),
        ("localhost.", True),
        ("127.0.0.1.elsewhere.example", False),
        ("127.0.0.1.", True),
        ("svc.example", False),
        ("", False),
        (".", False),
    ],
)
async def test_names_that_are_made_to_lead_to_this_machine_do_not_count(
    settings: Settings, fake_engine: FakeEngine, name: str, own: bool
) -> None:
    """A page of such a name could read everything, as the browser takes it for the service's."""
    named = settings.model_copy(update={"cors_origins": (PAGE,)})
    async with listening(named, fake_engine) as client:
        response = await client.get("/models", headers={"Host": name, "Origin": f"http://{name}"})
        if own:
            assert response.status_code in {200, 503}
        else:
            assert_problem(response, 403, "foreign_origin")


async def test_a_foreign_name_is_refused_as_documented(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    async with listening(settings, fake_engine) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                response = await client.request(method, path, headers={"Host": "foreign.example"})
                assert_problem(response, 403, "foreign_origin")
                assert "403" in operation["responses"], (method, path)


async def test_a_foreign_name_is_refused_whatever_is_listened_on(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    """A container listens on every address, also where only this machine can reach it."""
    everywhere = settings.model_copy(update={"host": "0.0.0.0"})  # noqa: S104
    async with listening(everywhere, fake_engine) as client:
        refused = await client.get("/models", headers={"Host": "foreign.example"})
        assert_problem(refused, 403, "foreign_origin")
        assert (await client.get("/healthz", headers={"Host": "fss:8000"})).status_code == 200


async def test_a_service_with_keys_has_any_name(
    settings: Settings, fake_engine: FakeEngine, tmp_path: Path
) -> None:
    key = new_key()
    (tmp_path / "keys").write_text(key_line("lab", key))
    keyed = settings.model_copy(update={"api_keys_file": tmp_path / "keys"})
    async with listening(keyed, fake_engine) as client:
        headers = {"Host": "any.example", "X-API-Key": key}
        assert (await client.get("/models", headers=headers)).status_code in {200, 503}


async def test_a_key_is_enough_whatever_the_origin(
    settings: Settings, fake_engine: FakeEngine, tmp_path: Path
) -> None:
    """A page of another origin can send one only if CORS allows it to."""
    key = new_key()
    (tmp_path / "keys").write_text(key_line("lab", key))
    keyed = settings.model_copy(update={"api_keys_file": tmp_path / "keys"})
    async with running(create_app(keyed, engine=fake_engine)) as client:
        headers = {"Origin": "https://elsewhere.example", "X-API-Key": key}
        assert (await client.delete("/sessions/none", headers=headers)).status_code != 403
        del headers["X-API-Key"]
        assert (await client.delete("/sessions/none", headers=headers)).status_code == 401


async def test_problem_can_be_read_by_the_page(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"cors_origins": (PAGE,)}), engine=BrokenEngine())
    async with running(app) as client:
        session_id = await new_session(client, [picture()])
        client.headers["Origin"] = PAGE
        response = await post_segment(client, session_id, [picture()])
        assert response.status_code == 500
        assert response.headers["access-control-allow-origin"] == PAGE
