"""What is missing, full or forbidden is told as such, and never as a bug of keraport."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from converter.commands import inspect
from converter.terminal.causes import EXTRAS, explained
from tests.conftest import Keraport


def raising(error: Exception) -> Any:
    return lambda *_, **__: (_ for _ in ()).throw(error)


@pytest.mark.parametrize("package", EXTRAS)
def test_a_missing_package_is_one_line_with_its_extra(
    package: str, keraport: Keraport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "load_source", raising(ModuleNotFoundError("No module", name=f"{package}.part")))
    ran = keraport("inspect", "a.onnx")
    assert ran.code == 1 and f"needs {package}" in ran.err
    assert f"pip install 'keraport[{EXTRAS[package]}]'" in ran.err and "Bug" not in ran.err


def test_a_backend_that_is_there_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    told = explained(ModuleNotFoundError("No module", name="tensorflow"))
    assert told is not None and "KERAS_BACKEND=jax" in str(told.hint)


def test_a_module_of_ours_that_is_missing_is_a_bug() -> None:
    assert explained(ModuleNotFoundError("No module", name="converter.nothing")) is None
    assert explained(KeyError("x")) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.EACCES, errno.EROFS])
def test_limits_of_the_system(number: int, keraport: Keraport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = OSError(number, os.strerror(number), str(tmp_path / "x.npz"))
    monkeypatch.setattr(inspect, "load_source", raising(error))
    ran = keraport("inspect", "a.onnx")
    assert ran.code == 1 and "x.npz" in ran.err and "Bug" not in ran.err
