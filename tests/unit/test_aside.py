"""Long work is done aside, and keeps nobody who waits for a store waiting."""

import asyncio
import threading

import pytest

from gateway.aside import aside


async def test_long_work_leaves_the_threads_of_the_stores_free() -> None:
    go_on = threading.Event()
    long = [asyncio.create_task(aside(True, go_on.wait)) for _ in range(50)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(threading.current_thread) is not threading.main_thread()
    finally:
        go_on.set()
    assert all(await asyncio.gather(*long))


@pytest.mark.parametrize("much", [False, True])
async def test_what_the_work_raises_is_raised(much: bool) -> None:
    with pytest.raises(ZeroDivisionError):
        await aside(much, lambda: 1 // 0)
