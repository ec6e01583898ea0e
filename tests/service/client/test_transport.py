"""What both clients do many of at once."""

import asyncio
import threading
import time
from contextlib import aclosing, closing

import pytest

from service.client import Client, calls
from service.client.exchange import exchange
from service.client.transport import in_order, in_order_async
from tests.service.client.scripted_server import Scripted, problem, scripted


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
    with closing(in_order(lambda number, _: str(number), range(100), 2)) as answers:
        assert next(answers) == "0"
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_a_wait_ends_with_who_asks_no_more() -> None:
    script = Scripted((503, problem(503, "queue_full"), {"Retry-After": "25"}))
    with scripted(script) as url, Client(url) as client:

        def ask(number: int, abandoned: threading.Event) -> None:
            while number == 0 and not script.asked:
                time.sleep(0.01)
            if number > 0:
                client.perform(exchange(calls.ready, client.retries), abandoned)

        started = time.monotonic()
        with closing(in_order(ask, range(2), 2)) as answers:
            next(answers)
        assert time.monotonic() - started < 10
