"""What a child process may use: set by itself, before anything of the model is touched."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

from converter.zoo.records.entry import Limits

THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def apply(limits: Limits) -> None:
    """Limit this process and all that it starts.

    RLIMIT_DATA, not RLIMIT_AS: libraries reserve gigabytes of address space that they never use. An allocation beyond
    it is a MemoryError. No core files; and where the machine runs out of memory the kernel takes this process first.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.memory is not None:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        data = limits.memory if most == resource.RLIM_INFINITY else min(limits.memory, most)
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    with contextlib.suppress(OSError):  # not every container lets it be written
        Path("/proc/self/oom_score_adj").write_text("1000")
    for name in THREAD_VARIABLES if limits.threads else ():
        os.environ[name] = str(limits.threads)  # read by TensorFlow when it first computes
