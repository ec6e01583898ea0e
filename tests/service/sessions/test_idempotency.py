"""What makes a repeated registration the same request."""

from typing import Any

import pytest

from service.assembly.parts import create_resources, create_store
from service.engine import FakeEngine, ModelRegistry
from service.schemas import SupportForm
from service.sessions import ShotSpecs
from service.sessions.idempotency import idempotency_token
from service.settings import Settings


class LaterForm(SupportForm):
    """As a later release may have it."""

    outlines: bool = False


async def fingerprints(settings: Settings, *forms: SupportForm) -> list[str]:
    models = ModelRegistry(FakeEngine())
    resources = create_resources(settings, models, create_store(settings, ShotSpecs(models)))
    tokens = [await idempotency_token(resources, form, "k") for form in forms]
    await resources.pool.close()
    return [token.fingerprint for token in tokens if token is not None]


FIELDS: dict[str, Any] = {"class_name": "thing", "images": [b"image"], "masks": [b"mask"]}


async def test_a_field_that_only_a_later_release_knows_makes_no_other_request(
    settings: Settings,
) -> None:
    now, later, used = await fingerprints(
        settings, SupportForm(**FIELDS), LaterForm(**FIELDS), LaterForm(**FIELDS, outlines=True)
    )
    assert now == later != used


@pytest.mark.parametrize(
    "change",
    [
        {"class_name": "other"},
        {"images": [b"other"]},
        {"masks": [b"other"]},
        {"images": [b"imagemask"], "masks": [b""]},
        {"mode": "replace"},
        {"adapt": False},
        {"session_id": "s"},
    ],
)
async def test_whatever_differs_makes_another_request(
    settings: Settings, change: dict[str, Any]
) -> None:
    one, other = await fingerprints(
        settings, SupportForm(**FIELDS), SupportForm(**(FIELDS | change))
    )
    assert one != other
