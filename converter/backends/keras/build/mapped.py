"""Weights that are mapped from a file, not read: what has been looked at need not stay in memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def let_go(array: Array) -> None:
    """Drop the pages of a mapped file in which the array lies; they are read again if somebody needs them."""
    base: Any = array
    while isinstance(base, np.ndarray) and isinstance(base.base, np.ndarray):
        base = base.base
    mapping = base.base
    if not isinstance(mapping, mmap.mmap) or not hasattr(mapping, "madvise"):  # Windows has none
        return
    start = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    begin = start - start % mmap.PAGESIZE
    mapping.madvise(mmap.MADV_DONTNEED, begin, start + array.nbytes - begin)
