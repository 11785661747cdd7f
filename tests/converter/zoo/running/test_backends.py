"""A run by two backends: two results of each model, compared on the page; a run by Keras alone is what it was.

In the place of onnx2tf stands a program that is called in the same way.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

import converter
from converter.zoo.manifests.backends import by_backends, parse_backends
from converter.zoo.records.entry import Entry, Limits
from converter.zoo.records.result import MISMATCH, TIMED_OUT, Result
from converter.zoo.results.check import check
from converter.zoo.results.content_key import content_key
from converter.zoo.results.dashboard import write_dashboard
from converter.zoo.results.runs import summaries_of
from converter.zoo.results.store import ResultStore
from converter.zoo.running.outcome import error_of
from passes.errors import LimitExceeded, UsageError
from tests.conftest import Keraport
from tests.zoo import needs
from tests.zoo_results import failed, verified
from tests.zoo_runs import lines, onnx_models

BOTH = ("keras", "onnx2tf")


def pair(name: str) -> list[Entry]:
    return by_backends([Entry(name, f"timm:{name}", options={"layout": "source", "max_bytes": 9})], BOTH)


def test_each_model_is_two_entries() -> None:
    ours, theirs = pair("m")
    assert (ours.name, theirs.name) == ("m", "m (onnx2tf)") and ours.model == theirs.model == "m"
    assert (ours.expected, theirs.expected) == ("verified", "")
    assert ours.told["layout"] == "source" and ours.told["timed"]
    assert "layout" not in theirs.told and theirs.told["backend"] == "onnx2tf" and theirs.told["max_bytes"] == 9
    alone = Entry("m", "timm:m")
    assert by_backends([alone], ["keras"]) == [alone] and "timed" not in alone.told
    assert len({content_key(each, Limits()) for each in (alone, *pair("m"))}) == 3


def test_names_that_meet_are_refused() -> None:
    with pytest.raises(UsageError, match="would both write to the folder m-onnx2tf"):
        by_backends([Entry("m", "timm:m"), Entry("m-onnx2tf", "timm:m")], BOTH)


@pytest.mark.parametrize("text", ["", "keras,onnx2ft", "tensorflow"])
def test_backends_that_do_not_exist(text: str) -> None:
    with pytest.raises(UsageError, match="--backend must name some of keras, onnx2tf"):
        parse_backends(text)
    assert parse_backends("onnx2tf, keras,onnx2tf") == ("onnx2tf", "keras")


def test_an_answer_that_does_not_come_is_a_lack_of_time() -> None:
    assert error_of(LimitExceeded("onnx2tf gave no answer within 1800 s."), "onnx2tf")["status"] == TIMED_OUT


def test_the_page_has_them_side_by_side(tmp_path: Path) -> None:
    entries = [each for name in ("a", "b", "c") for each in pair(name)]
    taken = {"latency_ms": 2.5, "onnxruntime_ms": 1.0, "passed": True, "max_abs": 0.0, "cases": []}
    lite = {"destinations": [{"format": "tflite", "output_bytes": 3 << 20, "verification": taken}]}
    keras = {"output": "m.keras", "output_bytes": 5 << 20, "verification": {**taken, "latency_ms": 9.0}}
    by = {"backend": "onnx2tf", "expected": ""}
    with ResultStore(tmp_path) as store:
        store.plan(entries, {each.name: "k" for each in entries})
        for result in (
            verified("a", report=keras),
            verified("a (onnx2tf)", report=lite, seconds=20.0, **by),
            verified("b", report=keras),
            failed("b (onnx2tf)", "It computes something else.", status=MISMATCH, **by),
            failed("c"),
        ):
            store.add(result)
    page = " ".join(write_dashboard(tmp_path).read_text().split())
    assert "Medians are those of the 1 of 3 models that all have right" in page
    assert "keras right, onnx2tf wrong" in page and "keras refused, onnx2tf not done" in page
    assert '<td class="n">5.0</td> <td class="n">9.0 ms</td>' in page
    assert '<td class="n">20.0</td> <td class="n">3.0</td> <td class="n">2.5 ms</td>' in page
    assert page.index("<strong>b</strong>") < page.index("<tr><td>a</td>") and "no result yet" in page
    assert [change.name for change in check(tmp_path)] == ["c"]  # nothing is expected of onnx2tf
    written = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [each.get("backend") for each in written] == [None, "onnx2tf", None, "onnx2tf", None]
    for again in (summaries_of(tmp_path), summaries_of(tmp_path / "results.jsonl")):
        assert [(each.model, each.backend) for each in again[:2]] == [("a", "keras"), ("a", "onnx2tf")]
        assert (again[1].output_bytes, again[1].latency_ms) == (3 << 20, 2.5)


def test_a_run_by_keras_alone_is_written_as_it_was(tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store:
        store.plan([Entry("a", "timm:a")], {"a": "k"})
        store.add(verified("a"))
        assert not store._has("backends")
    (line,) = (tmp_path / "results.jsonl").read_text().splitlines()
    assert json.loads(line).keys() == {field.name for field in fields(Result)} - {"backend"}
    assert 'id="backends"' not in write_dashboard(tmp_path).read_text()


def fake(folder: Path, does: str) -> None:
    """An environment with a program that is called as `python -m onnx2tf -i GRAPH -o FOLDER …`."""
    place = folder / "onnx2tf"
    (place / "bin").mkdir(parents=True)
    (place / "version").write_text("0")
    (place / "bin" / "python").write_text(f"#!/bin/sh\n{does}\n")
    (place / "bin" / "python").chmod(0o755)


def test_a_run(tmp_path: Path, keraport: Keraport, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("distributed")
    manifest, run = tmp_path / "zoo.toml", tmp_path / "run"
    manifest.write_text(onnx_models(tmp_path, 2))
    monkeypatch.setenv("KERAPORT_BACKENDS", str(tmp_path / "backends"))
    told = ("zoo", "run", manifest, "--out", run, "--backend", "keras,onnx2tf")
    ran = keraport(*told)
    assert ran.code == 1 and "keraport backend install onnx2tf" in ran.err and not run.exists()
    converter.convert(str(tmp_path / "m0.onnx"), [tmp_path / "model.tflite", tmp_path / "made"], verify=False)
    (tmp_path / "model.tflite").rename(tmp_path / "made" / "model_float32.tflite")
    fake(tmp_path / "backends", f'cp -r {tmp_path}/made "$6"')
    ran = keraport(*told)
    assert ran.code == 0, ran.out + ran.err
    found = lines(run)
    assert {name: one["status"] for name, one in found.items()} == {
        "m0": "verified",
        "m0 (onnx2tf)": "verified",
        "m1": "verified",
        "m1 (onnx2tf)": "mismatch",  # it is given the other model's file
    }
    for name in ("m0", "m0 (onnx2tf)"):
        (summary,) = [each for each in summaries_of(run) if each.name == name]
        assert summary.output_bytes and summary.latency_ms and summary.onnxruntime_ms, name
    assert (run / found["m0 (onnx2tf)"]["files"]["model"]).suffix == ".tflite"
    alone = tmp_path / "alone"
    assert keraport("zoo", "run", manifest, "--out", alone).code == 0
    assert keraport("zoo", "report", run, "--against", alone).code == 0
    assert "2 new" in " ".join((run / "report.html").read_text().split())
