"""Columns put back into an image, of known and of open size."""

from __future__ import annotations

import pytest

import converter
from passes.errors import Unsupported
from tests.harness import check_onnx, graph

KNOWN = {
    "plain": ("[2,4]", "[2,2]", "", "float[batch,8,3] x"),
    "strides": ("[5,6]", "[2,3]", "<strides=[2,1], pads=[1,0,0,1]>", "float[batch,12,15] x"),
    "dilations": ("[5,4]", "[2,2]", "<dilations=[2,1]>", "float[batch,4,9] x"),
    "left": ("[4,6]", "[3,3]", "<strides=[2,2]>", "float[batch,9,2] x"),
}


def braces(sizes: str) -> str:
    return sizes.replace("[", "{").replace("]", "}")


@pytest.mark.parametrize("name", KNOWN)
def test_images_of_known_size(name: str) -> None:
    image, block, attributes, x = KNOWN[name]
    check_onnx(f"""g ({x}) => (float[batch,c,h,w] y) <int64[2] n = {braces(image)}, int64[2] k = {braces(block)}> {{
        y = Col2Im{attributes}(x, n, k) }}""")


OPEN = """g (float[batch,{columns},frames] x) => (float[batch,c,h,w] y) <int64[1] one = {{1}}, int64[1] hop = {{{hop}}},
    int64[1] more = {{{more}}}, int64[1] height = {{{height}}}, int64[2] k = {{{block}}}> {{
    f = Shape<start=2, end=3>(x)  l = Sub(f, one)  m = Mul(l, hop)  w0 = Add(m, more)
    n = Concat<axis=0>({order})  y = Col2Im<strides=[{strides}], pads=[{pads}]>(x, n, k) }}"""


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("told", "order"),
    [
        ({"more": 5, "pads": "0, 0, 0, 0"}, "height, w0"),
        ({"more": 6, "pads": "0, 0, 0, 0"}, "height, w0"),
        ({"more": 3, "pads": "0, 1, 0, 1"}, "height, w0"),
        ({"more": 5, "pads": "0, 0, 0, 0"}, "w0, height"),
    ],
    ids=["plain", "left", "pads", "height"],
)
def test_frames_are_added_where_they_overlap(told: dict[str, object], order: str, channels: int) -> None:
    """As many as there are: the ones of a transposed convolution, with a group for each channel."""
    is_wide = order.startswith("height")
    block, strides = ("1, 5", "1, 2") if is_wide else ("5, 1", "2, 1")
    text = OPEN.format(
        **told, columns=5 * channels, hop=2, height=1, block=block, strides=strides, order=order
    )  # fmt: skip
    check_onnx(text, sizes={"batch": (1, 3), "frames": (1, 2, 9)})


def test_a_size_that_does_not_follow_from_the_columns_is_refused() -> None:
    text = """g (float[batch,4,6] x, int64[2] n) => (float[batch,1,h,w] y) <int64[2] k = {2, 2}> {
        y = Col2Im(x, n, k) }"""
    with pytest.raises(Unsupported, match="does not follow from the number of its columns"):
        converter.convert(graph(text), verify=False)
