"""The goldens of a zoo: recorded by the first run, checked by the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converter.zoo.goldens import keep_or_check
from tests.conftest import Keraport
from tests.harness import graph

MANIFEST = """
[[model]]
source = "small.onnx"
name = "small"
"""


@pytest.mark.slow
def test_recorded_then_checked(tmp_path: Path, keraport: Keraport) -> None:
    import onnx_ir as ir

    ir.save(graph("g (float[batch, 4] x) => (float[batch, 4] y) { r = Relu(x) y = Neg(r) }"), tmp_path / "small.onnx")
    (tmp_path / "zoo.toml").write_text(MANIFEST)
    command = ("zoo", "run", tmp_path / "zoo.toml", "--golden", tmp_path / "goldens", "--jobs", 1)
    first = keraport(*command, "--out", tmp_path / "one")
    assert first.code == 0 and "recorded: ok       small" in first.out, first.out + first.err
    second = keraport(*command, "--out", tmp_path / "two")
    assert second.code == 0 and "checked: ok       small" in second.out
    (golden,) = (tmp_path / "goldens").rglob("small*.json")
    entry = json.loads(golden.read_text())
    golden.write_text(json.dumps({**entry, "status": "unsupported"}))
    third = keraport(*command, "--out", tmp_path / "three")
    assert third.code == 3 and "checked: DAMAGED" in third.out


def test_what_is_not_verified_has_none(tmp_path: Path) -> None:
    assert list(keep_or_check(tmp_path / "goldens", [], {"small": "mismatch"})) == []
