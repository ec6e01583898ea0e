"""One browser for all tests, and services for it to talk to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.browser.chromium import DESKTOP, chromium, look_like
from tests.browser.playground import Playground
from tests.service.processes import serving

Serve = Callable[..., Playground]
Visit = Callable[..., Playground]


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def driver(downloads: Path) -> Iterator[Chrome]:
    with chromium(downloads) as driver:
        yield driver


@pytest.fixture(scope="session")
def fake_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service over the fake engine, for all tests that need no other."""
    log = tmp_path_factory.mktemp("playground") / "log"
    with serving(log, {"FSS_ENGINE": "fake"}) as server:
        yield str(server.client.base_url)


@pytest.fixture
def visit(driver: Chrome, downloads: Path) -> Visit:
    """Open the page of a service as a newcomer with a desk before them."""

    def open_page(url: str, *, signed_in: bool = True) -> Playground:
        look_like(driver, DESKTOP)
        page = Playground(driver, url, downloads)
        page.open(signed_in=signed_in)
        page.complaints()
        return page

    return open_page


@pytest.fixture
def page(visit: Visit, fake_url: str) -> Playground:
    """The page over the fake engine."""
    return visit(fake_url)


@pytest.fixture
def serve(tmp_path: Path, visit: Visit) -> Iterator[Serve]:
    """The page of a service with settings of its own."""
    with ExitStack() as services:

        def start(
            environment: dict[str, str],
            *,
            command: tuple[str, ...] = ("service", "serve"),
            signed_in: bool = True,
        ) -> Playground:
            environment = {"FSS_ENGINE": "fake"} | environment
            server = services.enter_context(serving(tmp_path / "log", environment, command=command))
            return visit(str(server.client.base_url), signed_in=signed_in)

        yield start
