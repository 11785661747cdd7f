"""A Scan that cuts a sequence into overlapping frames, over an open number of them."""

from __future__ import annotations

import pytest

from tests.harness import check_onnx

TEXT = """g (float[b,{first}] first, float[b,t,{hop}] chunks) => (float[b,t,{frame}] frames{more})
<int64[1] hop = {{{hop}}}, int64[1] end = {{9223372036854775807}}, int64[1] axis = {{1}}> {{
    last, frames = Scan<num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1], body = turn
        (float[b,{first}] before, float[b,{hop}] now) => (float[b,{first}] after, float[b,{frame}] frame) {{
            frame = Concat<axis={concat}>(before, now) after = Slice(frame, hop, end, axis)
        }}>(first, chunks)
}}"""
SIZES = {"b": (1, 3), "t": (1, 5, 9)}


def scan(first: int, hop: int, *, concat: int = -1, last: bool = False) -> str:
    more = f", float[b,{first}] last" if last else ""
    return TEXT.format(first=first, hop=hop, frame=first + hop, concat=concat, more=more)


@pytest.mark.parametrize(("first", "hop"), [(6, 3), (5, 3), (2, 4), (7, 2), (3, 3)])
@pytest.mark.parametrize("last", [False, True])
def test_windows(first: int, hop: int, last: bool) -> None:
    check_onnx(scan(first, hop, last=last), sizes=SIZES, layout="source")


def test_axes_from_either_end() -> None:
    check_onnx(scan(4, 2, concat=1), sizes=SIZES, layout="source")


def test_the_length_that_is_asked_for() -> None:
    """What the first window is cut from may be shorter: then the frames do not fit what they are multiplied by."""
    text = """g (float[b,n] x, float[b,t,2] chunks) => (float[b,t,6] y)
    <int64[1] hop = {2}, int64[1] end = {9223372036854775807}, int64[1] axis = {1}, int64[1] zero = {0},
     int64[1] four = {4}, float[6] w = {1, 2, 3, 4, 5, 6}> {
        first = Slice(x, zero, four, axis)
        last, frames = Scan<num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1], body = turn
            (float[b,k] before, float[b,2] now) => (float[b,k] after, float[b,m] frame) {
                frame = Concat<axis=-1>(before, now) after = Slice(frame, hop, end, axis)
            }>(first, chunks)
        s = Neg(frames) y = Mul(w, s)
    }"""
    check_onnx(text, sizes={"b": (1, 2), "n": (4, 7), "t": (1, 4)}, layout="source")


def test_a_body_that_does_more_stays_a_loop() -> None:
    text = scan(4, 2).replace("after = Slice(frame", "r = Relu(frame) after = Slice(r")
    checked = check_onnx(text, sizes=SIZES, layout="source")
    assert any(type(layer).__name__ == "Loop" for layer in checked.model.layers)
