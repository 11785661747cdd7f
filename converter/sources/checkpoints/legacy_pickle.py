"""The checkpoint format before PyTorch 1.6: pickles, then the raw storages.

torch.load allocates each storage from the number of elements in the pickle, before it reads a byte of it. So the
opcodes are walked first (walking runs nothing) and a storage larger than the file is refused.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import BinaryIO

from passes.errors import BadSource

_HEADER_PICKLES = 3
"""A magic number, the protocol and the byte order come before the pickle with the tensors."""

_INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_STORE = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_FETCH = ("GET", "BINGET", "LONG_BINGET")


def check_storages(path: Path) -> None:
    """Refuse a file whose storages, as declared, cannot be in it.

    Raises:
        BadSource: with the number of elements and the size of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            for _ in range(_HEADER_PICKLES):
                for _ in pickletools.genops(file):
                    pass
            largest = _largest_storage(file)
        except (ValueError, IndexError, UnicodeDecodeError):
            return  # no pickle at all: torch.load says so
    if largest > size:
        raise BadSource(f"{path.name} declares a tensor of {largest:,} elements, but has only {size:,} bytes.")


def _largest_storage(file: BinaryIO) -> int:
    """The greatest integer in a persistent id ('storage', type, key, location, elements, view)."""
    largest = previous = 0
    since_mark: list[int] = []
    memo: dict[int, int] = {}
    stored = 0
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in _STORE:
            memo[stored if name == "MEMOIZE" else int(str(argument))] = previous
            stored += 1
            continue
        previous = 0
        if name == "MARK":
            since_mark = []
        elif name in _INTEGERS and isinstance(argument, int):
            previous = argument
        elif name in _FETCH:
            previous = memo.get(int(str(argument)), 0)
        elif name in ("BINPERSID", "PERSID"):
            largest = max([largest, *since_mark])
        since_mark.append(previous)
    return largest
