"""Arithmetic on sizes: it agrees with numbers, has one text for one meaning, and claims nothing that is not so."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import floor

import onnx_ir as ir
import pytest

from passes.dims.bounds import lower_bound, maximum, minimum, substitute
from passes.dims.parse import parse
from passes.dims.polynomial import (
    Dim,
    TooComplex,
    ceil_divide,
    exact_divide,
    floor_divide,
    is_symbol,
    modulo,
    only_atom,
    product,
    symbol,
    symbols,
    total,
)
from passes.dims.quotient import NotKnown, Ratio, divide, floor_ratio, multiply

h, w, batch = symbol("h"), symbol("w"), symbol("batch")
BINDINGS = [{"h": a, "w": b, "batch": c} for a, b, c in ((1, 1, 1), (2, 5, 3), (7, 4, 2), (224, 97, 8), (13, 64, 1))]


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (batch * 64, "64*batch"),
        (h + 1 - 1, "h"),
        (h * w - w * h, "0"),
        ((h + 1) * (w + 1), "h*w + h + w + 1"),
        (h * h, "h**2"),
        ((h - 1) // 2 + 1, "floor(h/2 + 1/2)"),
        (((h - 1) // 2 + 1 - 1) // 2 + 1, "floor(h/4 + 3/4)"),
        ((3 * h - 1) // 2, "h + floor(h/2 + 1/2) - 1"),
        ((4 * h + 2) // 6, "floor(2*h/3 + 1/3)"),
        (h % 32, "h - 32*floor(h/32)"),
        (h // w, "floor(h/w)"),
        (batch * h // (8 * batch), "floor(h/8)"),
        ((batch * h * w + batch * h) // (batch * h * h), "floor((w + 1)/h)"),
        (12 * batch // batch, "12"),
        (maximum(h, h + 1), "h + 1"),
        (minimum(h, 3), "Min(3, h)"),
        (
            maximum(minimum(2 * ceil_divide(ceil_divide(h, 2), 2), ceil_divide(h, 2)), ceil_divide(h, 2)),
            "floor(h/2 + 1/2)",
        ),
    ],
)
def test_the_normal_form(dim: Dim, text: str) -> None:
    assert str(dim) == text
    assert parse(text) == dim


@pytest.mark.parametrize(
    "a", [h * 64, (h - 1) // 2 + 1, h % 7, h // w + 3, minimum(h, 3) * w, h * h - w, maximum(h, w) // 2]
)
def test_onnx_ir_reads_the_text_the_same_way(a: Dim) -> None:
    for numbers in BINDINGS:
        assert ir.SymbolicDim(str(a)).evaluate(numbers) == substitute(a, dict(numbers))


OPERATIONS: list[tuple[Callable[[Dim, Dim], Dim], Callable[[int, int], int]]] = [
    (lambda a, b: a + b, lambda a, b: a + b),
    (lambda a, b: a - b, lambda a, b: a - b),
    (lambda a, b: a * b, lambda a, b: a * b),
    (maximum, max),
    (minimum, min),
    (lambda a, _: floor_divide(a, 2), lambda a, _: a // 2),
    (lambda a, _: floor_divide(a, 3), lambda a, _: a // 3),
    (lambda a, _: ceil_divide(a, 4), lambda a, _: -(-a // 4)),
    (lambda a, _: modulo(a, 5), lambda a, _: a % 5),
]


@pytest.mark.parametrize("seed", range(60))
def test_random_arithmetic_agrees_with_numbers(seed: int) -> None:
    """Values, texts read back, and lower bounds, of expressions several operations deep."""
    rng = random.Random(seed)
    pool: list[tuple[Dim, list[int]]] = [(d, [n[str(d)] for n in BINDINGS]) for d in (h, w, batch)]
    pool += [(k, [k] * len(BINDINGS)) for k in (1, 2, 7)]
    for _ in range(9):
        (a, xs), (b, ys) = rng.choice(pool), rng.choice(pool)
        symbolic, numeric = rng.choice(OPERATIONS)
        result = symbolic(a, b)
        values = [numeric(x, y) for x, y in zip(xs, ys, strict=True)]
        assert [substitute(result, dict(n)) for n in BINDINGS] == values, f"{a}, {b} -> {result}"
        assert parse(str(result)) == result
        bound = lower_bound(result)
        assert bound is None or bound <= min(values), f"{result} is said to be at least {bound}"
        if len(str(result)) < 200:
            pool.append((result, values))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("((h - 1)//2) + 1", ceil_divide(h, 2)),
        ("(h + 1)//2", floor_divide(h + 1, 2)),
        ("12*batch", 12 * batch),
        ("batch*12*h", 12 * h * batch),
        ("2*(h + w)", 2 * h + 2 * w),
        ("Max(1, h - 3)", maximum(1, h - 3)),
        ("ceiling(h/2)", ceil_divide(h, 2)),
        ("Mod(h, 4)", h % 4),
        ("FloorDiv(h, 4)", h // 4),
        ("h**2", h * h),
        ("-h + 2*h", h),
        ("h/2", h // 2),
        ("unk__12", symbol("unk__12")),
        ("decoder_input_ids.45_dim_1", symbol("decoder_input_ids.45_dim_1")),
    ],
)
def test_texts_of_exporters(text: str, meaning: Dim) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Conv output dim", "Conv_output_dim_"),
        ("Squeeze/model/Squeeze_output_0_dim_0", "Squeeze_model_Squeeze_output_0_dim_0_"),
        ("?", "dim___"),
        ("3d", "dim_3d_"),
        ("h/0", "h_0_"),
        ("FloorDiv(h, 0)", "FloorDiv_h__0__"),
        ("FloorDiv(h)", "FloorDiv_h__"),
        ("Mod(h, h - h)", "Mod_h__h___h__"),
        ("h % 0", "h___0_"),
        ("9" * 5000, "dim_999"),
        ("", "dim__"),
        ("*".join(["(h + w)"] * 40), "dim__h___w_"),
    ],
)
def test_texts_that_are_names(text: str, start: str) -> None:
    name = parse(text)
    assert is_symbol(name) and str(name).startswith(start)
    assert parse(str(name)) == name


def test_names_that_are_spelled_alike_stay_apart() -> None:
    assert len({parse("a b"), parse("a_b"), parse("a-  "), parse("a/b"), parse("a?b")}) == 5


def test_what_grows_beyond_use_is_refused() -> None:
    square: Dim = h + 1
    with pytest.raises(TooComplex):
        for _ in range(30):
            square = square * square
    nested: Dim = h
    with pytest.raises(TooComplex):
        for index in range(100):
            nested = maximum(nested * 2 // 3, symbol(f"s{index}"))


def test_a_text_of_brackets_or_signs_alone_does_not_exhaust_the_stack() -> None:
    assert is_symbol(parse("(" * 5000 + "h" + ")" * 5000))
    assert is_symbol(parse("-" * 5001 + "h"))


def test_division_is_exact_where_it_can_be() -> None:
    assert exact_divide(6 * h * w, 3 * h) == 2 * w
    assert exact_divide((h + 1) * (w + 2), h + 1) == w + 2
    assert exact_divide(h + 1, 2) is None
    assert exact_divide(h, w) is None
    assert exact_divide(7, h) is None
    assert exact_divide(0, h) == 0


@pytest.mark.parametrize(
    ("dim", "bound"),
    [
        (h, 1),
        (h - 1, 0),
        (h - w, None),
        (h - h // 2, 1),
        (2 * ceil_divide(ceil_divide(h, 2), 2) - ceil_divide(h, 2), 0),
        (maximum(h, w) - h, 0),
        (maximum(h, w) - minimum(h, w), 0),
        (h * w - w, 0),
        (5, 5),
    ],
)
def test_lower_bounds(dim: Dim, bound: int | None) -> None:
    assert lower_bound(dim) == bound


def test_symbols_products_and_sums() -> None:
    assert symbols(h * (w // 2) + minimum(batch, 4)) == {"h", "w", "batch"}
    assert product([2, h, 3]) == 6 * h and product([]) == 1
    assert total([h, 2, h]) == 2 * h + 2


def test_substitution_finds_the_normal_form_again() -> None:
    assert substitute(symbol("unk__0") // 2 + 1, {"unk__0": 2 * h}) == h + 1
    assert substitute(h // w, {"w": h}) == 1


def test_ratios_are_exact_or_not_known() -> None:
    half = multiply(h, 0.5)
    assert half == Ratio(h, 2)
    assert floor_ratio(half) == h // 2
    assert multiply(half, 2.0) == h
    assert multiply(h, divide(2 * h, h)) == 2 * h
    assert half + half == h
    assert divide(3, 6) == Ratio(1, 2)
    for number in (0.1, float("inf"), float("nan")):
        with pytest.raises(NotKnown):
            multiply(h, number)


def test_floor_of_a_ratio_of_numbers() -> None:
    for a in range(-7, 8):
        for b in (1, 2, 3):
            assert floor_ratio(divide(a, b)) == floor(a / b)


@pytest.mark.parametrize(
    ("text", "function"), [("n", ""), ("Max(0, n - 2)", "Max"), ("floor(n/2)", "floor"), ("Min(8, n)", "Min")]
)
def test_a_size_that_is_one_atom(text: str, function: str) -> None:
    atom = only_atom(parse(text))
    assert atom is not None and atom.function == function


@pytest.mark.parametrize("text", ["7", "2*n", "n + 1", "m*n", "m + n", "Min(8, n) - 1"])
def test_a_size_that_is_more_than_one_atom(text: str) -> None:
    assert only_atom(parse(text)) is None


@pytest.mark.parametrize(
    ("text", "shorter", "number"),
    [
        ("h - floor(h/2)", "floor(h/2 + 1/2)", lambda h: h - h // 2),
        ("2*h - 2*floor(h/2)", "2*floor(h/2 + 1/2)", lambda h: 2 * h - 2 * (h // 2)),
        ("b*h - b*floor(h/2)", "b*floor(h/2 + 1/2)", lambda h: 3 * (h - h // 2)),
        ("floor(h/4) - floor(h/8)", "floor(h/8 + 1/2)", lambda h: h // 4 - h // 8),
        ("h - floor(h/4) - 5", "floor(3*h/4 + 3/4) - 5", lambda h: h - h // 4 - 5),
        ("7*floor(h/4) - 7*floor(6*floor(h/4)/7)", "7*floor(h/28 + 6/7)", lambda h: 7 * (h // 4 - 6 * (h // 4) // 7)),
        ("w - floor(h/2)", "w - floor(h/2)", lambda h: 5 - h // 2),
        ("-h - floor(h/2)", "-h - floor(h/2)", lambda h: -h - h // 2),
    ],
)
def test_what_is_rounded_up(text: str, shorter: str, number: Callable[[int], int]) -> None:
    found = parse(text)
    assert str(found) == shorter
    for h in range(1, 120):
        assert substitute(found, {"h": h, "w": 5, "b": 3}) == number(h)
