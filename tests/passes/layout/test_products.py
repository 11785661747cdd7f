"""Products of attention: keys of one head, fused projections that are indexed. No axis changes places for them."""

from __future__ import annotations

import pytest

from converter.backends.keras.nesting.levels import count_transposes, operations
from tests.harness import check_onnx

SIZES = {"b": (1, 2), "t": (1, 5)}

ATTENTION = """g (float[b,t,{width}] x, float[b,1,t,t] mask) => (float[b,t,16] y)
    <int64[4] heads = {{0, 0, {all}, 4}}, int64[3] parts = {{4, {kept}, {kept}}}, int64[3] flat = {{0, 0, 16}},
     float half = {{0.5}}> {{
    h = Reshape(x, heads) {split}
    qt = Transpose<perm=[0,2,1,3]>(q) kt = Transpose<perm=[0,2,3,1]>(k) vt = Transpose<perm=[0,2,1,3]>(v)
    s = MatMul(qt, kt) r = Mul(s, half) c = Tanh(r) m = Add(c, mask) w = Softmax<axis=-1>(m) o = MatMul(w, vt)
    back = Transpose<perm=[0,2,1,3]>(o) y = Reshape(back, flat) }}"""
"""A bounded score, so that no pass makes one operator of it."""


@pytest.mark.parametrize("kept", [1, 4])
@pytest.mark.parametrize("layout", ["source", "channels_last"])
def test_keys_and_values_of_one_head(kept: int, layout: str) -> None:
    width = 4 * (4 + 2 * kept)
    split = "q, k, v = Split<axis=2>(h, parts)"
    text = ATTENTION.format(width=width, all=4 + 2 * kept, kept=kept, split=split)
    checked = check_onnx(text, sizes=SIZES, layout=layout)
    assert count_transposes(checked.model) == 0


def test_nothing_is_repeated() -> None:
    text = ATTENTION.format(width=24, all=6, kept=1, split="q, k, v = Split<axis=2>(h, parts)")
    made = operations(check_onnx(text, sizes=SIZES, layout="source").model).values()
    assert not [operation.name for operation in made if type(operation).__name__ in ("BroadcastTo", "Repeat", "Tile")]


@pytest.mark.parametrize("last", [-1, 5])
def test_a_list_of_one_index(last: int) -> None:
    """Of torch's x[:, :, [-2]]: the axis is brought to the front and back."""
    split = f"""
    first = Constant<value = int64[4] {{0, 1, 2, 3}}>() q = Gather<axis=2>(h, first)
    front = Transpose<perm=[2,0,1,3]>(h) at_k = Constant<value = int64[1,1] {{-2}}>()
    at_v = Constant<value = int64[1,1] {{{last}}}>() fk = GatherND(front, at_k) fv = GatherND(front, at_v)
    k = Transpose<perm=[1,2,0,3]>(fk) v = Transpose<perm=[1,2,0,3]>(fv)"""
    checked = check_onnx(ATTENTION.format(width=24, all=6, kept=1, split=split), sizes=SIZES, layout="source")
    assert count_transposes(checked.model) == 0


@pytest.mark.parametrize(
    ("attributes", "shape", "numbers", "rank"),
    [("", "3,2", "0, 1, 1, 0, 2, 1", 2), ("<batch_dims=1>", "3,1,1", "1, 0, 1", 3), ("", "2,1", "-1, 0", 3)],
)
def test_other_indices(attributes: str, shape: str, numbers: str, rank: int) -> None:
    """Of several axes, for each of a batch, and several along the first."""
    sizes = ",".join("pqr"[:rank])
    text = f"""g (float[3,5,4] x) => (float[{sizes}] y) <int64[{shape}] at = {{{numbers}}}> {{
        t = Transpose<perm=[0,2,1]>(x) s = Sin(t) y = GatherND{attributes}(s, at) }}"""
    check_onnx(text, layout="source")


@pytest.mark.parametrize(
    ("a", "b", "out"),
    [
        ("b,3,t,4", "b,1,4,5", "b,3,t,5"),
        ("b,1,t,4", "b,3,4,5", "b,3,t,5"),
        ("b,3,1,t,4", "b,1,2,4,5", "b,3,2,t,5"),
        ("b,3,t,4", "3,4,5", "b,3,t,5"),
        ("t,4", "b,3,4,5", "b,3,t,5"),
        ("b,3,1,4", "b,1,4,1", "b,3,1,1"),
    ],
)
@pytest.mark.parametrize("turned", ["a", "b", "ab"])
def test_broadcast(a: str, b: str, out: str, turned: str) -> None:
    """Either side, in several axes, by rank: with the last two axes the other way about before."""
    inputs = {"a": a.split(","), "b": b.split(",")}
    lines = []
    for name, sizes in inputs.items():
        perm = list(range(len(sizes)))
        if name in turned:
            perm[-2:] = perm[:-3:-1]
            sizes[-2:] = sizes[:-3:-1]
        lines.append(f"{name}t = Transpose<perm={perm}>({name}) {name}s = Sin({name}t)")
    text = f"""g (float[{",".join(inputs["a"])}] a, float[{",".join(inputs["b"])}] b) => (float[{out}] y) {{
        {lines[0]} {lines[1]} y = MatMul(as, bs) }}"""
    check_onnx(text, sizes=SIZES, layout="source")


SEQUENCE_FIRST = """g (float[b,t,4] x, float[b,t] seen, float[4,2,3] p, float[2,3,4] r) => (float[b,t,4] y)
    <int64[2] outer = {0, 3}, int64[2] behind = {2, 3}, float big = {9}> {
    s = Transpose<perm=[1,0,2]>(x) m = Transpose<perm=[1,0]>(seen)
    q = Einsum<equation="ibh,hnd->ibnd">(s, p) k = Sin(q) v = Cos(q)
    scores = Einsum<equation="ibnd,jbnd->bnij">(q, k)
    columns = Unsqueeze(m, outer) near = Einsum<equation="ibh,jbh->ij">(s, s) apart = Unsqueeze(near, behind)
    pairs = Add(columns, apart) hidden = Einsum<equation="ijbn->bnij">(pairs) off = Mul(hidden, big)
    masked = Sub(scores, off) w = Softmax<axis=3>(masked) o = Einsum<equation="bnij,jbnd->ibnd">(w, v)
    out = Einsum<equation="ibnd,ndh->ibh">(o, r) sum = Add(out, s) y = Transpose<perm=[1,0,2]>(sum) }"""


def test_the_sequence_before_the_batch() -> None:
    """Einsum gives what it computes as its operands lie, and a mask is made as the first that has two of its axes."""
    checked = check_onnx(SEQUENCE_FIRST, sizes={"b": (1, 3), "t": (1, 5)}, layout="source")
    assert count_transposes(checked.model) == 0


@pytest.mark.parametrize(
    ("equation", "b", "sizes"),
    [
        ("ibh,jbh->bij", "b,t,4", "b,t,t"),
        ("ibh,jbh->ijb", "b,t,4", "t,t,b"),
        ("ibh,bih->hib", "t,b,4", "4,t,b"),
        ("ibh,kbh->ibk", "b,t,4", "t,b,t"),
    ],
)
def test_letters_in_another_order(equation: str, b: str, sizes: str) -> None:
    text = f"""g (float[b,t,4] x, float[{b}] z) => (float[{sizes}] y) {{
        s = Transpose<perm=[1,0,2]>(x) u = Transpose<perm=[1,0,2]>(z) e = Einsum<equation="{equation}">(s, u)
        y = Sin(e) }}"""
    check_onnx(text, sizes={"b": (2, 3), "t": (1, 5)}, layout="source")


@pytest.mark.parametrize(
    ("other", "sizes"),
    [
        ("b,1,t,5", "b,4,t,5"),
        ("b,1,1,5", "b,4,t,5"),
        ("1,4,1,5", "b,4,t,5"),
        ("b,4,5,1", "b,4,5,t"),
        ("3,1,1,5", "3,4,t,5"),
    ],
)
def test_neither_has_all_axes(other: str, sizes: str) -> None:
    """The one that is moved leads, and its new axes are where they are in the value."""
    first, at = "1,t,4" if other.startswith("3") else "b,t,4", 2 if sizes.endswith("t") else 3
    text = f"""g (float[{first}] x, float[{other}] z) => (float[{sizes}] y) <int64[1] at = {{{at}}}> {{
        s = Transpose<perm=[0,2,1]>(x) c = Sin(s) u = Unsqueeze(c, at) m = Mul(u, z) w = Softmax<axis=2>(m)
        y = Add(w, m) }}"""
    check_onnx(text, sizes={"b": (1, 3), "t": (1, 6)}, layout="source")


def test_what_is_repeated_for_the_batch_lies_as_it_did() -> None:
    """Positions of relative attention, [k, h·d] by heads, once for each sequence: as DeBERTa multiplies them."""
    text = """g (float[b,t,8] x, float[5,8] p) => (float[b,t,5] y)
        <int64[1] one = {1}, int64[4] heads = {0, 0, 2, 4}, int64[3] split = {0, 2, 4}, int64[1] zero = {0},
         int64[2] ones = {1, 1}> {
        h = Reshape(x, heads) th = Transpose<perm=[0,2,1,3]>(h) s = Shape(th) t1 = Constant<value = int64[1] {2}>()
        length = Gather(s, t1) minus = Constant<value = int64[1] {-1}>()
        four = Constant<value = int64[1] {4}>()
        two = Constant<value = int64[1] {2}>()
        five = Constant<value = int64[1] {5}>() again = Concat<axis=0>(minus, two, length, five)
        flat = Concat<axis=0>(minus, length, four) q = Reshape(th, flat)
        r = Reshape(p, split) tr = Transpose<perm=[1,0,2]>(r) size = Shape(x) batch = Gather(size, zero)
        often = Concat<axis=0>(batch, ones) k = Tile(tr, often) kt = Transpose<perm=[0,2,1]>(k)
        scores = MatMul(q, kt) apart = Reshape(scores, again) y = ReduceSum<keepdims=0>(apart, one) }"""
    checked = check_onnx(text, sizes=SIZES)
    assert count_transposes(checked.model) == 0


@pytest.mark.parametrize("layout", ["source", "channels_last"])
@pytest.mark.parametrize("sizes", ["b,4,2,3", "b,5,3,2", "2,5,2,3"])
@pytest.mark.parametrize("product", ["MatMul(f, at)", "MatMul(g, at)"])
def test_values_before_their_weights(sizes: str, layout: str, product: str) -> None:
    """Channels by tokens, times weights the other way about, are tokens by channels where images are: read twice."""
    rest = sizes.partition(",")[2].replace(",", ", ")
    text = f"""g (float[{sizes}] x) => (float[{sizes}] y, float[{sizes}] z)
        <int64[3] flat = {{0, 0, 6}}, int64[4] image = {{-1, {rest}}}, float half = {{0.5}}> {{
        r = LRN<size=3>(x) f = Reshape(r, flat) q = Transpose<perm=[0,2,1]>(f) g = Cos(f)
        s = MatMul(q, g) m = Mul(s, half) w = Softmax<axis=-1>(m) at = Transpose<perm=[0,2,1]>(w) o = {product}
        i = Reshape(o, image) y = Add(i, x) n = Mul(i, half) z = Sub(n, x) }}"""
    checked = check_onnx(text, sizes={"b": (1, 3)}, layout=layout)
    assert layout == "source" or count_transposes(checked.model) == 0


def test_channels_that_attend_to_channels() -> None:
    """XCiT's: what is summed over lies in front, and scores lie as they are softmaxed."""
    text = """g (float[b,t,8] x) => (float[b,t,8] y) <int64[4] heads = {0, 0, 2, 4}, int64[3] flat = {0, 0, 8}> {
        h = Reshape(x, heads) k = Transpose<perm=[0,2,1,3]>(h) q = Transpose<perm=[0,2,3,1]>(h) c = Cos(k)
        s = MatMul(q, c) w = Softmax<axis=-1>(s) o = MatMul(w, q) u = Transpose<perm=[0,3,1,2]>(o)
        y = Reshape(u, flat) }"""
    checked = check_onnx(text, sizes={"b": (1, 3), "t": (2, 5)}, layout="source")
    assert count_transposes(checked.model) == 0
