"""merge_pads: matches, near misses, shared pads, outputs, and what split_pads makes of the result."""

from __future__ import annotations

import pytest

from passes.padding.fuse_pad import FusePads
from tests.harness import check_pass, operators
from tests.passes.padding.test_split_pads import form, settled

SIZES = {"batch": (2,), "h": (9, 12), "w0": (8, 11)}
WEIGHT = ", float[3, 4, 3, 3] w"


def chain(
    pads: str,
    operator: str = "Conv <strides = [2, 2]> (p, w)",
    *,
    more: str = "",
    mode: str = "constant",
    initializers: str = "",
    shape: str = "batch, 4, h, w0",
    rest: str = "",
    outputs: str = "float[n, c, a, b] y",
) -> str:
    return (
        f"g (float[{shape}] x{WEIGHT}) => ({outputs})"
        f" <int64[8] pads = {{{pads}}}{initializers}>"
        f' {{ p = Pad <mode = "{mode}"> (x, pads{more})\n y = {operator}\n {rest} }}'
    )


def merged(text: str, modified: bool = True) -> list[str]:
    return operators(check_pass(FusePads(), settled(text), sizes=SIZES, modified=modified))


@pytest.mark.parametrize("pads", ["0,0,1,0,0,0,1,2", "0,0,-1,-2,0,0,0,0", "0,0,2,-1,0,0,-2,1"])
@pytest.mark.parametrize("own", ["", ", pads = [0, 0, 0, 0]", ', auto_pad = "VALID"'])
def test_a_pad_becomes_pads(pads: str, own: str) -> None:
    model = settled(chain(pads, f"Conv <strides = [2, 2]{own}> (p, w)"))
    FusePads()(model)
    assert operators(model) == ["Conv"]
    numbers = [int(number) for number in pads.split(",")]
    assert model.graph.node(0).attributes["pads"].as_ints() == (*numbers[2:4], *numbers[6:])


def test_pads_add_up_and_chains_merge() -> None:
    assert merged(chain("0,0,1,0,0,0,1,2", "Conv <pads = [1, 1, 1, 1]> (p, w)")) == ["Conv"]
    twice = chain("0,0,1,0,0,0,1,2", "Conv (q, w)", rest="").replace("y = Conv", "q = Pad (p, pads)\n y = Conv")
    assert merged(twice) == ["Conv"]


def test_tensorflow_s_own_pads_are_same() -> None:
    static = chain("0,0,0,0,0,0,1,1", shape="batch, 4, 8, 10")
    model = settled(static)
    FusePads()(model)
    assert form(model) == ["Conv:SAME_UPPER"]
    model = settled(static.replace("8, 10", "9, 10"))
    FusePads()(model)
    assert form(model)[-1] == "Conv:VALID"


def test_axes_and_an_explicit_zero_are_read() -> None:
    text = chain(
        "0,0,0,0,0,0,0,0",
        more=", zero, axes",
        initializers=", float zero = {0}, int64[2] axes = {-1, 2}",
    ).replace("int64[8] pads = {0,0,0,0,0,0,0,0}", "int64[4] pads = {1, 0, 2, 1}")
    model = check_pass(FusePads(), settled(text), sizes=SIZES, modified=True)
    assert model.graph.node(0).attributes["pads"].as_ints() == (0, 1, 1, 2)


@pytest.mark.parametrize(
    "text",
    [
        chain("0,1,1,1,0,0,1,1").replace("float[3, 4, 3, 3] w", "float[3, 5, 3, 3] w"),
        chain("0,0,1,1,0,0,1,1", mode="reflect"),
        chain("0,0,1,1,0,0,1,1", more=", one", initializers=", float one = {1}"),
        chain("0,0,1,1,0,0,1,1", 'Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (p, w)'),
        chain("0,0,-1,0,0,0,0,0", "Conv <pads = [1, 1, 1, 1]> (p, w)"),
        chain("0,0,1,1,0,0,1,1", "MaxPool <kernel_shape = [3, 3]> (p)"),
        chain("0,0,1,1,0,0,1,1", "AveragePool <kernel_shape = [3, 3]> (p)"),
    ],
    ids=["channels", "reflect", "one", "same", "crop-then-pad", "max-pool-with-0", "average-pool"],
)
def test_near_misses_stay(text: str) -> None:
    assert len(merged(text, modified=False)) == 2


def test_a_shared_pad_stays() -> None:
    shared = chain("0,0,1,1,0,0,1,1", rest="z = Relu(p)", outputs="float[n, c, a, b] y, float[n, d, e, f] z")
    assert merged(shared, modified=False) == ["Pad", "Conv", "Relu"]
    output = chain("0,0,1,1,0,0,1,1", outputs="float[n, c, a, b] y, float[n, d, e, f] p")
    assert merged(output, modified=False) == ["Pad", "Conv"]


def test_max_pool_takes_minus_infinity_but_no_end_pad_in_ceil_mode() -> None:
    text = chain("0,0,1,1,0,0,1,1", "MaxPool <kernel_shape = [3, 3], strides = [2, 2]> (p)", more=", low")
    text = text.replace(">\n", ">").replace("> {", ", float low = {-inf}> {", 1)
    assert merged(text) == ["MaxPool"]
    ceil = text.replace("strides", "ceil_mode = 1, strides")
    assert merged(ceil, modified=False) == ["Pad", "MaxPool"]
    assert merged(ceil.replace("0,0,1,1,0,0,1,1", "0,0,1,1,0,0,0,0")) == ["MaxPool"]
