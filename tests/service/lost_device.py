"""A device that is lost, and works again once its worker has loaded the bundle anew."""

from typing import Any

import pytest

from model.runtime import BundleRuntime, Encoded


def lose_device(monkeypatch: pytest.MonkeyPatch) -> list[BundleRuntime]:
    """From now on what is loaded encodes nothing; returns a list that grows with each failure."""
    failed: list[BundleRuntime] = []
    encode = BundleRuntime.encode

    def encode_unless_lost(runtime: BundleRuntime, *arguments: Any) -> Encoded:
        if not failed or runtime is failed[0]:
            failed.append(runtime)
            raise RuntimeError("the device is lost")
        return encode(runtime, *arguments)

    monkeypatch.setattr(BundleRuntime, "encode", encode_unless_lost)
    return failed
