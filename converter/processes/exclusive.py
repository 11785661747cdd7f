"""One conversion at a time in a process, which then draws the random numbers that it would have drawn without it.

torch's exporter, the filters of warnings and the warm replay process belong to the whole process: conversions in
several threads take turns. Keras' initialisers draw their seeds from Python's generator, factories draw from torch's.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from collections.abc import Iterator

_TURN = threading.RLock()


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Wait for this thread's turn; afterwards every generator of random numbers is in the state it was in."""
    import numpy as np

    with _TURN:
        torch = sys.modules.get("torch")
        python, numpy = random.getstate(), np.random.get_state()
        torch_state = None if torch is None else torch.random.get_rng_state()
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            if torch is not None and torch_state is not None:
                torch.random.set_rng_state(torch_state)
