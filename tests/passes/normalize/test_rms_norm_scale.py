"""RMSNorm without a weight."""

from __future__ import annotations

import pytest
import torch

from passes.normalize.operators.rms_norm_scale import NormalizeNormScales
from passes.shapes.infer import InferShapes
from tests.harness import check_onnx, check_pass, graph, operators

NORM = """g (float[b, t, 6] x) => (float[b, t, 6] y) {{
    s = Shape(x)  ones = ConstantOfShape<value = float[1] {{{number}}}>(s)
    y = RMSNormalization<axis={axis}, epsilon=0.001>(x, ones) }}"""


@pytest.mark.parametrize("number", [1, 2.5])
def test_the_scale_becomes_a_constant(number: float) -> None:
    model = graph(NORM.format(axis=-1, number=number))
    InferShapes()(model)
    # onnxruntime takes a scale of the axes that are normalised; ONNX says that it may broadcast
    reference = graph(NORM.format(axis=-1, number=number).replace("Shape(x)", "Shape<start=2>(x)"))
    settled = check_pass(NormalizeNormScales(), model, reference=reference, modified=True)
    assert settled.graph[-1].inputs[1].const_value.numpy().tolist() == [number] * 6
    assert operators(settled)[-1] == "RMSNormalization"


def test_an_open_axis_is_left() -> None:
    model = graph(NORM.format(axis=1, number=1))
    InferShapes()(model)
    assert not NormalizeNormScales()(model).modified


def test_the_whole_way_from_torch() -> None:
    class Norm(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.rms_norm(x, (6,), eps=1e-3)

    import converter

    assert converter.convert(Norm(), inputs=["x=float32[batch,t,6]"]).verified


def test_the_whole_way_from_onnx() -> None:
    reference = NORM.format(axis=-1, number=2).replace("Shape(x)", "Shape<start=2>(x)")
    check_onnx(NORM.format(axis=-1, number=2), reference=reference, sizes={"b": (1, 2), "t": (1, 5)})
