"""Random operators as arithmetic on noise: distributed as what onnxruntime draws by itself."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converter.proof.inputs.cases import Case
from converter.proof.oracle import Oracle
from converter.proof.random_numbers.given import feeds_of
from converter.sources import Source, load
from tests.harness import graph

HEADER = '<ir_version: 10, opset_import: ["" : {opset}]>\n'
N = 20_000
X = np.array([[0.1, 0.5, 0.9, 0.25]], "float32")


def loaded(body: str, inputs: str = "float[batch,4] x", output: str = "float[batch,4] y", opset: int = 15) -> Source:
    return load(graph(HEADER.format(opset=opset) + f"g ({inputs}) => ({output}) {{ {body} }}"))


def moments(source: Source, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean of each column and of the products of neighbours, drawn with given noise; the first row of numbers."""
    given = feeds_of(source, Case(3, {"batch": len(rows)}), {})
    (y,) = Oracle(source.model).run(given | {"x": rows})[:1]
    y = y.astype("float64")
    return y.mean(0), (y * np.roll(y, 1, -1)).mean(0), y


DRAWN = {
    "normal": "z = RandomNormalLike<mean=2.0, scale=0.5>(x) y = Add(x, z)",
    "uniform": "u = RandomUniformLike<low=-3.0, high=1.0>(x) y = Mul(x, u)",
    "plain": "z = RandomNormalLike(x) y = Identity(z)",
    "dropout": """r = Constant<value = float {0.3}>() t = Constant<value = bool {1}>() y = Dropout(x, r, t)""",
    "usual dropout": "t = Constant<value = bool {1}>() y = Dropout(x, , t)",
    "multinomial": """l = Log(x) i = Multinomial<sample_size=4>(l) y = Cast<to=1>(i)""",
}


@pytest.mark.parametrize("body", DRAWN.values(), ids=DRAWN)
def test_distributed_as_what_onnxruntime_draws(body: str) -> None:
    text = HEADER.format(opset=15) + f"g (float[batch,4] x) => (float[batch,4] y) {{ {body} }}"
    rows = np.repeat(X, N, 0)
    (theirs,) = Oracle(graph(text)).run({"x": rows})
    source = loaded(body)
    assert list(source.noise.values())
    mean, products, y = moments(source, rows)
    allowed = 5 * theirs.std(0) / np.sqrt(N) * np.sqrt(2) + 1e-6
    assert (np.abs(mean - theirs.mean(0)) < allowed).all()
    there = theirs.astype("float64") * np.roll(theirs, 1, -1)
    assert (np.abs(products - there.mean(0)) < 5 * there.std(0) / np.sqrt(N) * np.sqrt(2) + 1e-6).all()
    assert np.allclose(y.std(0), theirs.std(0), rtol=0.05, atol=1e-6)


@pytest.mark.parametrize("dtype", [1, 10, 11])
def test_bernoulli_is_one_as_often_as_it_is_told(dtype: int) -> None:
    """onnxruntime (1.31) has it the other way round."""
    source = loaded(f"c = Cast<to={dtype}>(x) b = Bernoulli<dtype=1>(c) y = Identity(b)")
    mean, _, y = moments(source, np.repeat(X, N, 0))
    assert np.abs(mean - X[0]).max() < 0.02 and set(np.unique(y)) == {0.0, 1.0}
    _, _, sure = moments(source, np.repeat(np.array([[0, 1, 0, 1]], "float32"), 50, 0))
    assert (sure == [0, 1, 0, 1]).all()


def test_what_is_left_out_is_what_the_mask_says() -> None:
    body = "t = Constant<value = bool {1}>() r = Constant<value = float {0.25}>() y, m = Dropout(x, r, t)"
    source = loaded(body, output="float[batch,4] y, bool[batch,4] m")
    given = feeds_of(source, Case(0, {"batch": 50}), {})
    y, mask = Oracle(source.model).run(given)
    assert np.allclose(y, np.where(mask, given["x"] / 0.75, 0)) and 0.6 < mask.mean() < 0.9


def test_the_source_is_left_as_it_was() -> None:
    model = graph(HEADER.format(opset=15) + f"g (float[batch,4] x) => (float[batch,4] y) {{ {DRAWN['normal']} }}")
    before = ir.to_proto(model).SerializeToString()
    source = load(model)
    assert ir.to_proto(model).SerializeToString() == before
    assert [value.name for value in source.asked] == ["x"] and "random numbers in 1 place:" in source.notes[-1]


def test_sizes_seeds_and_types() -> None:
    body = """s = RandomNormal<shape=[3,1], seed=7.0>() u = RandomUniformLike<dtype=11>(x) v = Cast<to=1>(u)
        w = Add(x, s) y = Add(w, v)"""
    source = loaded(body, "float[3,h] x", "float[3,h] y")
    kinds = {name: (noise.distribution, noise.seed) for name, noise in source.noise.items()}
    assert kinds == {"s_noise": ("normal", 7), "u_noise": ("uniform", None)}
    shapes = {value.name: (str(value.shape), value.dtype) for value in source.model.graph.inputs}
    assert shapes["s_noise"] == ("[3,1]", ir.DataType.FLOAT) and shapes["u_noise"] == ("[3,h]", ir.DataType.DOUBLE)


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        ("y = Dropout(x)", "float[batch,4] x"),
        ("f = Constant<value = bool {0}>() y = Dropout(x, , f)", "float[batch,4] x"),
        ("y = Dropout(x, , t)", "float[batch,4] x, bool t"),
        ("i = NonZero(x) f = Cast<to=1>(i) y = RandomNormalLike(f)", "float[batch,4] x"),
    ],
)
def test_what_draws_nothing_or_nobody_knows_how_much_stays(body: str, inputs: str) -> None:
    assert not loaded(body, inputs, "float[two,some] y").noise
