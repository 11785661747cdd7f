"""Whatever breaks on a file that onnxruntime refuses is the file's fault; on one that it takes, a bug."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import converter
from converter.errors import BadSource, LimitExceeded
from converter.proof.guilt import broken_files
from converter.proof.guilt.broken_files import broken_files_told
from converter.sources import load
from tests.harness import graph

SOUND = "g (float[n, 3] x) => (float[n, 3] y) { y = Relu(x) }"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (float[1, 4, 5, 5] x, float[1, 3, 3, 3] k) => (float[a, b, c, d] y) { y = Conv(x, k) }", "cannot"),
        ("g (float[2, 3] x) => (y) { s = Constant<value_ints = [2, 4]>() z = Reshape(x, s) y = Add(x, z) }", "cannot"),
    ],
    ids=["when-it-is-loaded", "when-it-runs"],
)
def test_sizes_that_do_not_fit_together(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.onnx"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 23]>\n{text}'), path)
    loaded = load(path)
    with pytest.raises(BadSource, match=f"does not fit together: onnxruntime {reason}"), broken_files_told(loaded):
        raise TypeError("what a pass met")


def test_a_bug_stays_a_bug() -> None:
    loaded = load(graph(SOUND))
    with pytest.raises(TypeError, match="our own"), broken_files_told(loaded):
        raise TypeError("our own")


def test_what_has_no_memory() -> None:
    loaded = load(graph(SOUND))
    with pytest.raises(LimitExceeded, match="no memory"), broken_files_told(loaded):
        raise MemoryError("Unable to allocate 2.67 TiB")


def test_notes_are_text(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 23]>\n{SOUND}')
    model.metadata_props.add(key="licence", value="MIT")
    path = tmp_path / "bad.onnx"
    path.write_bytes(model.SerializeToString().replace(b"licence", b"lic\xffnce"))
    with pytest.raises(BadSource, match="is no text"):
        converter.convert(path, verify=False)


def test_what_ends_onnxruntime_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bad.onnx"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 23]>\n{SOUND}'), path)
    loaded = load(path)
    monkeypatch.setattr(broken_files, "ASK", "import os, signal; os.kill(os.getpid(), signal.SIGFPE)")
    with pytest.raises(BadSource, match="onnxruntime itself breaks on it, with signal 8"), broken_files_told(loaded):
        raise TypeError("what a pass met")
