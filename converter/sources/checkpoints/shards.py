"""A checkpoint in several files: an index and its shards, or a folder of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from passes.errors import BadSource, LimitExceeded

INDEX_SUFFIX = ".index.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What a folder with one file of weights calls it."""

MAX_INDEX = 50_000_000
"""Bytes of an index: one line for each tensor."""

MAX_SHARDS = 1_000

Read = Callable[[Path], Any]


def is_sharded(path: Path) -> bool:
    return path.is_dir() or path.name.endswith(INDEX_SUFFIX)


def read_shards(path: Path, read: Read) -> Any:
    """What the files of a folder, or of an index, hold together.

    Args:
        path: the index, or a folder that holds an index, one file of weights, or shards in safetensors.
        read: reads one file.
    Raises:
        BadSource: a shard is missing, lies outside of the folder, or holds a tensor that another holds too.
        LimitExceeded: there are more than MAX_SHARDS.
    """
    files = _of_folder(path) if path.is_dir() else _of_index(path)
    return _joined(files, path, read)


def _of_index(index: Path) -> list[Path]:
    names = sorted(set(_weight_map(index).values()))
    for name in names:
        if Path(name).name != name or name in (".", ".."):
            raise BadSource(f"The index {index.name} names a file outside of its folder: {name!r}.")
    return [index.parent / name for name in names]


def _of_folder(folder: Path) -> list[Path]:
    indices = sorted(folder.glob(f"*{INDEX_SUFFIX}"), key=lambda path: ("safetensors" not in path.name, path.name))
    if indices:
        return _of_index(indices[0])
    for name in WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise BadSource(
            f"The folder {folder.name!r} holds no weights.",
            hint=f"Looked for *{INDEX_SUFFIX}, {', '.join(WEIGHTS)} and *.safetensors.",
        )
    return shards


def _joined(files: list[Path], path: Path, read: Read) -> Any:
    if len(files) > MAX_SHARDS:
        raise LimitExceeded(f"{path.name} has {len(files):,} shards; at most {MAX_SHARDS:,} are read.")
    if len(files) == 1:
        return read(files[0])
    together: dict[str, Any] = {}
    for file in files:
        content = read(file)
        if not isinstance(content, Mapping):
            raise BadSource(f"The shard {file.name} holds a {type(content).__name__}, not weights by name.")
        twice = next((key for key in content if key in together), None)
        if twice is not None:
            raise BadSource(f"The tensor {twice!r} is in two shards of {path.name}.")
        together.update(content)
    return together


def _weight_map(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise BadSource(f"There is no checkpoint {str(path)!r}.")
    if path.stat().st_size > MAX_INDEX:
        raise LimitExceeded(f"The index {path.name} has more than {MAX_INDEX:,} bytes.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadSource(f"The index {path.name} cannot be read: it has no weight_map.") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()) or not found:
        raise BadSource(f"The index {path.name} has a weight_map that names no files.")
    return found
