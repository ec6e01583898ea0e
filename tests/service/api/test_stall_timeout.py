"""Bodies that stall are given up; what fails of itself is told as it is."""

from collections.abc import AsyncIterator

import pytest

from service.api.body.stall_timeout import with_stall_timeout


async def test_a_timeout_of_the_stream_itself_is_no_stall() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"first"
        raise TimeoutError("of a disk")

    chunks = with_stall_timeout(broken(), 60)
    assert await anext(chunks) == b"first"
    with pytest.raises(TimeoutError, match="of a disk"):
        await anext(chunks)
