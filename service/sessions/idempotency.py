"""Tells a repeated request from a new one."""

import hashlib
from functools import partial

from service.schemas import SupportForm
from service.sessions.resources import Resources
from service.stores import IdempotencyToken


async def idempotency_token(
    resources: Resources, form: SupportForm, key: str | None
) -> IdempotencyToken | None:
    """A request's idempotency key and what it asks for; its files must still be there."""
    if key is None:
        return None
    return IdempotencyToken(key, await resources.pool.run(partial(_fingerprint, form)))


def _fingerprint(form: SupportForm) -> str:
    """A digest of fields and files, which does not depend on the multipart boundary.

    Nor on fields that are left out: replicas of another release may not know the same ones.
    """
    fields = form.model_dump_json(exclude={"images", "masks"}, exclude_defaults=True).encode()
    digest = hashlib.sha256()
    for part in (fields, *form.images, *form.masks):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
