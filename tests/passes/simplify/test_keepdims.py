"""Pooling and flattening in one, and where not."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from passes.shapes.infer import InferShapes
from passes.simplify.keepdims import DropKeepdims
from tests.harness import check_pass, graph, operators

POOL = "<int64[2] axes = {1, 2}, int64[2] flat = {0, 4}, int64[2] other = {0, 2}>"


def test_match() -> None:
    text = f"g (float[batch,5,6,4] x) => (float[batch,4] y) {POOL} {{ p = ReduceMean(x, axes)  y = Reshape(p, flat) }}"
    assert operators(check_pass(DropKeepdims(), _shaped(text), modified=True)) == ["ReduceMean"]


@pytest.mark.parametrize(("pool", "reduction"), [("Average", "ReduceMean"), ("Max", "ReduceMax")])
@pytest.mark.parametrize("drop", ["Flatten(p)", "Squeeze(p, axes)", "Reshape(p, flat)"])
def test_a_global_pool_and_what_drops_its_axes(pool: str, reduction: str, drop: str) -> None:
    text = f"""g (float[batch,4,5,6] x) => (float[batch,4] y) <int64[2] axes = {{2, 3}}, int64[2] flat = {{0, 4}}>
    {{ p = Global{pool}Pool(x)  y = {drop} }}"""
    model = check_pass(DropKeepdims(), _shaped(text), modified=True)
    assert operators(model) == [reduction] and model.graph.outputs[0].name == "y"


@pytest.mark.parametrize("pool", ["GlobalAveragePool(x)", "ReduceMean(x, axes)"])
def test_a_dropout_between_them_stays(pool: str) -> None:
    text = f"""g (float[batch,4,5,6] x) => (float[batch,4] y) <int64[2] axes = {{2, 3}}, float rate = {{0.5}}>
    {{ p = {pool}  d = Dropout(p, rate)  y = Flatten(d) }}"""
    model = check_pass(DropKeepdims(), _shaped(text), modified=True)
    assert operators(model) == ["ReduceMean", "Dropout"] and model.graph.outputs[0].name == "y"


def test_not_when_the_mask_of_a_dropout_is_read() -> None:
    text = """g (float[batch,4,5,6] x) => (float[batch,4] y, bool[batch,4,1,1] mask) <float rate = {0.5}>
    { p = GlobalAveragePool(x)  d, mask = Dropout(p, rate)  y = Flatten(d) }"""
    assert len(operators(check_pass(DropKeepdims(), _shaped(text), modified=False))) == 3


def test_not_when_the_shape_is_another() -> None:
    text = f"""g (float[batch,5,6,4] x) => (float[batch2,2] y) {POOL.replace("0, 2", "-1, 2")}
    {{ p = ReduceMean(x, axes)  y = Reshape(p, other) }}"""
    assert len(operators(check_pass(DropKeepdims(), _shaped(text), modified=False))) == 2


def test_not_when_the_pooled_value_is_an_output() -> None:
    text = f"""g (float[batch,5,6,4] x) => (float[batch,4] y, float[batch,1,1,4] p) {POOL}
    {{ p = ReduceMean(x, axes)  y = Reshape(p, flat) }}"""
    assert len(operators(check_pass(DropKeepdims(), _shaped(text), modified=False))) == 2


def test_not_when_the_pooled_value_is_read_elsewhere() -> None:
    text = f"""g (float[batch,5,6,4] x) => (float[batch,4] y, float[batch,5,6,4] z) {POOL}
    {{ p = ReduceMean(x, axes)  y = Reshape(p, flat)  z = Sub(x, p) }}"""
    assert len(operators(check_pass(DropKeepdims(), _shaped(text), modified=False))) == 3


def _shaped(text: str) -> ir.Model:
    return InferShapes()(graph(text)).model
