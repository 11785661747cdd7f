"""What all fusions keep to: no axis is lost, nothing is fused that is 0 where it may not be, and each says why not."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest

from passes.fuse.activations import FuseActivations
from passes.fuse.attention import FuseAttention
from passes.fuse.dense import FuseDense
from passes.fuse.gelu import FuseGelu
from passes.fuse.group_norm import FuseGroupNorm
from passes.fuse.layer_norm import FuseLayerNorm
from passes.graph.reasons import Fusion, attempts
from tests.conftest import Keraport
from tests.harness import check_pass, graph
from tests.passes.padding.test_split_pads import settled

ERF = "d = Div(x, root)\n t = Erf(d)\n a = Add(t, one)\n m = Mul(x, a)\n y = Mul(m, half)"
GELU = "<float root = {1.4142135}, float one = {1}, float[1,1,1,1] half = {0.5}>"
SWISH = "a = Add(x, three)\n c = Clip(a, low, high)\n m = Mul(x, c)\n y = Div(m, six)"
SIGMOID = "a = Add(x, three)\n c = Clip(a, low, high)\n y = Div(c, six)"
CLIP = "<float three = {3}, float low = {0}, float high = {6}, float[1,1,1] six = {6}>"
NORM = (
    "m = ReduceMean(x, last)\n d = Sub(x, m)\n p = Pow(d, two)\n v = ReduceMean(p, last)\n"
    " e = Add(v, epsilon)\n s = Sqrt(e)\n y = Div(d, s)"
)
SOFTPLUS = "g = Greater(x, limit)\n s = Softplus(x)\n y = Where(g, x, s)"
GROUPS = "g = Reshape(x, into)\n n = InstanceNormalization(g, ones, zeros)\n r = Reshape(n, back)\n y = Mul(r, one)"
ATTENTION = (
    "g (float[2, 2, 4, 8] q, float[2, 2, 4, 8] k, float[2, 2, 4, 8] v) => (float[2, 2, 4, 8] y) <float factor = {%s}>"
    "{ kt = Transpose<perm = [0, 1, 3, 2]>(k)\n s = MatMul(q, kt)\n z = Mul(s, factor)\n"
    " p = Softmax<axis = -1>(z)\n y = MatMul(p, v) }"
)


@pytest.mark.parametrize(
    ("fusion", "text", "reason"),
    [
        (FuseGelu, f"g (float[b, 8] x) => (float[1, 1, b, 8] y) {GELU} {{ {ERF} }}", "adds axes"),
        (FuseActivations, f"g (float[b, 8] x) => (float[1, b, 8] y) {CLIP} {{ {SWISH} }}", "adds axes"),
        (FuseActivations, f"g (float[b, 8] x) => (float[1, b, 8] y) {CLIP} {{ {SIGMOID} }}", "adds axes"),
        (
            FuseActivations,
            f"g (float[b, 8] x) => (float[1, b, 8] y) <float[1,1,1] limit = {{20}}> {{ {SOFTPLUS} }}",
            "adds axes",
        ),
        (
            FuseLayerNorm,
            "g (float[b, 5, 8] x) => (float[1, b, 5, 8] y) <int64[1] last = {-1}, float two = {2},"
            " float[1,1,1,1] epsilon = {0.00001}>"
            f"{{ {NORM} }}",
            "adds axes",
        ),
        (FuseAttention, ATTENTION % "0", "the scale is 0"),
        (FuseAttention, ATTENTION % "-1", "the scale is -1"),
    ],
)
def test_what_would_change_the_outcome_stays(fusion: type[Fusion], text: str, reason: str) -> None:
    with attempts() as made:
        check_pass(fusion(), settled(text), modified=False)
    assert {attempt.fusion for attempt in made} == {fusion.__name__}
    assert reason in made[0].reason and made[0].reason in str(made[0])


def test_a_one_of_more_axes_after_a_group_norm_keeps_its_axes() -> None:
    text = (
        "g (float[2, 4, 6] x) => (float[1, 2, 4, 6] y) <int64[3] into = {0, 2, -1}, int64[3] back = {2, 4, 6},"
        f" float[2] ones = {{1, 1}}, float[2] zeros = {{0, 0}}, float[1,1,1,1] one = {{1}}> {{ {GROUPS} }}"
    )
    model = check_pass(FuseGroupNorm(), settled(text), modified=True)
    assert [node.op_type for node in model.graph] == ["GroupNormalization", "Mul"]


@pytest.mark.parametrize(
    ("fusion", "text", "reason"),
    [
        (FuseGelu, f"g (float[b, 8] x) => (float[b, 8] y, float[b, 8] d) {GELU} {{ {ERF} }}", "'d' is an output"),
        (
            FuseGelu,
            f"g (float[b, 8] x) => (float[b, 8] y, float[b, 8] z) {GELU} {{ {ERF}\n z = Neg(d) }}",
            "elsewhere",
        ),
        (
            FuseActivations,
            "g (float[b, 8] x) => (float[b, 8] y) { s = Sigmoid(x)\n t = Neg(x)\n y = Mul(s, t) }",
            "own",
        ),
        (FuseDense, "g (float[b, 8] x, float[8, 3] w) => (float[b, 3] y) { y = MatMul(x, w) }", "constant matrix"),
        (
            FuseDense,
            "g (float[b, 2] x) => (float[b, 1] y) <float[2, 1] w = {1, 2}> { y = Gemm<alpha = 2.0>(x, w) }",
            "scales",
        ),
    ],
)
def test_reasons(fusion: type[Fusion], text: str, reason: str) -> None:
    text = text.replace("float[1,1,1,1] half", "float half")
    with attempts() as made:
        check_pass(fusion(), settled(text), modified=False)
    assert made and all(reason in attempt.reason for attempt in made)


def test_matches_are_told_too_and_nothing_is_listened_to_afterwards() -> None:
    text = "g (float[b, 8] x) => (float[b, 8] y) { s = Sigmoid(x)\n y = Mul(s, x) }"
    with attempts() as made:
        check_pass(FuseActivations(), settled(text), modified=True)
    count = len(made)
    assert {attempt.reason for attempt in made} == {""} and "matched" in str(made[0])
    check_pass(FuseActivations(), settled(text), modified=True)
    assert len(made) == count


def test_inspect_why(keraport: Keraport, tmp_path: Path) -> None:
    path = tmp_path / "gate.onnx"
    text = "g (float[b, 8] x) => (float[b, 8] y) { s = Sigmoid(x)\n t = Neg(x)\n y = Mul(s, t) }"
    ir.save(graph(text), path)
    ran = keraport("inspect", path, "--why", "s")
    assert ran.code == 0 and "FuseActivations at Sigmoid node" in ran.out and "something else than its own" in ran.out
    ran = keraport("inspect", path, "--why", "S")
    assert ran.code == 1 and "No fusion starts at a node 'S'" in ran.err and "such as " in ran.err
