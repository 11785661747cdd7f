"""Open sizes of which operators demand a number, or that they are another input's; and what a reshape demands."""

from __future__ import annotations

import numpy as np

import converter
from passes.shapes.infer import InferShapes
from passes.shapes.settled import settled_sizes
from tests.harness import check_onnx, graph

GRU = """g (float[batch,time,4] x, float[2,ROWS,3] h0) => (float[time,1,n,3] y, float[1,n,3] h)
    <float[1,9,4] w = {W}, float[1,9,3] r = {R}, int64 zero = {0}> {
    t = Transpose<perm=[1,0,2]>(x)  first = Gather(h0, zero)  axes = Constant<value = int64[1] {0}>()
    state = Unsqueeze(first, axes)
    y, h = GRU<hidden_size=3>(t, w, r, , , state) }"""


def gru(rows: str) -> str:
    rng = np.random.default_rng(0)
    w, r = (", ".join(f"{x:.2f}" for x in rng.standard_normal(count)) for count in (36, 27))
    return GRU.replace("W}", w + "}").replace("R}", r + "}").replace("ROWS", rows)


def test_a_state_of_one_row_demands_a_batch_of_one() -> None:
    model = graph(gru("1"))
    InferShapes()(model)
    assert settled_sizes(model) == {"batch": 1}
    assert [str(dim) for dim in model.graph.inputs[0].shape or ()] == ["1", "time", "4"]
    assert not InferShapes()(model).modified


def test_a_state_with_rows_of_its_own_has_as_many_as_the_batch() -> None:
    model = graph(gru("rows"))
    InferShapes()(model)
    assert settled_sizes(model) == {"rows": "batch"}
    conversion = converter.convert(graph(gru("rows")))
    assert conversion.verified and conversion.report.custom_layers == []
    assert {tuple(case["shape"]["h0"]) for case in conversion.report.verification["cases"]} >= {(2, 1, 3), (2, 3, 3)}


def test_it_is_told_and_the_proof_draws_nothing_else() -> None:
    conversion = converter.convert(graph(gru("1")))
    assert conversion.verified
    assert {case["shape"]["x"][0] for case in conversion.report.verification["cases"]} == {1}
    assert "batch is open in the source and 1 here: its operators run for nothing else." in conversion.report.notes


BRANCHES = """g (float[time,batch,2] x, float[1,1,1] h0, bool c) => (float[time,1,b,1] y)
    <float[1,3,2] w = {1, 2, 3, 4, 5, 6}, float[1,3,1] r = {1, 2, 3}> {
    y = If(c) <then_branch = a () => (float[t,1,b,1] p) { p = GRU<hidden_size=1>(x, w, r, , , h0) },
               else_branch = o () => (float[t,1,b,1] q) { q = GRU<hidden_size=1>(x, w, r OTHER) }> }"""


def test_what_one_branch_demands_does_not_hold_where_the_other_is_taken() -> None:
    for other, demanded in ((", , , h0", {"batch": 1}), ("", {})):
        model = graph(BRANCHES.replace("OTHER", other))
        InferShapes()(model)
        assert settled_sizes(model) == demanded


def test_a_reshape_to_sizes_that_are_all_said_demands_equal_products() -> None:
    """Text recognition: rows of features are tokens, and tokens features of one row again."""
    text = """g (float[n,2,h,w] x) => (float[n,2,o,p] y)
        <float[2,2,1,1] k = {1, 2, 3, 4}, int64[3] tokens = {0, 2, -1}, int64[1] one = {1}, int64[1] two = {2}> {
        c = AveragePool<kernel_shape=[40,2], strides=[40,2]>(x)  t = Reshape(c, tokens)
        turned = Transpose<perm=[0,2,1]>(t)
        batch = Shape<start=0, end=1>(c)  width = Shape<start=3, end=4>(c)
        sizes = Concat<axis=0>(batch, one, width, two)  back = Reshape(turned, sizes)
        image = Transpose<perm=[0,3,1,2]>(back)  y = Conv(image, k) }"""
    model = graph(text)
    InferShapes()(model)
    shapes = {output.name: output.shape for node in model.graph for output in node.outputs}
    assert str(list(shapes["c"])) == str(list(shapes["y"])) and shapes["c"][2] == 1
    check_onnx(text, sizes={"n": (1, 2), "h": (40, 51), "w": (4, 9)})
    for structure in ("modules", "flat"):
        conversion = converter.convert(graph(text), structure=structure)
        assert conversion.verified and conversion.report.transposes == 0


def test_squeezing_what_keras_does_not_know_to_be_one() -> None:
    """The reshape says that the height is 1; Keras leaves it open."""
    text = """g (float[n,2,h,w] x) => (float[n,2,p] y)
        <int64[1] axis = {2}, int64[1] one = {1}> {
        c = MaxPool<kernel_shape=[3,1], strides=[3,1]>(x)
        n = Shape<start=0, end=1>(c)  channels = Shape<start=1, end=2>(c)  w = Shape<start=3, end=4>(c)
        sizes = Concat<axis=0>(n, channels, one, w)  same = Reshape(c, sizes)  e = Exp(same)  y = Squeeze(e, axis) }"""
    check_onnx(text, sizes={"n": (1, 2), "h": (3, 4), "w": (1, 5)})


def test_diff_draws_what_the_proof_draws() -> None:
    from converter.prepare import prepare
    from converter.proof.guilt.saved_diff import _inputs
    from converter.sources import load

    source = load(graph(gru("rows")))
    drawn = _inputs(source, prepare(source.model), {})
    assert drawn["x"].shape[0] == drawn["h0"].shape[1]
