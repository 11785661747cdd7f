"""Tensors that a library has read by mapping a file: seen through a map of our own, whose pages can be let go.

safetensors and torch.load(mmap=True) map a file and hand out tensors that lie in the map, but not the map itself. The
system lists which file is mapped where, and so, at which place of the file a tensor lies. Where it does not (outside of
Linux), tensors stay what they are.
"""

from __future__ import annotations

import bisect
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

LEAST = 1 << 16
"""Bytes from which on a tensor stays in its file. Smaller ones are read: what `forward` writes to is among them."""

_MAPS, _PAGES = Path("/proc/self/maps"), Path("/proc/self/smaps")
_MAP = re.compile(
    r"(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) \S+ (?P<offset>[0-9a-f]+) \S+ (?P<inode>[0-9]+) +(?P<path>/.*)"
)
_PRIVATE = re.compile(r"(?:Anonymous|Swap): +(?P<kilobytes>[0-9]+) kB")


class MappedFile:
    """A file, mapped twice: for torch, which may write (to memory only), and to be read, for the graph.

    Args:
        path: of the file.
        inode: it must have; elsewise it was replaced since.
    """

    def __init__(self, path: str, inode: int) -> None:
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_ino != inode:
                raise FileNotFoundError(f"{path} is another file than it was.")
            self._written_to = np.memmap(file, np.uint8, "c")
            self._read = np.memmap(file, np.uint8, "r")

    def tensor(self, place: int, like: torch.Tensor) -> torch.Tensor:
        """The tensor of the kind of `like` that lies there."""
        part = torch.from_numpy(self._written_to[place : place + like.nbytes])
        return part.view(like.dtype).view(like.shape)

    def bytes_of(self, tensor: torch.Tensor) -> np.ndarray | None:
        """The file's bytes of a tensor that lies in it, mapped; None for any other."""
        place = tensor.data_ptr() - self._written_to.ctypes.data
        inside = place >= 0 and place + tensor.nbytes <= self._written_to.size
        return self._read[place : place + tensor.nbytes] if inside and tensor.is_contiguous() else None

    @property
    def is_as_read(self) -> bool:
        """Whether nobody has written to a tensor in it: then what memory holds of it is what the file holds."""
        begin = self._written_to.ctypes.data
        try:
            kilobytes = _private_kilobytes(begin, begin + self._written_to.size)
        except OSError:
            return False
        return kilobytes == 0

    def let_go(self) -> None:
        """Drop what was read, to be read again when somebody needs it; not of tensors that somebody has written to."""
        for array in (self._read, *([self._written_to] if self.is_as_read else [])):
            mapping = array._mmap  # type: ignore[attr-defined]
            if hasattr(mapping, "madvise"):  # Windows has none
                mapping.madvise(mmap.MADV_DONTNEED)


def let_go(files: Iterable[MappedFile]) -> None:
    """Drop what was read of each."""
    for file in files:
        file.let_go()


def in_own_maps(state: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], tuple[MappedFile, ...]]:
    """The same tensors, those of a mapped file in a map of ours, and the files.

    Small ones are copied: their pages are others' as well.
    """
    regions, files = _regions(), dict[tuple[str, int], MappedFile | None]()
    found = {}
    for name, tensor in state.items():
        region = _region_of(tensor, regions)
        if region is None:
            found[name] = tensor
        elif tensor.nbytes < LEAST:
            found[name] = tensor.detach().clone()
        else:
            key = region.path, region.inode
            if key not in files:
                files[key] = _opened(*key)
            file = files[key]
            found[name] = tensor if file is None else file.tensor(region.place_of(tensor), tensor)
    return found, tuple(file for file in files.values() if file is not None)


def mapped_tensors(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Those that lie mapped in a file and stay there."""
    regions = _regions()
    return {
        name: tensor
        for name, tensor in state.items()
        if tensor.nbytes >= LEAST and _region_of(tensor, regions) is not None
    }


@dataclass(frozen=True)
class _Region:
    start: int
    end: int
    offset: int
    inode: int
    path: str

    def place_of(self, tensor: torch.Tensor) -> int:
        """Where the file has it."""
        return tensor.data_ptr() - self.start + self.offset


def _regions() -> list[_Region]:
    """Where files are mapped in this process, by address."""
    try:
        lines = _MAPS.read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = filter(None, map(_MAP.fullmatch, lines))
    numbers: Iterator[Any] = ((*(int(m[key], 16) for key in ("start", "end", "offset")), m) for m in found)
    return [_Region(start, end, offset, int(m["inode"]), m["path"]) for start, end, offset, m in numbers]


def _region_of(tensor: torch.Tensor, regions: list[_Region]) -> _Region | None:
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
        return None
    if tensor.device.type != "cpu" or not tensor.is_contiguous() or tensor.is_conj() or tensor.is_neg():
        return None
    begin = tensor.data_ptr()
    index = bisect.bisect_right(regions, begin, key=lambda region: region.start) - 1
    if index < 0 or begin + tensor.nbytes > regions[index].end or begin % max(tensor.element_size(), 1):
        return None
    return regions[index]


def _opened(path: str, inode: int) -> MappedFile | None:
    try:
        return MappedFile(path, inode)
    except (OSError, ValueError):  # gone, replaced, or emptied in between
        return None


def _private_kilobytes(begin: int, end: int) -> int:
    """Of the memory between two addresses what is no longer the file's: pages that were written to."""
    total, inside = 0, False
    with _PAGES.open(errors="replace") as lines:
        for line in lines:
            if (found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)) is not None:
                inside = int(found[1], 16) < end and begin < int(found[2], 16)
            elif inside and (told := _PRIVATE.match(line)) is not None:
                total += int(told["kilobytes"])
    return total
