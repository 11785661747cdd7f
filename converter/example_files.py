"""`--example FILE`: inputs of the user's own, from arrays or from images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import UsageError

Array = np.ndarray[Any, np.dtype[Any]]

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
NORMALISE = {
    "0-255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "0-1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""By name: mean and deviation of the channels of an image whose numbers are from 0 to 1."""


@dataclass(frozen=True)
class ExampleFiles:
    """The files of a command line, and what the pixels of images become: a key of NORMALISE."""

    files: tuple[Path, ...]
    normalise: str = "0-1"

    def arrays(self, inputs: Sequence[ir.Value]) -> dict[str, Array]:
        """As `load_examples`."""
        return load_examples(self.files, inputs, self.normalise)


def load_examples(files: Sequence[Path], inputs: Sequence[ir.Value], normalise: str = "0-1") -> dict[str, Array]:
    """Arrays by the name of the input.

    Args:
        files: `.npz` with an array for each input by its name, `.npy` or images with one for each input, in order.
        inputs: of the source.
        normalise: of images, a key of NORMALISE.

    Raises:
        UsageError: a file is no such file, or does not fit the source's inputs.
    """
    names = [value.name or "" for value in inputs]
    found: dict[str, Array] = {}
    alone = [path for path in files if path.suffix != ".npz"]
    for path in files:
        if path.suffix == ".npz":
            with _opened(path) as arrays:
                found.update({name: arrays[name] for name in arrays.files})
    if alone and len(alone) != len(names) - len(found):
        raise UsageError(
            f"{len(alone)} example files for {len(names)} inputs.", hint=f"The inputs are {', '.join(names)}, in order."
        )
    free = [value for value in inputs if value.name not in found]
    for path, value in zip(alone, free, strict=False):  # an .npz need not have all of them
        array = _image(path, value, normalise) if path.suffix.lower() in IMAGES else _opened(path)
        found[value.name or ""] = array
    return found


def _opened(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The example {str(path)!r} cannot be read: {error}", hint="Give a .npz, a .npy or an image."
        ) from error


def _image(path: Path, value: ir.Value, normalise: str) -> Array:
    """One image with the size, the axes and the dtype that the input declares."""
    from PIL import Image, UnidentifiedImageError

    sizes = list(value.shape or ())
    if len(sizes) != 4:
        raise UsageError(f"The input {value.name!r} is no batch of images, so {str(path)!r} cannot be its example.")
    is_last = sizes[3] in (1, 3) and sizes[1] not in (1, 3)
    height, width, channels = sizes[1:] if is_last else (sizes[2], sizes[3], sizes[1])
    try:
        picture = Image.open(path).convert("L" if channels == 1 else "RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise UsageError(f"The example {str(path)!r} is no image that Pillow reads: {error}") from error
    wanted = [
        size if isinstance(size, int) else own for size, own in ((width, picture.width), (height, picture.height))
    ]
    pixels = np.asarray(picture.resize((wanted[0], wanted[1])))
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    dtype = value.dtype.numpy() if value.dtype is not None else np.dtype(np.float32)
    if dtype.kind == "f":
        mean, deviation = (np.asarray(numbers[: pixels.shape[-1]]) for numbers in NORMALISE[normalise])
        pixels = (pixels / 255 - mean) / deviation
    return (pixels if is_last else np.moveaxis(pixels, -1, 0))[None].astype(dtype)
