"""Fifty faults in ten models of torchvision: the verification lets none pass, and none of the models is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import converter
from converter import conversion
from converter.sources import load
from passes.errors import NotEquivalent
from passes.errors import operator as operator_of
from tests.converter.proof.guilt.planted_faults import Change, operator, swap, weight

pytestmark = pytest.mark.slow

MODELS = (
    "resnet18",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "efficientnet_b0",
    "regnet_y_400mf",
    "densenet121",
    "swin_t",
)
FAULTS: dict[str, tuple[set[str], Change]] = {
    "a kernel read with its channels moved": ({"nhwc::Conv", "keraport::Dense"}, weight(1, lambda k: np.roll(k, 1, 0))),
    "scale and offset swapped": ({"nhwc::BatchNormalization", "LayerNormalization"}, swap(1, 2)),
    "another activation": ({"Relu", "HardSwish", "Swish", "Gelu", "Clip"}, operator("Softplus")),
    "another sum": ({"Add"}, operator("Sub")),
    "a kernel that is a hundredth too large": ({"nhwc::Conv", "keraport::Dense"}, weight(1, lambda k: k * 1.01)),
    "the second half of a kernel turned over": (
        {"nhwc::Conv", "keraport::Dense"},
        weight(1, lambda k: np.concatenate([k[: len(k) // 2], k[len(k) // 2 :][::-1]])),
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("misses") / f"{request.param}.onnx"
    ir.save(load(f"torchvision:{request.param}", random_weights=0).model, path)
    return path


def test_five_faults_are_caught(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert converter.convert(exported).verified
    draw = random.Random(exported.name)
    missed: list[str] = []
    for name in draw.sample(sorted(FAULTS), len(FAULTS)):
        planted: list[str] = []
        with monkeypatch.context() as patched:
            patched.setattr(conversion, "emit_model", _planting(name, draw, planted, conversion.emit_model))
            try:
                converter.convert(exported)
            except NotEquivalent:
                continue
        missed += planted
    assert missed == []


def _planting(name: str, draw: random.Random, planted: list[str], emit: Callable[..., Any]) -> Callable[..., Any]:
    operators, change = FAULTS[name]

    def emit_wrong(final: ir.Model, *rest: Any) -> Any:
        broken = final.clone()
        nodes = [node for node in broken.graph if operator_of(node) in operators]
        if nodes:
            node = draw.choice(nodes)
            planted.append(f"{name}: {node.name}")
            if name == "another activation":
                node.resize_inputs(1)
                node.attributes.clear()
            change(node)
        return emit(broken, *rest)

    return emit_wrong
