"""A polite kill (SIGTERM), or a terminal that is closed (SIGHUP), ends a command as Ctrl-C does: what it was writing
goes away with it, and so do its processes."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from typing import Any

_POLITE = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
_OF_SIGNALS = 128
"""What shells add to the number of the signal that has ended a command."""

TIDYING_SECONDS = 3.0


@contextlib.contextmanager
def interrupted_politely() -> Iterator[list[int]]:
    """Within the block these signals raise KeyboardInterrupt in the main thread. A second one soon after must not stop
    the tidying up; a later one is heard, since an import may have taken the first for its own failure. Where somebody
    ignores one already (nohup), it stays ignored.

    Yields:
        where the exit code is, once there was a signal.
    """
    codes: list[int] = []
    heard = -math.inf

    def interrupt(number: int, frame: Any) -> None:
        nonlocal heard
        if time.monotonic() - heard > TIDYING_SECONDS:
            heard = time.monotonic()
            codes[:] = [_OF_SIGNALS + number]
            raise KeyboardInterrupt

    taken = [number for number in _POLITE if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield codes
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
