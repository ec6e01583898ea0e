"""Nothing that a client sends or is given stands in the log of the process, at any level."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from service.access import key_line, new_key
from tests.service.pictures import Picture, picture
from tests.service.processes import LOG_TIMEOUT_S, Server, serving

MARK = "mArKeR7f3a"
KEY = new_key()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service as a process that logs all it can."""
    directory = tmp_path_factory.mktemp("privacy")
    (directory / "keys").write_text(key_line("lab", KEY))
    environment = {
        "FSS_ENGINE": "fake",
        "FSS_LOG_LEVEL": "debug",
        "FSS_API_KEYS_FILE": str(directory / "keys"),
        "FSS_RATE_LIMIT": "1000/minute",
        "FSS_MAX_SHOTS": "2",
    }
    with serving(directory / "log", environment) as running:
        running.client.headers.update(marked_headers() | {"X-API-Key": KEY})
        yield running


def marked_headers() -> dict[str, str]:
    names = ("User-Agent", "Referer", "Cookie", "Origin", "X-Other", "X-Forwarded-For", "Forwarded")
    # One that cannot be a request id; a harmless one is logged, which is what it is for.
    return {name: f"{MARK}-{name}" for name in names} | {"X-Request-ID": f"{MARK} spaced"}


def marked_files(scene: Picture, *, spoilt: bool = False) -> list[tuple[str, tuple[str, bytes]]]:
    """An image and its mask, named and, where that spoils nothing, filled with the mark."""
    tail = MARK.encode()
    image, mask = scene.image_png, scene.mask_png
    if spoilt:
        image = image[:60] + tail + image[60:]
    return [("images", (MARK + ".png", image + tail)), ("masks", (MARK, mask + tail))]


def test_log_holds_events_and_no_content(server: Server) -> None:
    client, secrets = server.client, [MARK, KEY]
    secrets += good_requests(client)
    statuses = bad_requests(client)
    statuses |= strangers(client)
    assert statuses >= {400, 401, 404, 405, 406, 415, 422}
    malformed_requests(client)
    client.get("/healthz", headers={"X-Request-ID": "the-last-one"})
    text = server.log_with("the-last-one")
    entries = [json.loads(line) for line in text.splitlines()]
    assert len([entry for entry in entries if entry["logger"] == "service.requests"]) >= 15
    for secret in secrets:
        assert secret.lower() not in text.lower()


def good_requests(client: httpx.Client) -> list[str]:
    """Register, segment, look and forget; the session's id."""
    named = {"class_name": f"{MARK} class"}
    registered = client.post("/support", data=named, files=marked_files(picture()))
    assert registered.status_code == 201, registered.text
    session_id = str(registered.json()["session_id"])
    query = marked_files(picture(seed=1))[:1]
    for accept in ("application/json", "image/png"):
        answer = client.post(
            f"/segment?{MARK}={MARK}",
            data={"session_id": session_id},
            files=query,
            headers={"Accept": accept},
        )
        assert answer.status_code == 200
    assert client.get(f"/sessions/{session_id}").status_code == 200
    assert client.delete(f"/sessions/{session_id}/classes/{MARK} class").status_code == 204
    assert client.delete(f"/sessions/{session_id}").status_code == 204
    return [session_id]


def bad_requests(client: httpx.Client) -> set[int]:
    """Requests with a fault each and the mark in every place; their statuses."""
    scene = picture()
    named = {"class_name": MARK}
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    part = f'--b\r\nContent-Disposition: form-data; name="{MARK}'
    answers = [
        client.post("/support", data=named, files=marked_files(scene, spoilt=True)),
        client.post("/support", data=named, files=marked_files(scene) * 3),
        client.post("/support", data=named, files=[("images", (MARK, MARK.encode()))] * 2),
        client.post("/support", data={MARK: MARK, "mode": MARK}, files=marked_files(scene)),
        client.post("/support", data={"session_id": MARK} | named, files=marked_files(scene)),
        client.post("/segment", data={"session_id": MARK}, files=marked_files(scene)[:1]),
        client.post("/segment", content=MARK, headers={"Content-Type": MARK}),
        client.post("/segment", content=MARK, headers=multipart),
        client.post("/segment", content=f"{part}\r\n\r\n{MARK}", headers=multipart),
        client.post("/segment", content=f'{part}"\r\n{MARK}: \x00', headers=multipart),
        client.post("/segment", headers={"Accept": f"text/{MARK}"}),
        client.get(f"/sessions/{MARK}"),
        client.get(f"/{MARK}"),
        client.request("PUT", f"/sessions/{MARK}", content=MARK),
        client.request(MARK.upper(), "/models"),
        client.get("/models", headers={"Upgrade": MARK, "Connection": "Upgrade"}),
    ]
    assert {answer.status_code for answer in answers if answer.status_code >= 500} == set()
    return {answer.status_code for answer in answers}


def strangers(client: httpx.Client) -> set[int]:
    """Keys that are none; the statuses."""
    wrong = [{"X-API-Key": MARK}, {"X-API-Key": "", "Authorization": f"Bearer {MARK}"}]
    return {client.get("/models", headers=headers).status_code for headers in wrong}


def malformed_requests(client: httpx.Client) -> None:
    """What is no HTTP, and a body that breaks off."""
    address = (client.base_url.host, client.base_url.port)
    head = f"POST /segment HTTP/1.1\r\nHost: {MARK}\r\nX-API-Key: {KEY}\r\n"
    body = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999\r\n\r\n--b"
    upgrade = (
        f"GET /sessions/{MARK}?{MARK} HTTP/1.1\r\nHost: {MARK}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(address, timeout=LOG_TIMEOUT_S) as connection:
        connection.sendall(upgrade.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 401 ")
    for sent in (f"{MARK}\r\n\r\n", f"GET {MARK} {MARK}\r\n\r\n", f"{head}{MARK}\r\n\r\n"):
        with socket.create_connection(address, timeout=LOG_TIMEOUT_S) as connection:
            connection.sendall(sent.encode())
            assert connection.recv(64).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(address, timeout=LOG_TIMEOUT_S) as connection:
        connection.sendall((head + body + MARK).encode())
