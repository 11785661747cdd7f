"""A fault in an operator function, in a pass or in the export does not get past the verification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx_ir as ir
import pytest

import converter
from converter.backends.keras.ops import padding
from passes.padding.split_pads import SplitPads
from tests.conftest import Keraport, Ran


def convert(keraport: Keraport, source: Path, folder: Path) -> tuple[Ran, dict[str, Any]]:
    """Convert over an older output, and return the report as well."""
    out, report = folder / "out.keras", folder / "report.json"
    out.write_bytes(b"older")
    ran = keraport("convert", source, "-o", out, "--report", report, "--html", folder / "report.html")
    assert out.read_bytes() == b"older"
    return ran, json.loads(report.read_text())


def test_swapped_pads_are_caught_and_the_layer_is_named(
    keraport: Keraport, small_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = padding._constant_pad

    def wrong(x: Any, amounts: Any, fill: Any, name: str) -> Any:
        return right(x, [(after, before) for before, after in amounts], fill, name)

    monkeypatch.setattr(padding, "_constant_pad", wrong)
    ran, report = convert(keraport, small_onnx, tmp_path)
    assert ran.code == 3
    assert (tmp_path / "out.unverified.keras").is_file()
    assert report["output"] == str(tmp_path / "out.unverified.keras")
    assert report["verification"]["passed"] is False
    assert report["error"]["kind"] == "not-equivalent"
    first = report["verification"]["first_difference"]
    assert (first["stage"], first["module"]) == ("layer", "stem.conv")
    assert first["node"].startswith("Pad node")
    assert first["max_abs"] > 0.1
    assert first["layer"] in ran.err
    assert first["layer"] in (tmp_path / "report.html").read_text()


def test_a_broken_pass_is_named(
    keraport: Keraport, small_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = SplitPads.call

    def wrong(self: SplitPads, model: ir.Model) -> ir.passes.PassResult:
        result = right(self, model)
        for node in result.model.graph:
            if node.op_type == "Relu":
                node.op_type = "Softplus"
        return result

    monkeypatch.setattr(SplitPads, "call", wrong)
    ran, report = convert(keraport, small_onnx, tmp_path)
    assert ran.code == 3
    first = report["verification"]["first_difference"]
    assert (first["stage"], first["pass"]) == ("pass", "SplitPads")


def test_a_model_that_takes_one_image_size_only_is_not_equivalent(
    keraport: Keraport, small_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from converter.backends.keras import emit as emitter

    monkeypatch.setattr(emitter, "_input", _with_a_fixed_size(emitter._input))
    ran, report = convert(keraport, small_onnx, tmp_path)
    assert ran.code == 3
    assert "Keras stops at inputs image (1, 3, 96, 128)" in report["verification"]["reason"]


def _with_a_fixed_size(make: Any) -> Any:
    import keras

    def fixed(*arguments: Any, **options: Any) -> Any:
        tensor = make(*arguments, **options)
        return keras.Input(batch_shape=(None, 64, 64, 3), dtype=tensor.dtype, name=tensor.name)

    return fixed


def test_a_module_that_its_export_does_not_match_is_caught() -> None:
    import torch

    class Odd(torch.nn.Module):
        """Adds another number after it was exported."""

        offset = 0.0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x) + self.offset

    module = Odd()

    def change(_: Any, stage: Any) -> None:
        if (stage.name, stage.ok) == ("load", True):
            Odd.offset = 1.0

    with pytest.raises(converter.NotEquivalent, match="PyTorch's export differs from the module itself") as caught:
        converter.convert(module, example_inputs=torch.ones(2, 3), on_stage=change)
    assert caught.value.exit_code == 3
