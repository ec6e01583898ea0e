"""What the harness's tests need besides Python."""

import shutil

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, all with one visible line, what needs a program that Python cannot install."""
    if shutil.which("redis-server") is None and item.get_closest_marker("redis"):
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    if shutil.which("nginx") is None and item.get_closest_marker("nginx"):
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
