"""The plugin in a project of its own, as a user has it: passing, failing, with a golden, with and without xdist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import onnx_ir as ir
import pytest

from tests.harness import graph

TESTS = """
import pytest

def test_equal(assert_converts):
    assert assert_converts("dense.onnx").verified

def test_too_strict(assert_converts):
    assert_converts("dense.onnx", tolerance=(-1.0, 0.0))

@pytest.mark.keraport(layout="source")
def test_unsupported(assert_converts):
    assert_converts("text.onnx")

@pytest.mark.keraport(golden=True)
def test_golden(assert_converts):
    assert_converts("dense.onnx")

@pytest.mark.parametrize("turn", [1, 2])
def test_golden_of_what_does_not_convert(assert_converts, turn):
    assert_converts("text.onnx", golden=True)

def test_golden_too_strict(assert_converts):
    assert_converts("dense.onnx", golden="strict", tolerance=(-1.0, 0.0))

def test_golden_of_nothing(assert_converts):
    assert_converts("none.onnx", golden=True)

def test_golden_of_an_object(assert_converts):
    assert_converts(object(), golden=True)
"""
DENSE = "g (float[batch,3] x) => (float[batch,2] y) <float[3,2] w = {1,2,3,4,5,6}> { y = MatMul(x, w) }"
TEXT = "g (string[3] x) => (string[3] y) { y = StringNormalizer(x) }"


FAILING = {
    "test_too_strict",
    "test_unsupported",
    "test_golden_of_what_does_not_convert[1]",
    "test_golden_of_what_does_not_convert[2]",
    "test_golden_too_strict",
    "test_golden_of_nothing",
    "test_golden_of_an_object",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_models.py").write_text(TESTS)
    ir.save(graph(DENSE), folder / "dense.onnx")
    ir.save(graph(TEXT), folder / "text.onnx")
    return folder


def run(project: Path, *arguments: str) -> tuple[str, ElementTree.Element]:
    result = project / "junit.xml"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", f"--junitxml={result}", *arguments],
        cwd=project,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr, ElementTree.parse(result).getroot()[0]


@pytest.mark.parametrize("arguments", [("-n0",), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=str)
def test_a_project(project: Path, arguments: tuple[str, ...]) -> None:
    said, junit = run(project, *arguments)
    failed = {case.get("name"): case[0].get("message") for case in junit if len(case)}
    assert failed.keys() == FAILING, said
    assert "dense.onnx does not convert (not-equivalent)" in str(failed["test_too_strict"])
    assert "text.onnx does not convert (unsupported)" in str(failed["test_unsupported"])
    for turn in (1, 2):  # the second time it is a golden that is checked
        assert "text.onnx does not convert" in str(failed[f"test_golden_of_what_does_not_convert[{turn}]"])
    assert "FAIL: the golden 'strict'" in str(failed["test_golden_too_strict"])
    assert "none.onnx does not convert (bad-source): There is no file" in str(failed["test_golden_of_nothing"])
    assert "its source is told as text" in str(failed["test_golden_of_an_object"])
    assert not any("Traceback" in str(message) for message in failed.values())
    assert (project / "goldens" / "models" / "dense.onnx.json").is_file()


@pytest.mark.slow
def test_a_golden_that_is_broken(project: Path) -> None:
    run(project, "-n0", "-k", "golden")
    for path in (project / "goldens" / "objects").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:-1])
    said, junit = run(project, "-n0", "-k", "golden")
    assert junit.get("failures") == "1"
    assert "DAMAGED: the golden 'dense.onnx'" in said
    _, junit = run(project, "-n0", "-k", "golden", "--keraport-update-goldens")
    assert junit.get("failures") == "0"
