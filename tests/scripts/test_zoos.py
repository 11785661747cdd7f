"""What is kept of the runs of whole zoos, and the page that is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converter.zoo.results import lines
from scripts import zoos
from scripts.zoos_table import zoos_table

MANIFEST = """
[[model]]
name = "one"
source = "models.digits:build"

[[model]]
name = "two"
source = "models.digits:build"
"""
VERIFIED = {
    "status": "verified", "detail": {},
    "report": {"transposes": 0, "trainable_parameters": 5, "source_trainable_parameters": 5, "custom_layers": []},
}  # fmt: skip
REFUSED = {"status": "unsupported", "detail": {"problems": [{"kind": "unsupported", "message": "Det | of 3 axes."}]}}


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for records, of one manifest."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small.toml").write_text(MANIFEST)
    monkeypatch.setattr(zoos, "MODELS", tmp_path / "models")
    monkeypatch.setattr(zoos, "RECORDS", tmp_path / "zoos")
    return tmp_path / "zoos"


def a_run(folder: Path, **results: dict[str, Any]) -> Path:
    folder.mkdir()
    lines.write(folder / "results.jsonl", ({"name": name, **result} for name, result in results.items()))
    return folder


def test_a_later_run_of_a_part_leaves_the_rest(records: Path, tmp_path: Path) -> None:
    zoos.record([a_run(tmp_path / "all", one=VERIFIED, two=VERIFIED, of_no_manifest=VERIFIED)])
    zoos.record([a_run(tmp_path / "part", two=REFUSED)])
    kept = list(lines.read(records / "small.jsonl"))
    assert [(record["name"], record["status"]) for record in kept] == [("one", "verified"), ("two", "unsupported")]


def test_the_page_counts_and_says_why(records: Path, tmp_path: Path) -> None:
    more = {"transposes": 2, "trainable_parameters": 8, "custom_layers": [{"layer": "Loop"}]}
    zoos.record([a_run(tmp_path / "run", one={**VERIFIED, "report": {**VERIFIED["report"], **more}}, two=REFUSED)])
    page = zoos_table(records)
    assert "| models/small.toml | 2 | 1 | 1 | 0 | 0 | 0 | 0 | 0 |" in page
    assert "Transposes: one 2." in page
    assert "Layers of keraport: one (Loop)." in page
    assert "Trained, to torch: one (+3)." in page
    assert "does not use" not in page
    assert "| two | unsupported |" in page


def test_what_evaluation_does_not_use_is_not_missed(records: Path, tmp_path: Path) -> None:
    less = {"trainable_parameters": 3, "source_unused_parameters": 2}
    zoos.record([a_run(tmp_path / "run", one={**VERIFIED, "report": {**VERIFIED["report"], **less}})])
    page = zoos_table(records)
    assert "| models/small.toml | 1 | 1 | 0 | 0 | 0 | 1 | 1 | 1 |" in page
    assert "Parameters that evaluation does not use: one (2)." in page
    assert "Trained, to torch" not in page


def test_every_manifest_that_is_kept_is_there() -> None:
    kept = {path.stem for path in zoos.RECORDS.glob("*.jsonl")}
    assert kept <= {path.stem for path in zoos.MODELS.glob("*.toml")}
    for name in kept:
        known = {entry.name for entry in zoos.read([zoos.MODELS / f"{name}.toml"], check_files=False)}
        assert {record["name"] for record in lines.read(zoos.RECORDS / f"{name}.jsonl")} <= known


@pytest.mark.slow
def test_a_run_is_compared_with_what_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The digits, that ship with the project: verified, as kept; and a change where another status is."""
    (tmp_path / "kept").mkdir()
    names = [entry.name for entry in zoos.read([zoos.MODELS / "digits.toml"])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoos, "RECORDS", tmp_path / "kept")
        for status, code in (("verified", 0), ("mismatch", zoos.DIFFERENT)):
            text = "".join(json.dumps({"name": name, "status": status}) + "\n" for name in names)
            (tmp_path / "kept" / "digits.jsonl").write_text(text)
            assert zoos.main(["check", "digits", "--jobs", "1", "--out", str(tmp_path / "run")]) == code
    assert "1 changes" in capsys.readouterr().out


def test_a_run_belongs_to_the_smallest_manifest_that_has_all_of_it() -> None:
    manifests = {"all": ["a", "b", "c"], "some": ["a", "b"], "others": ["d"]}
    assert zoos._manifests_of({"a"}, manifests) == ["some"]
    assert zoos._manifests_of({"a", "c"}, manifests) == ["all"]
    assert zoos._manifests_of({"b", "d"}, manifests) == ["all", "some", "others"]
    assert zoos._manifests_of({"e"}, manifests) == []
