"""The page of a conversion: its picture, its tree of modules, its size."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

import converter
from converter.report import Report
from converter.report.page import _worst as worst
from converter.report.plot import LEAST, plot
from converter.report.tree import module_tree
from converter.terminal.screen import written
from tests.harness import graph


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.act = torch.nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.act(self.conv(x)) - 0.5)


def layer(module: str, name: str, *, error: float | None = 1e-7, parameters: int = 0) -> dict[str, object]:
    values = {"layer": name, "kind": "Dense", "module": module, "operator": "MatMul", "shape": [1, 4]}
    return {**values, "parameters": parameters, "error": error, "noise": 1e-7}


@pytest.fixture(scope="module")
def report() -> Report:
    module = torch.nn.Sequential(Block(), torch.nn.Flatten(), torch.nn.Linear(64, 5))
    return converter.convert(module.eval(), example_inputs=torch.zeros(2, 3, 8, 8), layers=True).report


def test_every_layer_is_compared_in_the_order_of_the_graph(report: Report) -> None:
    found = [(told["module"], told["kind"]) for told in report.layers]
    assert found[0] == ("0.conv", "ZeroPadding2D")
    assert found[-1] == ("2", "Dense")
    assert [kind for module, kind in found if module == "0.act"] == ["ReLU", "ReLU"]
    assert sum(told["parameters"] for told in report.layers) == report.parameters
    for told in report.layers:
        assert 0 <= told["error"] < 1e-5
        assert 0 <= told["noise"] < 1e-5
    assert report.modules["0"] == "Block"


def test_the_numbers_of_a_layer_that_is_called_twice_are_counted_once() -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(torch.tanh(self.fc(x)))

    found = converter.convert(Twice().eval(), example_inputs=torch.zeros(2, 4), layers=True).report.layers
    assert [told["parameters"] for told in found if told["module"] == "fc"] == [20, 0]


def test_the_page_has_both_sides_of_each_module(report: Report) -> None:
    page = report.to_html()
    assert re.search(r"<code>0</code> Block</span>", page)
    assert re.search(r"<code>2</code> Linear</span>", page) and "<b>Dense</b>" in page
    assert page.count("<svg") == 1
    assert "<script" not in page
    assert "Memory by its end" in page


def test_without_being_asked_no_layer_is_compared() -> None:
    found = converter.convert(graph("g (float[batch,4] x) => (float[batch,4] y) { y = Relu(x) }")).report
    assert found.layers == []
    assert "Error by depth" not in found.to_html()


def test_a_wrong_layer_stands_out_of_the_noise() -> None:
    picture = plot([1e-7, 1e-7, 1e-2], [1e-7, 1e-7, 1e-7])
    assert "1e-2" in picture and "1e-7" in picture
    noise, error = re.findall(r'class="(?:noise|error)" d="([^"]+)"', picture)
    assert noise.split("L")[:2] == error.split("L")[:2]
    height = [float(path.rsplit(" ", 1)[1]) for path in (noise, error)]
    assert height[1] < height[0]  # y grows downwards


def test_gaps_and_zeros_have_a_place_in_the_picture() -> None:
    picture = plot([0.0, None, 1e-6], [None, None, None])
    assert len(re.findall(r"M", picture)) == 2
    assert f"1e{(-9)}" in picture and LEAST == 1e-9
    assert plot([], []) == ""
    assert plot([None], [None]) == ""


def test_the_tree_sums_what_is_inside() -> None:
    layers = [
        layer("a.b", "a-b", parameters=10, error=1e-6),
        layer("a.c", "a-c-pad"),
        layer("a.c", "a-c", parameters=5, error=3e-6),
        layer("", "add", error=None),
    ]
    tree = module_tree(layers, {"a": "Block"})
    (a,) = tree.modules
    assert (a.kind, a.parameters, a.error, [child.name for child in a.modules]) == ("Block", 15, 3e-6, ["b", "c"])
    assert a.modules[0].only == layers[0]
    assert a.modules[1].only is None
    assert tree.children[-1] == layers[3]


def test_a_thousand_layers_fit_into_a_page() -> None:
    found = Report(source="long")
    found.layers = [layer(f"blocks.{i // 8}.part.{i % 8}", f"blocks-{i // 8}-part-{i % 8}") for i in range(1000)]
    assert len(found.to_html().encode()) < 1 << 20


def test_layers_of_our_own_are_listed_with_the_reason() -> None:
    found = Report(source="m")
    told = {"layer": "AddN", "name": "a", "node": "Foo 'f'", "module": "x.y", "reason": "it has <none>"}
    found.custom_layers = [told]
    page = found.to_html()
    assert "it has &lt;none&gt;" in page and "Foo &#39;f&#39;" in page and "x.y" in page


def test_other_files_have_their_size_error_and_latency() -> None:
    found = Report(source="m")
    proof = {"passed": True, "max_abs": 1.5e-6, "latency_ms": 12.34, "onnxruntime_ms": 20.0}
    lite = {
        "format": "tflite",
        "quantised": "int8",
        "output": "m.tflite",
        "output_bytes": 3 << 20,
        "verification": proof,
        "error": None,
    }
    code = {**lite, "format": "code", "quantised": None, "output": "m.py", "output_bytes": 1, "verification": None}
    found.destinations = [{**lite, "verification": proof}, code]
    page = found.to_html()
    assert "tflite, int8" in page and "3 MiB" in page and "1.50e-06" in page and "12.3 ms" in page and "20.0 ms" in page
    assert written(found) == [
        ("Written", "m.tflite, 12.3 ms a call (onnxruntime 20.0)"),
        ("Written", "m.py"),
    ]


def destination(kind: str, **told: object) -> dict[str, object]:
    values = {"format": kind, "quantised": None, "output": f"m.{kind}", "output_bytes": 1 << 20, "error": None}
    return {**values, "verification": {"passed": True, "max_abs": 1e-6}, **told}


def test_a_file_that_was_not_written_is_told_beside_the_others(report: Report) -> None:
    """The page failed where there was no size, and called the `.keras` file not converted."""
    error = {"kind": "unsupported", "message": "LiteRT has no such thing.", "node": None, "hint": None}
    lost = destination("tflite", output_bytes=None, verification=None, error=error)
    outputs = [{"name": "a", "snr_db": 71.25}, {"name": "b", "snr_db": None}]
    small = destination("small", quantised="float16", verification={"passed": True, "outputs": outputs})
    found = replace(report, output="m.keras", destinations=[destination("onnx"), lost, small], error=error)
    page = found.to_html()
    assert "Converted and verified, but for tflite" in page
    assert "not written: LiteRT has no such thing." in page
    assert "71.2 dB of signal" in page
    assert "Not converted" in replace(found, output=None).to_html()


def test_what_is_right_by_its_layers_is_no_greatest_error(report: Report) -> None:
    told = {"max_abs": 2e-8, "by": "inner values", "tolerance": {"allowed": 1e-38}}
    usual = {"max_abs": 1e-6, "by": "tolerance", "tolerance": {"allowed": 1e-4}}
    assert worst({"cases": [{"outputs": [told, usual]}]}) == "1.00e-06 of 1.00e-04"
    assert worst({"cases": [{"outputs": [told]}]}) == "2.00e-08 of 1.00e-38"
