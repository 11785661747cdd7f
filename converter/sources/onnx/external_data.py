"""Tensor data outside of the .onnx file: which files may be read, and the memory map of each.

A model is allowed its own folder and nothing else: not an absolute path, not `..`, not a link that leads out of it.
One exception: model hubs keep snapshots/REVISION/FILE as links into blobs/ beside snapshots/, which is its own too.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from passes.errors import BadSource

_COPY = "If you trust the file, copy it to where the model is."


class DataFiles:
    """The data files of one model, each mapped once: a map per tensor would use up the file descriptors."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._folder = model.absolute().parent
        self._maps: dict[Path, np.ndarray] = {}
        self._places: dict[str, Path] = {}

    def bytes_of(self, tensor: str, location: str, offset: int, length: int) -> np.ndarray:
        """The `length` bytes at `offset` of the file at `location`, mapped, as a uint8 array.

        Raises:
            BadSource: naming the tensor, when the place may not be read or is not in the file.
        """
        path = self._places.get(location)
        if path is None:
            path = self._places[location] = self._resolve(tensor, location)
        size = path.stat().st_size
        if offset < 0 or length < 0 or offset + length > size:
            raise BadSource(
                f"Tensor {tensor!r} is at bytes {offset:,} to {offset + length:,} of {path.name}, which has {size:,}.",
                hint="The file is incomplete (a Git LFS pointer, a broken download), or belongs to another model.",
            )
        if length == 0:
            return np.empty(0, np.uint8)
        if path not in self._maps:
            self._maps[path] = np.memmap(path, np.uint8, "r")
        return self._maps[path][offset : offset + length]

    def _resolve(self, tensor: str, location: str) -> Path:
        if location == self._model.name:
            return self._model.resolve()
        self._check_location(tensor, location)
        path = self._folder / location
        try:
            real = path.resolve(strict=True)
            status = real.stat()
        except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
            raise BadSource(
                f"Tensor {tensor!r} is in the file {location!r}, which cannot be found: {error}.",
                hint="A model with external data needs its data files beside it.",
            ) from error
        if not stat.S_ISREG(status.st_mode):
            raise BadSource(f"Tensor {tensor!r} is in {location!r}, which is not a regular file.")
        if not real.is_relative_to(self._folder.resolve()) and not self._is_blob(real):
            raise BadSource(
                f"Tensor {tensor!r} is in {location!r}, a link to {str(real)!r} outside of the model's folder.",
                hint=_COPY,
            )
        if status.st_nlink > 1:
            raise BadSource(
                f"Tensor {tensor!r} is in {location!r}, which is a hard link: it may be a file from elsewhere.",
                hint=_COPY,
            )
        return real

    @staticmethod
    def _check_location(tensor: str, location: str) -> None:
        if not location or "\0" in location:
            raise BadSource(f"Tensor {tensor!r} is outside of the file, but where is not said.")
        windows = PureWindowsPath(location)
        if os.path.isabs(location) or windows.drive or windows.root:
            raise BadSource(
                f"Tensor {tensor!r} is in {location!r}, an absolute path: only files in the model's folder are read.",
                hint=_COPY,
            )
        if ".." in PurePosixPath(location).parts or ".." in windows.parts:
            raise BadSource(f"Tensor {tensor!r} is in {location!r}, which leads out of the model's folder.", hint=_COPY)

    def _is_blob(self, real: Path) -> bool:
        """Whether the file is in the blobs folder of the hub cache in which the model's folder is a snapshot."""
        for place in (self._folder, *self._folder.parents):
            if place.parent.name == "snapshots":
                blobs = place.parent.parent / "blobs"
                return not blobs.is_symlink() and real.is_relative_to(blobs.resolve())
        return False
