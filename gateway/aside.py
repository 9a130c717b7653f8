"""Long work out of everybody else's way.

One loop serves all requests: whatever computes on it for tens of milliseconds makes all of them wait. Work over a large
record goes to a thread instead, where the interpreter changes between it and the loop every few milliseconds. It takes
no less time there, so small work stays where it is.
"""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MANY_FACTS = 500
"""From here on going through facts is long work: 10 to 20 ms."""


async def aside(much: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns or raises; done in a thread when there is `much` of it. It must touch nothing that changes
    meanwhile, and one who stops waiting does not stop it."""
    return await asyncio.to_thread(work, *args, **kwargs) if much else work(*args, **kwargs)
