"""What is taken from a parameter is a look at it, with the take next to what the model shows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from passes.fold.constants import FoldConstants
from passes.graph.view_steps import WeightView, apply_view, simplest
from passes.graph.weight_takes import MOST_TAKEN, taken
from passes.graph.weight_views import TORCH_KIND, WEIGHT_KEY, Look, MarkWeights, look_at
from tests.harness import graph

RNG = np.random.default_rng(0)


def folded(body: str, *, kind: str = "PARAMETER") -> ir.Value:
    """The value u of a graph whose w of shape [4, 6] is a parameter of torch."""
    model = graph(f"""g (float[N] x, float[4, 6] w) => (float[a, b, c, d] y)
        <int64[3] i = {{0, 3, -1}}, int64[2, 1] nd = {{2, 0}}, int64[1] one = {{1}}, int64[1] three = {{3}},
         int64[1] far = {{9}}, int64[1] none = {{0}}, int64[1] back = {{-1}}, int64[1] out = {{-9}},
         int64[2] zeros = {{0, 0}}, int64[2] twos = {{2, 2}}> {{ {body}  y = Mystery(x, u) }}""")
    w = model.graph.inputs.pop()
    w.const_value = ir.tensor(RNG.standard_normal((4, 6)).astype(np.float32))
    w.metadata_props[TORCH_KIND] = kind
    model.graph.register_initializer(w)
    MarkWeights()(model)
    FoldConstants()(model)
    result = model.graph[-1].inputs[1]
    assert result is not None
    return result


def view_of(value: ir.Value) -> Any:
    return json.loads(value.metadata_props[WEIGHT_KEY])["view"]


@pytest.mark.parametrize(
    ("body", "view"),
    [
        ("u = Gather(w, i)", [["take", [0, 0, 3, 3]]]),
        ("u = Gather<axis=-1>(w, i)", [["take", [1, 0, 3, 5]]]),
        ("u = GatherND(w, nd)", [["take", [0, 2, 0]]]),
        ("u = Gather<axis=1>(w, nd)", [["take", [1, 2, 0]], ["reshape", [4, 2, 1]]]),
        ("u = Slice(w, one, far)", [["take", [0, 1, 2, 3]]]),
        ("u = Slice(w, none, far)", []),
        ("u = Slice(w, one, far, one, three)", [["take", [1, 1, 4]]]),
        ("t = Transpose(w)  u = Slice(t, one, three)", [["transpose", [1, 0]], ["take", [0, 1, 2]]]),
    ],
)
def test_a_part_of_a_parameter_is_a_look(body: str, view: list[Any]) -> None:
    value = folded(body)
    assert view_of(value) == view
    assert isinstance(value.const_value, Look) == bool(view) and value.const_value is not None
    assert value.shape is not None and value.const_value.numpy().shape == value.shape.numpy()
    assert not isinstance(value.const_value, Look) or value.const_value.base.shape.numpy() == (4, 6)


@pytest.mark.parametrize(
    "body",
    [
        "u = Slice(w, back, out, one, back)",
        "u = Slice(w, zeros, twos)",
        "t = Gather(w, i)  u = Gather(t, zeros)",
        "t = Neg(w)  u = Gather(t, i)",
        "t = Add(w, w)  u = Gather(t, i)",
    ],
)
def test_near_misses_are_computed(body: str) -> None:
    """When the model runs, for training changes the parameter; now where nothing does."""
    value = folded(body)
    assert value.const_value is None and value.producer() is not None
    assert view_of(folded(body, kind="BUFFER")) == "derived"


def test_of_buffers_the_part_is_all() -> None:
    assert view_of(folded("u = Gather(w, i)", kind="BUFFER")) == "derived"


SHAPE = (15, 6)
VIEWS: dict[str, WeightView] = {
    "rows": (("take", (0, 3, 3, 14)),),
    "columns": (("take", (1, 5, 0)),),
    "a table of pairs": (
        ("take", (0, *range(4, 10))),
        ("reshape", (2, 3, 6)),
        ("transpose", (2, 0, 1)),
        ("reshape", (1, 6, 2, 3)),
    ),
    "behind a transpose": (("transpose", (1, 0)), ("take", (1, 2, 1, 0, 7)), ("reshape", (6, 2, 2))),
    "moved twice": (("reshape", (5, 3, 6)), ("take", (1, 2, 0)), ("transpose", (2, 1, 0)), ("transpose", (1, 0, 2))),
    "one of it": (("take", (0, 7)), ("reshape", (6,))),
    "flat": (("take", (0, 7, 8)), ("reshape", (12,))),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_take_comes_last_and_shows_the_same(name: str) -> None:
    array = RNG.standard_normal(SHAPE).astype(np.float32)
    take = taken(VIEWS[name], SHAPE)
    assert take is not None and not any(kind == "take" for kind, _ in take.before)
    shown = np.take(apply_view(array, take.before), take.indices, axis=take.axis).reshape(take.shape)
    expected = apply_view(array, VIEWS[name])
    assert take.shape == expected.shape
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize(
    "view",
    [
        (("transpose", (1, 0)),),
        (("take", (0, 1)), ("take", (1, 1))),
        (("take", (0, *range(6))), ("reshape", (2, 3, 6)), ("transpose", (1, 0, 2))),
        (("take", (0, *range(6))), ("reshape", (2, 3, 6)), ("transpose", (0, 2, 1))),
        (("take", (0, *range(6))), ("reshape", (36, 1)), ("transpose", (1, 0))),
    ],
)
def test_what_would_be_transposed_when_the_model_runs_is_none(view: WeightView) -> None:
    assert taken(view, SHAPE) is None


def test_very_many_indices_are_not_kept() -> None:
    model = graph(f"""g (float[N] x, float[4, 6] w, int64[{MOST_TAKEN + 1}] i) => (float[a, b] y) {{
        u = Gather(w, i)  y = Mystery(x, u) }}""")
    for value, array in zip(
        list(model.graph.inputs)[1:], (np.ones((4, 6), np.float32), np.ones(MOST_TAKEN + 1, np.int64)), strict=True
    ):
        model.graph.inputs.remove(value)
        value.const_value = ir.tensor(array)
        model.graph.register_initializer(value)
    model.graph.initializers["w"].metadata_props[TORCH_KIND] = "PARAMETER"
    MarkWeights()(model)
    FoldConstants()(model)
    assert [node.op_type for node in model.graph] == ["Gather", "Mystery"]


def test_a_look_at_a_look_is_one_at_the_base() -> None:
    base = ir.tensor(RNG.standard_normal(SHAPE).astype(np.float32))
    once = look_at(base, (("transpose", (1, 0)),))
    twice = look_at(once, (("take", (0, 2)),))
    assert isinstance(twice, Look) and twice.base is base
    np.testing.assert_array_equal(twice.numpy(), base.numpy().T[[2]])
    assert look_at(base, ()) is base


@pytest.mark.parametrize(
    ("steps", "shape", "wanted"),
    [
        ("r1,6,4 t0,2,1 r1,4,2,3 t0,2,3,1", (6, 4), "r1,2,3,4"),
        ("r1,2,3,4 t0,3,1,2", (6, 4), "t1,0 r1,4,2,3"),
        ("t1,0 r4,2,3 t1,2,0 r6,4", (6, 4), ""),
        ("r2,3,4 t1,0,2", (6, 4), "r2,3,4 t1,0,2"),
        ("r2,3,4 t1,2,0 r12,2", (6, 4), "r2,12 t1,0"),
        ("r1,1,24 r24", (6, 4), "r24"),
        ("t1,0 r2,2,6", (6, 4), "t1,0 r2,2,6"),
    ],
)
def test_a_view_is_at_most_one_transpose(steps: str, shape: tuple[int, ...], wanted: str) -> None:
    def read(text: str) -> WeightView:
        kinds = {"r": "reshape", "t": "transpose"}
        return tuple((kinds[each[0]], tuple(map(int, each[1:].split(",")))) for each in text.split())

    array = RNG.standard_normal(shape)
    assert simplest(read(steps), shape) == read(wanted)
    np.testing.assert_array_equal(apply_view(array, simplest(read(steps), shape)), apply_view(array, read(steps)))
