"""The playground's page and files over HTTP: policy, caching, and how to be without it."""

import re

import httpx
import pytest

from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from service.web import load_files
from tests.service.http_api import assert_problem, running


async def test_page_may_run_its_own_scripts_and_nothing_else(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.split(maxsplit=1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy.pop("img-src") == "'self' blob:"
    for source in ("script-src", "style-src", "connect-src"):
        assert policy.pop(source) == "'self'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert set(policy.values()) == {"'none'"}
    assert page.headers["x-content-type-options"] == "nosniff"
    assert " style=" not in page.text
    assert "<script>" not in page.text
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page.text)


async def test_a_reload_puts_no_control_where_the_page_does_not_know_of_it(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/")).text
    controls = re.findall(r"<select[^>]*>|<input(?![^>]*type=.file)[^>]*>", page)
    assert len(controls) == 7
    assert all('autocomplete="off"' in control for control in controls)


async def test_page_is_asked_for_anew_and_its_files_are_kept(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
    other = await client.get("/", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    for path in re.findall(r'(?:src|href)="(playground/[^"]+)"', page.text):
        file = await client.get(f"/{path}")
        assert file.status_code == 200
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await client.head(f"/{path}")).headers["content-length"] == str(len(file.content))


async def test_every_module_and_sample_that_is_named_is_there(client: httpx.AsyncClient) -> None:
    files = load_files()
    scripts = {name: file for name, file in files.assets.items() if name.endswith(".js")}
    assert all(file.media_type == "text/javascript" for file in scripts.values())
    for file in scripts.values():
        for name in re.findall(r'from "\./([^"]+)"', file.content.decode()):
            assert name in files.assets
    sample = scripts["sample.js"].content.decode()
    for name in re.findall(r'"((?:support|query)_\w+)"', sample):
        assert f"samples/{name}.jpg" in files.assets
        answer = await client.get(f"/playground/{files.version}/samples/{name}.jpg")
        assert answer.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "path", ["../router.py", "..%2frouter.py", "%2e%2e/router.py", "/etc/passwd", "", "index.html"]
)
async def test_nothing_else_is_there(client: httpx.AsyncClient, path: str) -> None:
    version = load_files().version
    assert_problem(await client.get(f"/playground/{version}/{path}"), 404, "not_found")


async def test_file_of_another_version_is_answered_and_not_kept(client: httpx.AsyncClient) -> None:
    files = load_files()
    own = await client.get(f"/playground/{files.version}/main.js")
    other = await client.get("/playground/0000000000000000/main.js")
    assert own.content == other.content
    assert "immutable" in own.headers["cache-control"]
    assert other.headers["cache-control"] == "no-store"
    assert_problem(await client.get("/playground/0000000000000000/gone.js"), 404, "not_found")


async def test_service_without_a_playground(settings: Settings) -> None:
    hidden = settings.model_copy(update={"playground": False})
    async with running(create_app(hidden, engine=FakeEngine())) as client:
        assert_problem(await client.get("/"), 404, "not_found")
        assert_problem(
            await client.get(f"/playground/{load_files().version}/main.js"), 404, "not_found"
        )
        assert (await client.get("/models")).status_code == 200
