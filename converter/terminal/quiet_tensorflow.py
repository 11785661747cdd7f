"""TensorFlow announces itself on stderr when it is imported, below Python and whatever its log level is set to."""

from __future__ import annotations

import logging
import os

from converter.processes.quiet_stderr import quiet_stderr


def import_backend() -> None:
    """Import Keras, with whatever computes behind it, without its announcements."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_stderr():
        import keras  # noqa: F401, TID251 - and no layer of ours, which it must not know when `replay_twin` forks
    # That a function is traced again for every size is no news: each call of a conversion has another one.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
