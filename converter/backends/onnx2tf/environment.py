"""Environments of packages that exclude what keraport needs: made by `keraport backend install`, each in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from passes.errors import ConversionError, UsageError

PINNED = {"onnx2tf": "1.29.24"}
"""What is installed, by package; the package pins the rest itself."""

INSTALL = "keraport backend install onnx2tf"


@dataclass(frozen=True)
class Environment:
    """One that is there.

    Attributes:
        version: of the package.
        folder: all of it.
    """

    package: str
    version: str
    folder: Path

    @property
    def python(self) -> Path:
        return _python(self.folder)


def home() -> Path:
    """Where environments lie: `$KERAPORT_BACKENDS`, or the user's cache."""
    told = os.environ.get("KERAPORT_BACKENDS")
    if told:
        return Path(told)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keraport" / "backends"


def install(package: str, version: str | None, say: Callable[[str], None]) -> Environment:
    """Make the environment, in the place of one that is there; whole or not at all.

    Raises:
        UsageError: there is no such backend, or no place for it.
        ConversionError: pip fails, with its last lines.
    """
    _check(package)
    version = version or PINNED[package]
    target = home() / package
    half = target.with_name(f".{package}.{os.getpid()}")
    say(f"{package} {version}, with the TensorFlow and numpy that it pins, into {target}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        venv.create(half, with_pip=True, clear=True)
        _pip(_python(half), f"{package}=={version}")
        (half / "version").write_text(version)
        shutil.rmtree(target, ignore_errors=True)
        half.rename(target)
    except OSError as error:
        raise UsageError(f"{target} cannot be made: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return Environment(package, version, target)


def installed() -> list[Environment]:
    """All that are there."""
    found = []
    for package in PINNED:
        folder = home() / package
        if (folder / "version").is_file() and _python(folder).exists():
            found.append(Environment(package, (folder / "version").read_text().strip(), folder))
    return found


def remove(package: str) -> Path:
    """Raises:
    UsageError: it is not there."""
    _check(package)
    folder = home() / package
    if not folder.is_dir():
        raise UsageError(f"{package} is not installed in {home()}.")
    shutil.rmtree(folder)
    return folder


def python_of(package: str, told: str | Path | None) -> Path:
    """The interpreter that has the package: the one that was told, or that of the environment.

    Raises:
        UsageError: there is none.
    """
    if told is not None:
        if not os.access(told, os.X_OK) or Path(told).is_dir():
            raise UsageError(f"{str(told)!r} is no interpreter.", hint=f"Name the Python that has {package}.")
        return Path(told).absolute()
    found = next((each for each in installed() if each.package == package), None)
    if found is None:
        raise UsageError(f"{package} is not installed.", hint=f"{INSTALL}, or --onnx2tf-python PATH.")
    return found.python


def _check(package: str) -> None:
    if package not in PINNED:
        raise UsageError(f"There is no backend {package!r} to install.", hint=f"There is {', '.join(PINNED)}.")


def _pip(python: Path, requirement: str) -> None:
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise ConversionError(
            f"pip does not install {requirement}: {' '.join(lines[-3:]) or f'exit code {done.returncode}'}",
            hint="It needs the network, about 2 GB, and a Python that the package has wheels for "
            f"(this is {sys.version_info[0]}.{sys.version_info[1]}).",
        )


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
