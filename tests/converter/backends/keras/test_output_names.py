"""Inputs and outputs are called as in the source: by ONNX, by the keys of a dict, by the fields of a named tuple."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import torch
from torch import nn

import converter
from tests.harness import graph

WEIGHT = ", ".join(str(i / 8) for i in range(12))


class Found(NamedTuple):
    boxes: torch.Tensor
    scores: list[torch.Tensor]


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, image: torch.Tensor) -> dict[str, Any]:
        y = self.stem(image)
        z = self.out(y)
        return {"out": z, "found": Found(y.mean((2, 3)), [z.sigmoid(), (z > 0).any(3)]), "again": z}


NAMES = ["out", "found.boxes", "found.scores.0", "found.scores.1", "again"]


def names(conversion: converter.Conversion) -> tuple[list[str], list[str]]:
    assert [port.keras_name for port in conversion.outputs] == conversion.model.output_names
    assert [port.keras_name for port in conversion.inputs] == [tensor.name for tensor in conversion.model.inputs]
    return [tensor.name for tensor in conversion.model.inputs], conversion.model.output_names


def test_keys_and_fields_of_a_module() -> None:
    conversion = converter.convert(Detector(), inputs=["image=float32[batch,3,8,8]"])
    assert conversion.verified and names(conversion) == (["image"], NAMES)
    assert [port.name for port in conversion.outputs] == NAMES
    assert isinstance(conversion.model.get_layer("out"), keras.layers.Conv2D)


def test_a_program_that_was_saved(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, Any]:
            return {"low": x.amin(1), "rest": [x.relu(), x.amin(1)]}

    torch.export.save(torch.export.export(Pair(), (torch.rand(2, 3),)), tmp_path / "pair.pt2")
    conversion = converter.convert(tmp_path / "pair.pt2")
    assert conversion.verified and names(conversion)[1] == ["low", "rest.0", "rest.1"]


@pytest.mark.parametrize("structure", ["modules", "flat"])
def test_a_dictionary(structure: str, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    spec = ["image=float32[batch,3,8,8]"]
    conversion = converter.convert(Detector(), path, inputs=spec, outputs="dict", structure=structure)
    assert conversion.verified
    result = keras.models.load_model(path)(np.zeros((2, 8, 8, 3), "float32"))
    assert sorted(result) == sorted(NAMES) and result["found.boxes"].shape == (2, 4)


def test_what_a_module_returns_without_a_name_is_called_after_its_layer() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    conversion = converter.convert(module, inputs=["x=float32[batch,4]"])
    assert names(conversion)[1] == ["2"] and [port.name for port in conversion.outputs] == ["2"]


def test_names_of_a_file_in_characters_that_keras_takes() -> None:
    text = f"""g (float[batch, 4] a) => (float[batch, 3] scores, float[batch, 3] b, float[batch, 3] c)
        <float[4, 3] w = {{{WEIGHT}}}> {{ scores = MatMul(a, w) b = Relu(scores) c = Tanh(scores) }}"""
    model = graph(text)
    for value, name in zip((*model.graph.inputs, *model.graph.outputs), ("x:0", "y:0", "y/0", "c"), strict=True):
        value.name = name
    conversion = converter.convert(model)
    assert conversion.verified and names(conversion) == (["x_0"], ["y_0", "y_0_1", "c"])
    assert [port.name for port in conversion.outputs] == ["y:0", "y/0", "c"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("float16", "y = Add(x, x)"),
        ("float", "y = MatMul(x, w)"),
        ("double", "y = MatMul(x, w)"),
        ("float", "y = Relu(x)  z = Relu(x)"),
        ("int64", "y = Identity(x)"),
        ("bool", "y = Not(x)"),
        ("float", "y = Softmax(x)"),
        ("float", "y, z = Split<axis=1, num_outputs=2>(x)"),
    ],
)
def test_every_kind_of_output(kind: str, body: str) -> None:
    weights = f"<{kind}[4, 3] w = {{{WEIGHT}}}>" if "w)" in body else ""
    more = f", {kind}[batch, n] z" if "z" in body else ""
    conversion = converter.convert(
        graph(f"g ({kind}[batch, 4] x) => ({kind}[batch, m] y{more}) {weights} {{ {body} }}")
    )
    assert conversion.verified and names(conversion) == (["x"], ["y", "z"] if more else ["y"])
