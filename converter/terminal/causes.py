"""Errors of the system and of the installation, told as what to do about them."""

from __future__ import annotations

import errno
import importlib.util
import os

from passes.errors import ConversionError, UsageError

EXTRAS = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "transformers": "transformers",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "tf2onnx": "onnx",
    "openvino": "openvino",
    "distributed": "zoo",
    "fsspec": "zoo",
    "pyarrow": "zoo",
}
"""Package → the extra of keraport that has it."""

BACKENDS = ("tensorflow", "jax", "torch")


def explained(error: Exception) -> ConversionError | None:
    """The error for the person at the keyboard; None where it is a mistake of ours."""
    if isinstance(error, ConversionError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return _missing((error.name or "").partition(".")[0])
    if isinstance(error, OSError) and error.errno is not None:
        return _of_the_system(error)
    return None


def _missing(package: str) -> ConversionError | None:
    if package not in EXTRAS:
        return None
    hint = f"pip install 'keraport[{EXTRAS[package]}]'"
    if package in BACKENDS and os.environ.get("KERAS_BACKEND", "tensorflow") == package:
        others = [name for name in BACKENDS if name != package and importlib.util.find_spec(name) is not None]
        choice = f", or KERAS_BACKEND={others[0]}, which is installed" if others else ""
        return UsageError(f"Keras needs {package} here, which is not installed.", hint=hint + choice)
    return UsageError(f"This needs {package}, which is not installed.", hint=hint)


_LIMITS = {
    errno.ENOSPC: "The disk is full",
    errno.EDQUOT: "The quota is used up",
    errno.EFBIG: "The file would be larger than the limit of files",
    errno.EMFILE: "This process has too many files open",
    errno.ENFILE: "The system has too many files open",
    errno.EROFS: "The file system is read-only",
    errno.EACCES: "Permission is denied",
    errno.EIO: "The disk does not answer",
}


def _of_the_system(error: OSError) -> ConversionError | None:
    said = _LIMITS.get(error.errno or 0)
    if said is None:
        return None
    where = f": {error.filename}" if error.filename else ""
    return UsageError(f"{said}{where}.", hint="Nothing was put in place; what was there before is as it was.")
