"""`make demo`: the shipped checkpoint through the whole way, with equal predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import demo


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    assert demo.main(["--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "layer2-shortcut-0 (Conv2D)" in shown
    assert "Equal predictions        360 of 360" in shown
    report = json.loads((tmp_path / "digits.json").read_text())
    assert report["verification"]["passed"]
    assert report["transposes"] == 0
    assert (tmp_path / "digits.keras").is_file()
    assert "<html" in (tmp_path / "digits.html").read_text()
