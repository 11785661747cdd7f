"""What is installed: one package, whose parts import each other by their names inside of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import graph

ROOT = Path(__file__).resolve().parents[2]
CONVERT = """
import sys, keraport
done = keraport.convert("m.onnx", "m.keras")
assert done.verified
try:
    keraport.convert("missing.onnx")
except keraport.BadSource as error:
    print(error)
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("converter", "passes")), keraport.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as a wheel has them."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("converter", "keraport", "passes"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "README.md", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(target)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    return target


def test_one_name_at_the_top(installed: Path) -> None:
    assert [path.name for path in installed.iterdir()] == ["keraport"]
    assert sorted(path.name for path in (installed / "keraport").iterdir() if path.is_dir()) == [
        "converter",
        "layers",
        "passes",
    ]
    assert list((installed / "keraport" / "converter" / "report" / "templates").glob("*.html"))


def test_it_converts_without_the_repository(installed: Path, tmp_path: Path) -> None:
    import onnx_ir as ir

    ir.save(graph("g (float[b, 3] x) => (float[b, 3] y) { y = Relu(x) }"), tmp_path / "m.onnx")
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", CONVERT], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert f"There is no file 'missing.onnx'.\n[] {installed}" in done.stdout
