"""Nothing is imported before it is needed. Modules are counted, not seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "dask", "distributed", "jax", "keras", "numpy", "onnx", "onnx_ir", "onnxruntime", "onnxscript", "pyarrow", "sympy",
    "tensorflow", "torch",
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> tuple[str, set[str]]:
    """What a fresh Python prints for some code, and the heavy packages that it has imported then."""
    code = f"import sys\n{code}\nimport json; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    *lines, modules = done.stdout.strip().splitlines()
    return "\n".join([*lines, done.stderr]), HEAVY & set(json.loads(modules))


def test_import_keraport() -> None:
    printed, heavy = run("import keraport; print(keraport.__version__, dir(keraport))")
    assert not heavy
    assert printed.startswith("0.") and "'convert'" in printed


def test_the_errors_are_there_without_what_raises_them() -> None:
    assert not run("from keraport import BadSource, ConversionError, NotEquivalent, Unsupported, UsageError")[1]


def test_converter_and_keraport_are_one() -> None:
    printed, _ = run("import keraport, converter; print(keraport.convert is converter.convert)")
    assert "True" in printed


def test_what_is_not_there() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run("import keraport; keraport.transmogrify")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "proven equal"),
        (["--version"], "keraport 0."),
        (["convert", "--help"], "--random-weights"),
        (["zoo", "--help"], "Commands"),
        (["convert", "missing.onnx"], "There is no file 'missing.onnx'."),
        (["inspect", "missing.pt2"], "There is no file 'missing.pt2'."),
        (["convert", "a.onnx", "--no-such-option"], "No such option"),
        (["convert"], "Missing argument"),
    ],
)
def test_the_command_line_answers_at_once(arguments: list[str], said: str) -> None:
    printed, heavy = run(f"from converter.cli import main\nmain({arguments!r})")
    assert said in printed
    assert not heavy


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "keraport", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.startswith(
        "keraport 0."
    )
