"""The same numbers whenever a model is built again: what a factory draws is then the same in every run."""

from __future__ import annotations

import contextlib
import random

SEED = 0


def seed_factories() -> None:
    """Set the seeds of Python, numpy and torch. PyTorch starts from another one in each process."""
    import numpy as np

    random.seed(SEED)
    np.random.seed(SEED)
    with contextlib.suppress(ImportError):  # that there is no PyTorch is the conversion's to report
        import torch  # noqa: TID251 (a factory is to be called)

        torch.manual_seed(SEED)
