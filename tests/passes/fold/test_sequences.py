"""Lists of tensors become plain values."""

from __future__ import annotations

import pytest

from passes.errors import Unsupported
from passes.fold.sequences import SEQUENCE_OPERATORS
from passes.normalize.default_attributes import ExplicitDefaults
from passes.shapes.infer import InferShapes
from tests.harness import check_pass, graph, operators

X = "float[batch, 6, 5] x"
CONSTANTS = """
    int64 two = {2}, int64 four = {4}, int64[2] parts = {1, 5}, int64 zero = {0}, int64 one = {1}, int64 last = {-1}
"""

BODIES = {
    "chunk": "s = SplitToSequence<axis=1>(x, two)  a = SequenceAt(s, zero)  b = SequenceAt(s, last)  y = Add(a, b)",
    "uneven": "s = SplitToSequence<axis=1>(x, four)  a = SequenceAt(s, zero)  y = Relu(a)",
    "sizes": "s = SplitToSequence<axis=-2>(x, parts)  a = SequenceAt(s, zero)  b = SequenceAt(s, one)  y = Mul(a, b)",
    "unbind": "s = SplitToSequence<axis=1, keepdims=0>(x)  a = SequenceAt(s, two)  y = Relu(a)",
    "kept": "s = SplitToSequence<axis=1>(x)  a = SequenceAt(s, two)  y = Relu(a)",
    "stack": "s = SequenceConstruct(x, x)  y = ConcatFromSequence<axis=1, new_axis=1>(s)",
    "cat": "n = Neg(x)  s = SequenceConstruct(x, n)  y = ConcatFromSequence<axis=-1>(s)",
    "appended": """n = Neg(x)  e = SequenceEmpty<dtype=1>()  p = SequenceInsert(e, x)  q = SequenceInsert(p, n)
        r = SequenceInsert(q, n, zero)  y = ConcatFromSequence<axis=0>(r)""",
    "erased": """n = Neg(x)  s = SequenceConstruct(x, n, x)  r = SequenceErase(s, zero)
        y = ConcatFromSequence<axis=0>(r)""",
    "length": "s = SplitToSequence<axis=1>(x, two)  l = SequenceLength(s)  f = Cast<to=1>(l)  y = Mul(x, f)",
    "output": "s = SequenceConstruct(x, x)  y = SequenceAt(s, zero)",
}


@pytest.mark.parametrize("name", BODIES)
def test_lists_become_values(name: str) -> None:
    rank = "a, b, c, d" if name == "stack" else "a, b" if name == "unbind" else "a, b, c"
    model = check_pass(InferShapes(), f"g ({X}) => (float[{rank}] y) <{CONSTANTS}> {{ {BODIES[name]} }}", modified=True)
    assert not SEQUENCE_OPERATORS & set(operators(model))
    assert model.graph.outputs[0].name == "y"


def test_a_split_is_one_split_with_the_metadata_of_the_list() -> None:
    model = graph(f"g ({X}) => (float[a, b, c] y) <{CONSTANTS}> {{ {BODIES['chunk']} }}")
    model.graph[0].metadata_props["keraport.module"] = "stage2.1"
    ExplicitDefaults()(model)
    InferShapes()(model)
    assert operators(model) == ["Split", "Add"]
    split = model.graph[0]
    assert split.metadata_props["keraport.module"] == "stage2.1"
    assert [str(output.shape) for output in split.outputs] == ["[batch,2,5]"] * 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("s = SplitToSequence<axis=0>(x, two)  y = SequenceAt(s, zero)", "number of parts"),
        ("s = SplitToSequence<axis=1>(x, two)  y = SequenceAt(s, k)", "is computed"),
        ("s = SplitToSequence<axis=1>(x, two)  y = SequenceAt(s, four)", "outside of a list of 3"),
    ],
)
def test_lists_that_depend_on_the_input_are_refused(body: str, reason: str) -> None:
    model = graph(f"g ({X}, int64 k) => (float[a, b, c] y) <{CONSTANTS}> {{ {body} }}")
    with pytest.raises(Unsupported, match=reason):
        InferShapes()(model)


def test_a_list_as_an_output_is_refused() -> None:
    model = graph(f"g ({X}) => (seq(float[a, b, c]) y) {{ y = SequenceConstruct(x, x) }}")
    with pytest.raises(Unsupported, match="handed on as a whole"):
        InferShapes()(model)
