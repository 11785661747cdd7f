"""Run a conversion with the oldest versions that pyproject.toml allows, in an environment of its own.

    python -m scripts.floors [--folder DIR] [--extra torch --extra tensorflow] [--instead torch==2.13.0]

What it runs is what a user does first: the digits model from its checkpoint and from an ONNX file, verified, and
verified again from the saved file.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("torch", "tensorflow")
FLOOR = re.compile(r"^(?P<name>[\w.-]+)\s*>=\s*(?P<version>[\w.]+)")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the environment is made, and kept")
    parser.add_argument("--extra", action="append", help=f"by default {' and '.join(EXTRAS)}")
    parser.add_argument("--instead", action="append", default=[], help="name==version, where the floor has no wheel")
    told = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = told.folder or Path(temporary)
        python = environment(folder, told.extra or EXTRAS, told.instead)
        return smoke(python, folder)


def floors(extras: Sequence[str]) -> Iterator[str]:
    """`name==version` for everything that has a lower bound, of the package itself and of these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    for requirement in (*project["dependencies"], *(line for extra in extras for line in optional[extra])):
        found = FLOOR.match(requirement)
        if found:
            yield f"{found['name']}=={found['version']}"


def environment(folder: Path, extras: Sequence[str], instead: Sequence[str]) -> Path:
    """A virtual environment with keraport at its floors, or at these versions instead; the Python of it."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    constraints = folder / "floors.txt"
    versions = {line.partition("==")[0]: line for line in (*floors(extras), *instead)}
    constraints.write_text("\n".join(versions.values()) + "\n")
    print(constraints.read_text(), flush=True)
    wanted = f"{ROOT}[{','.join(extras)}]"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-compile", "-c", constraints, wanted], check=True, cwd=folder
    )
    return python


def smoke(python: Path, folder: Path) -> int:
    """Convert and verify; the first exit code that is not 0."""
    keraport = [python, "-m", "keraport"]
    digits = [
        "models.digits:build",
        "--checkpoint",
        ROOT / "models/digits.safetensors",
        "--input",
        "image=float32[batch,1,8,8]",
    ]
    saved = folder / "digits.keras"
    commands = [
        [*keraport, "--version"],
        [*keraport, "convert", *digits, "-o", saved],
        [*keraport, "verify", saved, *digits, "--trust"],  # verify refuses strangers' files below keras 3.15
    ]
    paths = {**os.environ, "PYTHONPATH": str(_models_only(folder)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    for command in commands:
        print("$", *map(str, command), flush=True)
        code = subprocess.run(command, cwd=folder, env=paths, check=False).returncode
        if code:
            return code
    return 0


def _models_only(folder: Path) -> Path:
    """A folder with the package `models` and nothing else: keraport itself is to be the installed one."""
    place = folder / "sources"
    place.mkdir(exist_ok=True)
    link = place / "models"
    if not link.exists():
        link.symlink_to(ROOT / "models", target_is_directory=True)
    return place


if __name__ == "__main__":
    sys.exit(main())
