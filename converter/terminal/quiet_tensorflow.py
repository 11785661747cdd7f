"""TensorFlow announces itself on stderr when it is imported, below Python and whatever its log level is set to."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop what native code writes to file descriptor 2. Exceptions still come through."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def import_backend() -> None:
    """Import Keras, with whatever computes behind it, without its announcements."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_stderr():
        from converter.backends.keras import emit  # noqa: F401 - for what it imports
    # That a function is traced again for every size is no news: each call of a conversion has another one.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
