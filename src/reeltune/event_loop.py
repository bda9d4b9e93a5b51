"""One event loop for all that waits for others: requests to servers, reward functions that are coroutines."""

import asyncio
import os
import threading

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def event_loop() -> asyncio.AbstractEventLoop:
    """It runs in a thread of its own as long as the process, so that clients which are opened in it stay usable from
    step to step; a forked process has another."""
    with _lock:
        process = os.getpid()
        if process not in _loops:
            _loops[process] = asyncio.new_event_loop()
            threading.Thread(target=_loops[process].run_forever, name="event-loop", daemon=True).start()
        return _loops[process]
