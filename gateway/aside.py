"""Long work out of everybody else's way.

One loop serves all requests: whatever computes on it for tens of milliseconds makes all of them wait. Work over a large
record goes to a thread instead, where the interpreter changes between it and the loop every few milliseconds. It takes
no less time there, so small work stays where it is.

The threads are this work's own. Those of `asyncio.to_thread` write the audit and read the stores: ten large records
must not keep one small answer waiting for its audit event.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MANY_FACTS = 500
"""From here on going through facts is long work: 10 to 20 ms."""

_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sherwood-aside")
"""Two, so that a record of 50,000 facts does not hold up one of 500; more would only take the interpreter's turns."""


async def aside(much: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns or raises; done in a thread when there is `much` of it. It must touch nothing that changes
    meanwhile, and one who stops waiting does not stop it."""
    if not much:
        return work(*args, **kwargs)
    call = partial(copy_context().run, work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, call)
