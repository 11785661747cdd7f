"""The most memory that a piece of code held, above what the process held before."""

from __future__ import annotations

import re
import resource
import threading
from pathlib import Path
from types import TracebackType

import psutil

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Written to clear_refs, this makes the kernel forget the greatest resident size so far: proc(5)."""
PERIOD = 0.002


class PeakMemory:
    """`with PeakMemory() as memory: …; memory.peak`: bytes of resident memory, pages of mapped files included.

    Linux keeps the greatest size itself. Where its record cannot be reset, a thread looks every two milliseconds.
    """

    def __init__(self) -> None:
        self.before = 0
        self.peak = 0
        self.by_kernel = False
        self._done = threading.Event()
        self._sampler: threading.Thread | None = None

    def __enter__(self) -> PeakMemory:
        self.by_kernel = _reset_record()
        self.before = psutil.Process().memory_info().rss
        if not self.by_kernel:
            self._sampler = threading.Thread(target=self._sample, daemon=True)
            self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sampler is not None:
            self._done.set()
            self._sampler.join()
        greatest = _record() if self.by_kernel else self.before + self.peak
        self.peak = max(0, greatest - self.before)

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._done.wait(PERIOD):
            self.peak = max(self.peak, process.memory_info().rss - self.before)


def _reset_record() -> bool:
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return False
    return STATUS.exists()


def _record() -> int:
    """The greatest resident size since the reset, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    if found is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(found[1]) * 1024
