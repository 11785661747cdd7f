"""Products and attention through the whole converter, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.op_cases import Array, Case, Input, case, w, x
from tests.op_checks import check, parameters

B = "batch"
ANY = {"batch": (1, 2), "t": (3, 6), "s": (5,)}


def attention(*inputs: Input | Array | None, **attributes: Any) -> Case:
    attributes.setdefault("_sizes", ANY)
    return case("Attention", *inputs, _contexts="plain", **attributes)


def qkv(
    heads: int = 2, length: int | str = 6, keys: int | str = 5, size: int = 4, kv_heads: int = 0, dtype: str = "float32"
) -> list[Input]:
    return [
        x(B, heads, length, size, dtype=dtype),
        *(x(B, kv_heads or heads, keys, size, dtype=dtype) for _ in range(2)),
    ]


MASK = np.array([[True, True, False, True, False]] * 6) | np.eye(6, 5, dtype=bool)
CASES = {
    "keraport::Dense": [
        case("Gemm", x(B, 6), w(6, 4), w(4)), case("Gemm", x(B, 6), w(4, 6), w(4), transB=1), case("Gemm", x(B, 6), w(4, 6), None, transB=1), case("Gemm", x(B, 6), w(6, 4)),
        case("Gemm", x(B, 6), w(6, 4), w(1, 4)), case("Gemm", x(B, 6), w(6, 4), w()), case("Gemm", x(B, 6), w(6, 4), w(1)), case("Gemm", x(B, 6), w(4, 6), w(4), transB=1, alpha=0.5, beta=2.0),
        case("Gemm", x(6, B), w(6, 4), w(4), transA=1), case("Gemm", x(2, 6), w(6, 4), w(2, 1)), case("Gemm", x(2, 6), w(6, 4), w(2, 4)), case("Gemm", x(B, 6), w(6, 4), x(4)),
        case("Gemm", w(3, 6), x(6, B), None), case("Gemm", w(3, 6), x(B, 6), w(3, 1), transB=1), case("Gemm", x(B, 6, dtype="float16"), w(6, 4, dtype="float16"), w(4, dtype="float16")),
        case("Gemm", x(B, 6, dtype="float64"), w(6, 4, dtype="float64")), case("MatMul", x(B, 6), w(6, 4)), case("MatMul", x(B, 3, 6), w(6, 4)), case("MatMul", x(B, 3, 4, 6), w(6, 4)),
        case("MatMul", x(B, 3, 4, 5, 6), w(6, 4)), case("MatMul", x(B, 3, 4, 6, dtype="float64"), w(6, 4, dtype="float64")),
    ],
    "keraport::EinsumDense": [case("MatMul", x(B, 4, 3, 6), w(4, 6, 5)), case("MatMul", x(B, 4, 3, 6), w(1, 4, 6, 5)), case("MatMul", x(B, 2, 3, 3), w(2, 3, 3))],
    "Gemm": [case("Gemm", x(B, 6), x(6, 4), x(4)), case("Gemm", x(6, B), x(4, 6), transA=1, transB=1, alpha=0.5), case("Gemm", x(B, 6), x(6, 4), w(4), beta=0.5), case("Gemm", x(3, 6), x(6, 3), x(3, 1))],
    "MatMul": [
        case("MatMul", x(B, 3, 6), x(B, 6, 4)), case("MatMul", x(B, 2, 3, 6), x(B, 2, 6, 4)), case("MatMul", x(B, 3, 6), x(6, 4)), case("MatMul", x(6), x(6, 4)), case("MatMul", x(B, 3, 6), x(6)),
        case("MatMul", x(6), x(6)), case("MatMul", x(B, 6), w(6)), case("MatMul", w(6), x(6, 4)), case("MatMul", w(3, 6), x(B, 6, 4)), case("MatMul", w(2, 3, 6), x(B, 2, 6, 4)),
        case("MatMul", x(B, 2, 3, 6), x(2, 6, 4)), case("MatMul", x(B, 1, 3, 6), x(B, 2, 6, 4)), case("MatMul", x(B, 2, 3, 6), w(2, 6, 4)), case("MatMul", x(B, 2, 3, 6), w(1, 2, 6, 4)),
        case("MatMul", x(B, 3, 6, dtype="int32"), x(B, 6, 4, dtype="int32")), case("MatMul", x(B, 3, 6, dtype="float64"), x(B, 6, 4, dtype="float64")), case("MatMul", x(B, 1, 6), x(B, 6, 1)),
        case("MatMul", x(B, 4, 3, 3), x(B, 4, 3, 3)), case("MatMul", x(B, 4, 4, 4), w(4, 4)), case("MatMul", x(B, 4, 4, 4), x(B, 4, 4, 4)),
    ],
    "Einsum": [
        *(case("Einsum", x(B, 3, 4, 5), x(B, 3, 4, 5), equation=equation) for equation in ("bchw,bchw->bc", "bchw,bchw->bchw", "bchw,bcij->bhwij", "bcij,bckl->bijkl", "bchw,bchw->")),
        case("Einsum", x(B, 3, 4, 5), w(3, 6), equation="bchw,cd->bdhw"), case("Einsum", x(B, 3, 4), x(B, 5, 4), equation="bid,bjd->bij"), case("Einsum", x(B, 3, 4), equation="bij->bji"), case("Einsum", x(B, 3, 4), x(B, 4, 5), equation="bIj,bjJ->bIJ"),
        case("Einsum", x(B, 3, 4), equation="bij->b"), case("Einsum", x(B, 4, 4), equation="bii->bi"), case("Einsum", x(B, 3, 4), x(4, 5), equation="...i,ij->...j"),
        case("Einsum", x(B, 2, 3, 4), x(B, 2, 5, 4), equation="b h i d, b h j d -> b h i j"), case("Einsum", x(B, 3), x(B, 4), equation="bi,bj"), case("Einsum", x(B, 3, 4), x(B, 4, 5), x(B, 5), equation="bij,bjk,bk->bi"),
    ],
    "Det": [case("Det", x(B, 3, 3), _contexts="plain"), case("Det", x(B, 2, 4, 4), _contexts="plain"), case("Det", x(5, 5), _contexts="plain")],
    "keraport::DotProductAttention": [
        attention(*qkv()), attention(*qkv(), scale=0.3), attention(*qkv(keys=6), is_causal=1), attention(*qkv(length=4, keys=6), is_causal=1), attention(*qkv(length=6, keys=4), is_causal=1),
        attention(*qkv(), w(6, 5)), attention(*qkv(), w(1, 2, 6, 5)), attention(*qkv(), w(2, 6, 5)), attention(*qkv(), w(1, 1, 6, 5)), attention(*qkv(), x(B, 1, 6, 5)), attention(*qkv(), x(B, 2, 6, 5)),
        attention(*qkv(), MASK), attention(*qkv(), MASK[None, None]), attention(*qkv(), MASK[None]),
        attention(*qkv(heads=4, kv_heads=2)), attention(*qkv(heads=4, kv_heads=1)), attention(*qkv(heads=4, kv_heads=2, keys=6), is_causal=1), attention(*qkv(length="t", keys="t")), attention(*qkv(length="t", keys="s")),
        attention(*qkv(length="t", keys="t"), is_causal=1), attention(x(B, 6, 8), x(B, 5, 8), x(B, 5, 8), q_num_heads=2, kv_num_heads=2), attention(x(B, 6, 8), x(B, 5, 4), x(B, 5, 4), q_num_heads=4, kv_num_heads=2),
        attention(x(B, "t", 8), x(B, "s", 8), x(B, "s", 8), q_num_heads=2, kv_num_heads=2), attention(x(B, 6, 8), x(B, 5, 8), x(B, 5, 6), w(6, 5), q_num_heads=2, kv_num_heads=2, scale=0.5),
        attention(x(B, 2, 6, 4), x(B, 2, 5, 4), x(B, 2, 5, 3)), attention(*qkv(keys=6), w(6, 6), is_causal=1), attention(*qkv(dtype="float16")),
        attention(*qkv(keys=6), MASK[:, :1] | np.eye(6, dtype=bool), is_causal=1),
        attention(*qkv(), MASK & (np.arange(6) > 1)[:, None]), attention(*qkv(keys=6), MASK[:, :1] & np.eye(6, dtype=bool), is_causal=1),
        attention(*qkv(), x(B, 1, 6, 5, dtype="bool")), attention(*qkv(keys=6), x(B, 1, 1, 6, dtype="bool"), is_causal=1), attention(*qkv(length="t", keys="t"), x(B, 1, "t", "t", dtype="bool"), is_causal=1),
        attention(w(1, 2, 6, 4), x(1, 2, 5, 4), x(1, 2, 5, 4)), attention(x(1, 2, 6, 4), w(1, 2, 5, 4), w(1, 2, 5, 3)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
