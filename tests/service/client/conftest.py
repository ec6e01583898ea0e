"""A real service with jobs over the fake engine."""

from collections.abc import Iterator

import pytest

from tests.service.processes import serving


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the service listens."""
    folder = tmp_path_factory.mktemp("server")
    environment = {"FSS_ENGINE": "fake", "FSS_JOBS_DIR": str(folder / "jobs")}
    with serving(folder / "log", environment) as server:
        yield str(server.client.base_url)
