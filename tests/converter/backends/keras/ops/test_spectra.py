"""DFT and STFT, along any axis, of open lengths, one-sided and not."""

from __future__ import annotations

import numpy as np
import pytest

from converter.backends.keras.nesting.levels import count_transposes
from passes.errors import Unsupported
from tests.harness import check_onnx
from tests.op_cases import Case, c, case, w, x
from tests.op_checks import check, parameters

B = "batch"
CASES = {
    "DFT": [
        case("DFT", x(B, 8, 1), None, c(1)), case("DFT", x(B, 9, 1), None, c(1), onesided=1), case("DFT", x(B, 6, 5, 2), None, c(2)), case("DFT", x(B, 8, 2), None, c(1), inverse=1),
        case("DFT", x(B, 8, 1), c(6), c(1)),
    ],
    "STFT": [case("STFT", x(B, 20, 1), c(4), w(8), c(8), onesided=i) for i in (0, 1)],
}  # fmt: skip


@pytest.mark.parametrize("length", [8, 9])
@pytest.mark.parametrize("attributes", ["", "<onesided=1>", "<inverse=1>"])
def test_of_real_signals(attributes: str, length: int) -> None:
    check_onnx(
        f"g (float[batch,{length},1] x) => (float[batch,k,2] y) <int64 axis = {{1}}> {{ y = DFT{attributes}(x, , axis) }}",
        sizes={"batch": (1, 3)},
    )


@pytest.mark.parametrize("axis", [1, 2, -2, -3])
def test_of_complex_signals_along_any_axis(axis: int) -> None:
    check_onnx(
        f"g (float[batch,6,5,2] x) => (float[batch,6,5,2] y) <int64 axis = {{{axis}}}> {{ y = DFT(x, , axis) }}",
        sizes={"batch": (2,)},
    )


@pytest.mark.parametrize("length", [4, 12])
def test_of_another_length(length: int) -> None:
    check_onnx(
        f"""g (float[batch,8,1] x) => (float[batch,k,2] y) <int64 n = {{{length}}}, int64 axis = {{1}}> {{
            y = DFT<onesided=1>(x, n, axis) }}""",
        sizes={"batch": (2,)},
    )


@pytest.mark.parametrize("attributes", ["", "<onesided=1>", "<inverse=1>"])
@pytest.mark.parametrize("told", [False, True])
def test_of_open_lengths(attributes: str, told: bool) -> None:
    check_onnx(
        f"""g (float[batch,n,1] x) => (float[batch,k,2] y) <int64 axis = {{1}}> {{
            s = Shape<start=1, end=2>(x)  n = Squeeze(s)  y = DFT{attributes}(x, {"n" if told else ""}, axis) }}""",
        sizes={"batch": (2,), "n": (1, 8, 31)},
    )


def test_of_complex_signals_of_open_lengths() -> None:
    checked = check_onnx(
        """g (float[batch,n,3,2] x) => (float[batch,n,3,2] y, float[batch,n,3,2] z) <int64 axis = {1}> {
            y = DFT(x, , axis)  z = DFT<inverse=1>(x, , axis) }""",
        sizes={"batch": (2,), "n": (1, 9)},
    )
    assert count_transposes(checked.model) == 0


@pytest.mark.parametrize("attributes", ["", "<onesided=1>"])
def test_of_real_signals_of_open_lengths_before_another_axis(attributes: str) -> None:
    checked = check_onnx(
        f"""g (float[batch,n,3,1] x) => (float[batch,k,3,2] y) <int64 axis = {{1}}> {{
            y = DFT{attributes}(x, , axis) }}""",
        sizes={"batch": (1, 2), "n": (1, 8, 9)},
    )
    assert count_transposes(checked.model) == 0


def test_an_open_length_that_is_cut_is_refused() -> None:
    text = "g (float[batch,n,1] x) => (float[batch,8,2] y) <int64 axis = {1}, int64 k = {8}> { y = DFT(x, k, axis) }"
    with pytest.raises(Unsupported, match="open length"):
        check_onnx(text)


@pytest.mark.parametrize("length", ["", "8", "9"])
def test_from_half_a_spectrum(length: str) -> None:
    """Oracle: onnxruntime, which takes the odd ones only by their length."""
    given = f", int64 n = {{{length}}}" if length else ""
    check_onnx(
        f"""g (float[batch,5,3,2] x) => (float[batch,k,3,1] y) <int64 axis = {{1}}{given}> {{
            y = DFT<inverse=1, onesided=1>(x, {"n" if length else ""}, axis) }}""",
        sizes={"batch": (2,)},
    )


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize(("length", "shape"), [(8, "batch, n, 1"), (7, "batch, n, 1")])
def test_frames(length: int, shape: str, onesided: int) -> None:
    window = ", ".join(f"{value:.6f}" for value in np.hanning(length))
    check_onnx(
        f"""g (float[{shape}] x) => (float[batch,f,b,2] y)
            <int64 step = {{3}}, int64 length = {{{length}}}, float[{length}] w = {{{window}}}> {{
            y = STFT<onesided={onesided}>(x, step, w, length) }}""",
        sizes={"batch": (1, 3), "n": (16, 25)},
    )


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
