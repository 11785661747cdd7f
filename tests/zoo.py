"""Trained checkpoints and models that are not part of the project; tests that need one skip where it is absent."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ZOO = Path(__file__).resolve().parents[1].parent / "shared" / "zoo"


def zoo_file(name: str) -> Path:
    """The path of a file in the zoo, or a skip that says what is missing."""
    path = ZOO / name
    if not path.is_file():
        pytest.skip(f"{name} is not in {ZOO}")
    return path


def needs(*packages: str) -> None:
    """Skip the module that calls this where an optional package is absent. torchvision cannot just be imported to
    see."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is an optional extra and not installed", allow_module_level=True)
