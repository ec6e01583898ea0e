"""What both clients do many of at once."""

import asyncio
import threading
from contextlib import aclosing, closing

import pytest

from service.client.transport import in_order, in_order_async


async def test_a_failure_leaves_nothing_running_behind() -> None:
    async def ask(number: int) -> int:
        if number == 1:
            raise ValueError("the second fails")
        await asyncio.sleep(60 * (number > 1))
        return number

    async def ask_all() -> list[int]:
        async with aclosing(in_order_async(ask, range(9), 3)) as answers:
            return [number async for number in answers]

    with pytest.raises(ValueError, match="the second fails"):
        await ask_all()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_threads_end_with_who_asks_no_more() -> None:
    before = threading.active_count()
    with closing(in_order(str, range(100), 2)) as answers:
        assert next(answers) == "0"
        assert threading.active_count() > before
    assert threading.active_count() == before
