"""What the first bytes of a checkpoint tell, before any library sees it."""

from __future__ import annotations

import json
from pathlib import Path

from passes.errors import BadSource, LimitExceeded

MAX_HEADER = 25_000_000
"""Bytes of a safetensors header: the names, types and shapes of some hundred thousand tensors."""

MAX_TENSORS = 100_000


def check_header(path: Path) -> None:
    """The header of a safetensors file is measured and counted.

    Raises:
        BadSource: it is longer than the file, or than MAX_HEADER.
        LimitExceeded: there are more tensors than MAX_TENSORS.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER or length > size - 8:
            raise BadSource(
                f"The checkpoint {path.name} declares a header of {length:,} bytes; the file has {size:,}, "
                f"and at most {MAX_HEADER:,} are read.",
                hint=foreign(path),
            )
        header = json.loads(file.read(length))
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise LimitExceeded(f"The checkpoint {path.name} has more than {MAX_TENSORS:,} tensors.")


def foreign(path: Path) -> str | None:
    """What the file is instead, where its first bytes tell."""
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        return "It is a Git LFS pointer: fetch the file itself with `git lfs pull`."
    if head.lstrip().startswith(b"<"):
        return "It is a text file (a web page?): the download went wrong."
    return None
