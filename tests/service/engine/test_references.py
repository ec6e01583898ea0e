"""Which classes are put into the object store, without one."""

import numpy as np
import pytest

from model.contract import SupportPrototype, SupportSet

pytest.importorskip("ray", reason="the extra `ray` is not installed, see requirements-ray.txt")

import ray

from service.engine.ray_pool.references import References

pytestmark = pytest.mark.ray


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SupportSet, ...]]:
    """What is put, in order."""
    seen: list[tuple[SupportSet, ...]] = []

    def put_aside(classes: tuple[SupportSet, ...]) -> object:
        seen.append(classes)
        return object()

    monkeypatch.setattr(ray, "put", put_aside)
    return seen


def class_of(value: float, tokens: int = 4) -> SupportSet:
    """A class of one shot whose vectors hold one value."""
    vector = np.full(8, value, np.float16)
    shot = SupportPrototype(vector, vector, vector, np.ones((tokens, 8), np.float16))
    return SupportSet((shot,))


def test_classes_that_do_not_fit_take_the_place_of_none(
    put: list[tuple[SupportSet, ...]],
) -> None:
    small = [class_of(1), class_of(2)]
    references = References(2 * small[0].nbytes)
    kept = [references.to([each]) for each in small]
    large = class_of(3, tokens=100)
    assert large.nbytes > references.max_bytes
    assert references.to([large]) != references.to([large])  # put for each request
    assert [references.to([each]) for each in small] == kept
    assert references.nbytes == references.max_bytes
    assert len(put) == 4
