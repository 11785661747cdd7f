"""Trained checkpoints, the whole way: source, passes, Keras, reload, onnxruntime."""

from __future__ import annotations

from pathlib import Path

import pytest

import converter
from tests.zoo import zoo_file

CHECKPOINTS = {
    "models.cifar_resnet:resnet20": ("resnet20-12fca82f.th", "x=float32[batch,3,32,32]"),
    "models.cifar_resnet:resnet56": ("resnet56-4bfd9763.th", "x=float32[batch,3,32,32]"),
    "models.mtcnn:pnet": ("pnet.pt", "x=float32[batch,3,height,width]"),
    "models.mtcnn:rnet": ("rnet.pt", "x=float32[batch,3,24,24]"),
}


DEEP = "models.cifar_resnet:resnet56"


@pytest.mark.parametrize("source", [*(s for s in CHECKPOINTS if s != DEEP), pytest.param(DEEP, marks=pytest.mark.slow)])
def test_checkpoint(source: str, tmp_path: Path) -> None:
    file, spec = CHECKPOINTS[source]
    output = tmp_path / "model.keras"
    conversion = converter.convert(source, output, checkpoint=zoo_file(file), inputs=[spec])
    assert conversion.verified
    assert output.is_file()
    assert conversion.report.transposes == 0
    cases = conversion.report.to_dict()["verification"]["cases"]
    assert len({tuple(case["shape"]["x"][2:]) for case in cases}) == (3 if "height" in spec else 1)
    assert {case["shape"]["x"][0] for case in cases} == {1, 2, 3}


@pytest.mark.parametrize("file", ["version-RFB-320.onnx", "yunet_n_320_320.onnx"])
def test_onnx_file(file: str, tmp_path: Path) -> None:
    conversion = converter.convert(zoo_file(file), tmp_path / "model.keras")
    assert conversion.verified
    assert conversion.report.transposes == 0


def test_digits_ship_with_the_project(tmp_path: Path) -> None:
    checkpoint = Path(__file__).resolve().parents[4] / "models" / "digits.safetensors"
    assert checkpoint.stat().st_size < 300_000
    conversion = converter.convert(
        "models.digits:build", tmp_path / "digits.keras", checkpoint=checkpoint, inputs=["x=float32[batch,1,8,8]"]
    )
    assert conversion.verified
    assert conversion.report.transposes == 0
