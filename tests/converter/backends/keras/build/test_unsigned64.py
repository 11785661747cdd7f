"""Whole numbers of 64 bits without a sign, up to their last bit, and shifts: against numpy, which has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx_ir as ir
import pytest

import converter
from tests.harness import run_keras

Array = np.ndarray[Any, np.dtype[Any]]

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="has whole numbers of 32 bits only")

MOST = np.iinfo(np.uint64).max
EDGES = np.array([0, 1, 2, 2**63 - 1, 2**63, 2**63 + 1, MOST - 1, MOST], np.uint64)


def drawn(seed: int, count: int) -> Array:
    """Of every length in bits."""
    random = np.random.default_rng(seed)
    return random.integers(0, MOST, count, np.uint64) >> random.integers(0, 64, count, np.uint64)


def pairs(seed: int, count: int) -> tuple[Array, Array]:
    a, b = np.meshgrid(EDGES, EDGES)
    return np.concatenate([a.ravel(), drawn(seed, count)]), np.concatenate([b.ravel(), drawn(seed + 1, count)])


def computed(operator: str, a: Array, b: Array, attributes: str = "", result: str = "") -> Array:
    kind = a.dtype.name
    text = f"""<ir_version: 10, opset_import: ["" : 23]>
        g ({kind}[n] a, {kind}[n] b) => ({result or kind}[n] y) {{ y = {operator}{attributes}(a, b) }}"""
    conversion = converter.convert(ir.from_onnx_text(text), verify=False)
    return np.asarray(run_keras(conversion, {"a": a, "b": b})[0])


NUMPY: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum, "Min": np.minimum,
    "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("operator", NUMPY)
def test_arithmetic(operator: str, seed: int) -> None:
    a, b = pairs(seed, 300)
    found = computed(operator, a, b)
    assert found.dtype == np.uint64
    assert (found == NUMPY[operator](a, b)).all()


@pytest.mark.parametrize("seed", [0, 7])
def test_quotients_and_rests(seed: int) -> None:
    a, b = pairs(seed, 1000)
    b = np.maximum(b, 1)
    assert (computed("Div", a, b) == a // b).all()
    assert (computed("Mod", a, b) == a % b).all()
    assert (computed("Mod", a, b, "<fmod=1>") == a % b).all()


@pytest.mark.parametrize(
    ("operator", "function"),
    [("Less", np.less), ("LessOrEqual", np.less_equal), ("Greater", np.greater), ("GreaterOrEqual", np.greater_equal),
     ("Equal", np.equal)],
)  # fmt: skip
def test_comparisons(operator: str, function: Callable[[Array, Array], Array]) -> None:
    a, b = pairs(3, 200)
    assert (computed(operator, a, b, result="bool") == function(a, b)).all()


def test_a_choice_keeps_all_bits() -> None:
    text = """<ir_version: 10, opset_import: ["" : 23]>
        g (bool[n] c, uint64[n] a, uint64[n] b) => (uint64[n] y) { y = Where(c, a, b) }"""
    a, b = pairs(5, 50)
    c = np.arange(len(a)) % 3 == 0
    found = run_keras(converter.convert(ir.from_onnx_text(text), verify=False), {"c": c, "a": a, "b": b})[0]
    assert (found == np.where(c, a, b)).all()


def test_a_constant_of_all_bits() -> None:
    text = f"""<ir_version: 10, opset_import: ["" : 23]>
        g (uint64[n] a) => (uint64[n] y) <uint64[1] b = {{{2**63 + 5}}}> {{ y = Div(a, b) }}"""
    a = np.concatenate([EDGES, drawn(1, 50)])
    found = run_keras(converter.convert(ir.from_onnx_text(text), verify=False), {"a": a})[0]
    assert (found == a // np.uint64(2**63 + 5)).all()


def shifted(a: Array, b: Array, direction: str) -> Array:
    """As the standard has it from opset 28 on, in whole numbers of any length."""
    bits, lowest = a.dtype.itemsize * 8, 0 if a.dtype.kind == "u" else -(1 << (a.dtype.itemsize * 8 - 1))
    found = []
    for number, steps in zip(a.tolist(), b.tolist(), strict=True):
        out = not 0 <= steps < bits
        if direction == "RIGHT":
            found.append((-1 if number < 0 else 0) if out else number >> steps)
        else:
            moved = 0 if out else number << steps
            found.append((moved - lowest) % (1 << bits) + lowest)
    return np.array(found, a.dtype)


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("kind", ["int8", "int32", "uint64"])
def test_shifts_by_any_number(kind: str, direction: str) -> None:
    random, info = np.random.default_rng(2), np.iinfo(kind)
    a = random.integers(info.min, info.max, 400, kind, endpoint=True)
    b = random.integers(0 if kind == "uint64" else -9, info.bits + 9, 400).astype(kind)
    found = computed("BitShift", a, b, f'<direction="{direction}">')
    assert found.dtype == a.dtype
    assert (found == shifted(a, b, direction)).all()
