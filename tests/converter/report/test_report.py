"""The report: the keys that other tools rely on, and the page."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from converter.ports import Port
from converter.proof.compare import compare
from converter.proof.verdict import CaseResult, Precision, Verification
from converter.report import Report, Stage, histogram, versions
from passes.errors import NotEquivalent, Unsupported
from tests.harness import graph

KEYS = {
    "custom_layers",
    "portable",
    "source",
    "inputs",
    "outputs",
    "stages",
    "operators",
    "transposes",
    "parameters",
    "trainable_parameters",
    "source_trainable_parameters",
    "source_unused_parameters",
    "peak_memory_bytes",
    "verification",
    "output",
    "output_bytes",
    "destinations",
    "dtype_policy",
    "backends",
    "weights",
    "notes",
    "layers",
    "modules",
    "versions",
}


def verification(*, equal: bool = True) -> Verification:
    y = np.ones((2, 10), np.float32)
    case = CaseResult({"x": (2, 3, 32, 32)}, 1, "", [compare(y, y if equal else y + 1, name="logits")])
    return Verification("the source as loaded", "tensorflow", [case])


def full_report(*, equal: bool = True) -> Report:
    report = Report(source="model.onnx")
    report.inputs = [Port("x", ("batch", 3, 32, 32), "float32", (0, 2, 3, 1))]
    report.outputs = [Port("logits", ("batch", 10), "float32")]
    report.operators = {"nhwc::Conv": 20, "Relu": 17}
    report.transposes, report.parameters = 0, 11_689_512
    report.notes = ["a note with <b>markup</b>"]
    found = verification(equal=equal)
    if not equal:
        found.first_difference = {"stage": "layer", "layer": "conv1", "module": "layer1.0.conv1", "max_abs": 1.0}
    report.verification = found.to_dict()
    with report.stage("load"):
        pass
    return report


def test_the_keys_are_those_of_the_design() -> None:
    values = full_report().to_dict()
    assert set(values) == KEYS
    assert values["inputs"] == [
        {
            "name": "x",
            "shape": ["batch", 3, 32, 32],
            "dtype": "float32",
            "permutation": [0, 2, 3, 1],
            "keras_name": None,
        }
    ]
    assert values["outputs"] == [
        {"name": "logits", "shape": ["batch", 10], "dtype": "float32", "permutation": None, "keras_name": None}
    ]
    assert values["stages"][0]["name"] == "load"
    assert set(values["stages"][0]) == {"name", "seconds", "ok", "peak_memory_bytes"}
    (case,) = values["verification"]["cases"]
    assert (case["shape"], case["seed"]) == ({"x": [2, 3, 32, 32]}, 1)
    assert {"name", "max_abs", "max_rel", "tolerance"} <= set(case["outputs"][0])
    assert values["peak_memory_bytes"] > 1 << 20
    json.dumps(values, allow_nan=False)


def test_a_failed_stage_is_marked_and_its_error_kept() -> None:
    seen: list[tuple[str, bool | None]] = []
    report = Report(on_stage=lambda _, stage: seen.append((stage.name, stage.ok)))
    with report.stage("load"):
        pass
    with pytest.raises(Unsupported), report.stage("passes"):
        raise Unsupported("No such thing.", node="Foo node 'a'", hint="Leave it out.")
    assert seen == [("load", None), ("load", True), ("passes", None), ("passes", False)]
    assert report.to_dict()["error"] == {
        "kind": "unsupported",
        "node": "Foo node 'a'",
        "message": "No such thing.",
        "hint": "Leave it out.",
    }


def test_an_interrupted_stage_is_not_done() -> None:
    report = Report()
    with pytest.raises(KeyboardInterrupt), report.stage("emit") as stage:
        raise KeyboardInterrupt
    assert isinstance(stage, Stage)
    assert stage.ok is False
    assert report.error is None


def test_operators_are_counted_in_sub_graphs_too() -> None:
    model = graph("""
        g (bool c, float[2] x) => (float[2] y)
        { y = If(c) <then_branch = t () => (float[2] a) { a = Relu(x) },
                     else_branch = e () => (float[2] b) { b = Relu(x) }> }
    """)
    assert histogram(model) == {"Relu": 2, "If": 1}


@pytest.mark.parametrize(
    ("operator", "backends"), [("Relu", ["tensorflow", "jax", "torch"]), ("NonZero", ["tensorflow", "torch"])]
)
def test_jax_compiles_no_sizes_that_numbers_decide(operator: str, backends: list[str]) -> None:
    report = Report()
    report.count_operators(graph(f"g (float[3] x) => (y) {{ y = {operator}(x) }}"))
    assert report.backends == backends


def test_versions_are_known_without_importing() -> None:
    assert {"python", "onnx", "onnxruntime", "keras", "numpy"} <= set(versions())


def test_what_fails_a_verification() -> None:
    passed, failed = verification(), verification(equal=False)
    assert (passed.passed, passed.reason, passed.max_abs) == (True, "", 0.0)
    assert not failed.passed
    assert failed.reason.startswith("Output 'logits' at inputs x (2, 3, 32, 32): max|difference| is 1")
    assert not Verification("", "").passed
    stopped = verification()
    stopped.cases.append(CaseResult({"x": (3, 3, 32, 32)}, 2, "", [], "ValueError: no"))
    assert stopped.reason == "Keras stops at inputs x (3, 3, 32, 32): ValueError: no"
    exported = verification()
    exported.export = failed.cases[0]
    assert exported.reason.startswith("PyTorch's export differs from the module itself at output 'logits'")
    rough = verification()
    rough.precision = [Precision("logits", 4e-6, 1e-6, 3e-6)]
    assert "further from float64 than onnxruntime's" in rough.reason


def test_the_page_says_axes_in_words_and_how_to_go_on() -> None:
    report = full_report()
    report.output, report.output_bytes = "net.keras", 1_234_567
    page = report.to_html()
    assert "batch, height, width, channels" in page and "as in the source" in page
    assert "1,234,567 bytes" in page and 'keras.models.load_model("net.keras")' in page
    assert re.search(r"Greatest error, of allowed</dt><dd>0 of \d", page)


@pytest.mark.parametrize("equal", [True, False])
def test_the_page_shows_it_and_escapes_it(equal: bool) -> None:
    report = full_report(equal=equal)
    if not equal:
        report.error = NotEquivalent("It differs <script>alert(1)</script>", hint="Look.").to_dict()
    page = report.to_html()
    assert ("Converted and verified" in page) is equal
    assert ("Not equivalent" in page) is not equal
    assert "layer1.0.conv1" in page or equal
    assert "<script>" not in page
    assert "<b>markup" not in page
    assert "http" not in page


def test_the_page_shows_what_stopped_keras_and_the_second_opinions() -> None:
    report = full_report()
    found = verification()
    found.cases.append(CaseResult({"x": (3, 3, 32, 32)}, 2, "", [], "ValueError: <stopped>"))
    found.export = found.cases[0]
    found.precision = [Precision("logits", 1e-6, 2e-6, 6e-6)]
    report.verification = found.to_dict()
    page = report.to_html()
    assert "ValueError: &lt;stopped&gt;" in page
    assert "PyTorch itself against onnxruntime" in page
    assert "allowed 6.00e-06" in page


def test_the_page_of_a_conversion_that_never_began() -> None:
    report = Report(source="missing.onnx")
    with pytest.raises(Unsupported), report.stage("load"):
        raise Unsupported("No.")
    assert "Not converted" in report.to_html()
