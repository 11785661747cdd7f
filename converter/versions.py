"""The versions of what a result depends on, without importing any of it."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = (
    "keraport",
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "onnx",
    "onnx-ir",
    "onnxscript",
    "onnxruntime",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "jax",
    "numpy",
)


def versions() -> dict[str, str]:
    """By the name of the package; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def version_lines() -> list[str]:
    """What belongs into the report of a bug, keraport first, and the machine."""
    found = versions()
    first = f"keraport {found.pop('keraport', 'not installed')}"
    return [first, *(f"{name} {version}" for name, version in found.items()), platform.platform()]
