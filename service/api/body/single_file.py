"""Reads a body that is one file."""

from collections.abc import AsyncIterator

from service.errors import BodyTooLargeError, UnsupportedMediaTypeError


async def read_file(
    stream: AsyncIterator[bytes], content_type: str, media_type: str, max_bytes: int
) -> bytes:
    """The whole body; stops at the first chunk that is too much.

    Raises:
        UnsupportedMediaTypeError, BodyTooLargeError.
    """
    if content_type.partition(";")[0].strip().lower() != media_type:
        raise UnsupportedMediaTypeError(f"the body must be {media_type}")
    body = bytearray()
    async for chunk in stream:
        if len(body) + len(chunk) > max_bytes:
            raise BodyTooLargeError(f"the body exceeds {max_bytes} bytes")
        body += chunk
    return bytes(body)
