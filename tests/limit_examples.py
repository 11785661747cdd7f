"""Graphs that hold passes/graph/unsupported.py to the truth: what passes take out converts, others are refused."""

from __future__ import annotations

HEADER = '<ir_version: 10, opset_import: ["" : {opset}]>\n{text}'
WINDOW = "g (float[batch,6] x) => (float[batch,6] y) <int64 n = {{6}}> {{ w = {operator}(n) y = Mul(x, w) }}"
NET = """g (float[time,batch,2] x) => (float[time,1,batch,3] y)
        <float[1,{gates},2] w = {{{w}}}, float[1,{gates},3] r = {{{r}}}> {{
        y = {operator}<hidden_size=3{more}>(x, w, r) }}"""


def net(operator: str, gates: int, more: str = "") -> str:
    """A recurrent operator with three units."""
    w, r = (", ".join(["0.25"] * (gates * 3 * size)) for size in (2, 3))
    return NET.format(operator=operator, gates=3 * gates, w=w, r=r, more=more)


LIST = "g (float[batch,4] x) => (float[batch,4] y) <int64 zero = {0}> "
HEADS = "float[batch,2,5,4] q, float[batch,2,5,4] k, float[batch,2,5,4] v"

CONVERTED = {
    "Attention": f"g ({HEADS}) => (float[batch,2,5,4] y) {{ y = Attention(q, k, v) }}",
    "Bernoulli": "g (float[batch,4] x) => (float[batch,4] y) { r = Relu(x) p = Sign(r) y = Bernoulli(p) }",
    "BlackmanWindow": WINDOW.format(operator="BlackmanWindow"),
    "CastLike": "g (float[batch,4] x) => (float[batch,4] y) <int64[1] c = {3}> { f = CastLike(c, x) y = Mul(x, f) }",
    "ConcatFromSequence": """g (float[batch,4] x) => (float[batch,8] y) {
        r = Relu(x) s = SequenceConstruct(x, r) y = ConcatFromSequence<axis=1>(s) }""",
    "Constant": """g (float[batch,3] x) => (float[batch,3] y) {
        c = Constant<value = float[3] {1, 2, 3}>() y = Add(x, c) }""",
    "ConstantOfShape": """g (float[batch,3] x) => (float[batch,3] y) <int64[1] three = {3}> {
        c = ConstantOfShape<value = float[1] {2}>(three) y = Add(x, c) }""",
    "ConvInteger": """g (uint8[batch,1,4,4] x) => (int32[batch,1,3,3] y)
        <uint8[1,1,2,2] w = {1, 2, 3, 4}, uint8 zero = {3}> { y = ConvInteger(x, w, zero) }""",
    "DynamicQuantizeLinear": """g (float[batch,4] x) => (float[batch,4] y) {
        q, s, z = DynamicQuantizeLinear(x) y = DequantizeLinear(q, s, z) }""",
    "MatMulInteger": "g (uint8[batch,3] x, uint8[3,2] w) => (int32[batch,2] y) { y = MatMulInteger(x, w) }",
    "QLinearConv": """g (uint8[batch,1,4,4] x) => (uint8[batch,1,3,3] y)
        <float s = {0.5}, uint8 z = {3}, uint8[1,1,2,2] w = {1, 2, 3, 4}, float t = {0.25}, float u = {20}> {
        y = QLinearConv(x, s, z, w, t, z, u, z) }""",
    "QLinearMatMul": """g (uint8[batch,3] x) => (uint8[batch,2] y)
        <float s = {0.5}, uint8 z = {3}, uint8[3,2] w = {1, 2, 3, 4, 5, 6}, float t = {0.25}, float u = {20}> {
        y = QLinearMatMul(x, s, z, w, t, z, u, z) }""",
    "Dropout": "g (float[batch,3] x) => (float[batch,3] y) { y = Dropout(x) }",
    "AffineGrid": """g (float[2,2,3] x) => (float[2,4,5,2] y) <int64[4] n = {2, 3, 4, 5}> { y = AffineGrid(x, n) }""",
    "CausalConvWithState": """g (float[batch,3,6] x, float[batch,3,2] p) => (float[batch,3,6] y)
        <float[3,1,3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9}> { y = CausalConvWithState(x, w, , p) }""",
    "CenterCropPad": """g (float[batch,6,5] x) => (float[batch,4,7] y) <int64[2] n = {4, 7}> {
        y = CenterCropPad<axes=[1, 2]>(x, n) }""",
    "Col2Im": """g (float[batch,8,9] x) => (float[batch,2,4,4] y) <int64[2] n = {4, 4}, int64[2] k = {2, 2}> {
        y = Col2Im(x, n, k) }""",
    "GlobalLpPool": "g (float[batch,2,3,4] x) => (float[batch,2,1,1] y) { y = GlobalLpPool<p=3>(x) }",
    "LinearAttention": """g (float[2,3,8] q, float[2,3,8] k, float[2,3,8] v) => (float[2,3,8] y, float[2,2,4,4] s) {
        y, s = LinearAttention<q_num_heads=2, kv_num_heads=2, update_rule="linear">(q, k, v) }""",
    "Loop": """g (float[2] x) => (float[2] y, float[3,2] z) <int64 n = {3}, bool c = {1}> { y, z = Loop(n, c, x) <
        body = b (int64 i, bool ci, float[2] v) => (bool co, float[2] vo, float[2] w) {
        co = Identity(ci) f = CastLike(i, v) vo = Add(v, f) w = Neg(vo) }> }""",
    "LpPool": "g (float[batch,2,6] x) => (float[batch,2,3] y) { y = LpPool<kernel_shape=[2], strides=[2], p=3>(x) }",
    "MeanVarianceNormalization": """g (float[2,3,4,5] x) => (float[2,3,4,5] y) { y = MeanVarianceNormalization(x) }""",
    "Multinomial": """g (float[batch,4] x) => (int32[batch,5] y) <float far = {1000000}> {
        l = Mul(x, far) y = Multinomial<sample_size=5>(l) }""",
    "RandomNormal": """g (float[batch,4] x) => (float[batch,4] y) {
        z = RandomNormal<shape=[4], mean=100.0>() s = Sign(z) y = Mul(x, s) }""",
    "RandomNormalLike": """g (float[batch,4] x) => (float[batch,4] y) {
        z = RandomNormalLike<mean=-100.0>(x) s = Sign(z) y = Mul(x, s) }""",
    "RandomUniform": """g (float[batch,4] x) => (float[batch,4] y) {
        u = RandomUniform<shape=[1,4], low=2.0, high=3.0>() f = Floor(u) y = Add(x, f) }""",
    "RandomUniformLike": """g (float[batch,4] x) => (float[batch,4] y) {
        u = RandomUniformLike<low=-3.0, high=-2.0>(x) f = Floor(u) y = Add(x, f) }""",
    "NegativeLogLikelihoodLoss": """g (float[2,3] x, int64[2] t) => (float y) {
        l = LogSoftmax(x) i = ArgMax<axis=1, keepdims=0>(x) y = NegativeLogLikelihoodLoss(l, i) }""",
    "RotaryEmbedding": """g (float[1,2,3,4] x) => (float[1,2,3,4] y)
        <float[1,3,2] c = {1, 2, 3, 4, 5, 6}, float[1,3,2] s = {6, 5, 4, 3, 2, 1}> { y = RotaryEmbedding(x, c, s) }""",
    "Scan": """g (float[2] s, float[3,2] x) => (float[2] y, float[3,2] z) { y, z = Scan<num_scan_inputs=1,
        body = b (float[2] a, float[2] r) => (float[2] c, float[2] d) { c = Add(a, r) d = Neg(c) }>(s, x) }""",
    "SoftmaxCrossEntropyLoss": """g (float[2,3] x) => (float y) {
        i = ArgMin<axis=1, keepdims=0>(x) y = SoftmaxCrossEntropyLoss(x, i) }""",
    "SwiGLU": "g (float[2,4] x, float[2,4] z) => (float[2,4] y) { y = SwiGLU(x, z) }",
    "Flatten": "g (float[batch,2,3] x) => (float[batch,6] y) { y = Flatten(x) }",
    "GRU": net("GRU", 3),
    "LSTM": net("LSTM", 4),
    "RNN": net("RNN", 1),
    "GlobalAveragePool": "g (float[batch,2,3,4] x) => (float[batch,2,1,1] y) { y = GlobalAveragePool(x) }",
    "GlobalMaxPool": "g (float[batch,2,3,4] x) => (float[batch,2,1,1] y) { y = GlobalMaxPool(x) }",
    "HammingWindow": WINDOW.format(operator="HammingWindow"),
    "HannWindow": WINDOW.format(operator="HannWindow"),
    "If": """g (float[batch,4] x) => (float[batch,4] y) <bool c = {1}> { y = If(c) <
        then_branch = a () => (float[batch,4] p) { p = Relu(x) },
        else_branch = b () => (float[batch,4] q) { q = Neg(x) }> }""",
    "MelWeightMatrix": """g (float[batch,5] x) => (float[batch,3] y)
        <int64 a = {3}, int64 b = {8}, int64 c = {16000}, float d = {20}, float e = {8000}> {
        m = MelWeightMatrix(a, b, c, d, e) y = MatMul(x, m) }""",
    "Range": """g (float[batch,6] x) => (float[batch,6] y) <int64 a = {0}, int64 b = {6}, int64 c = {1}> {
        r = Range(a, b, c) f = Cast<to=1>(r) y = Add(x, f) }""",
    "SequenceAt": LIST + "{ r = Relu(x) s = SequenceConstruct(x, r) y = SequenceAt(s, zero) }",
    "SequenceConstruct": LIST + "{ r = Relu(x) s = SequenceConstruct(r, x) y = SequenceAt(s, zero) }",
    "SequenceEmpty": LIST + "{ e = SequenceEmpty() s = SequenceInsert(e, x) y = SequenceAt(s, zero) }",
    "SequenceErase": LIST
    + "{ r = Relu(x) s = SequenceConstruct(x, r) e = SequenceErase(s, zero) y = SequenceAt(e, zero) }",
    "SequenceInsert": LIST + "{ s = SequenceConstruct(x) t = SequenceInsert(s, x) y = SequenceAt(t, zero) }",
    "SequenceLength": LIST
    + "{ r = Relu(x) s = SequenceConstruct(x, r) n = SequenceLength(s) f = Cast<to=1>(n) y = Mul(x, f) }",
    "BitCast": "g (float[batch,3] x) => (int32[batch,3] y) { y = BitCast<to=6>(x) }",
    "CumProd": "g (float[batch,3,4] x) => (float[batch,3,4] y) <int64 a = {1}> { y = CumProd<exclusive=1>(x, a) }",
    "TensorScatter": """g (float[2,4,3] p, float[2,1,3] u) => (float[2,4,3] y) <int64[2] i = {3, 0}> {
        y = TensorScatter(p, u, i) }""",
    "MaxUnpool": """g (float[batch,2,3,3] x) => (float[batch,2,6,6] y) {
        p, i = MaxPool<kernel_shape=[1, 1]>(x) y = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(p, i) }""",
    "DeformConv": """g (float[1,1,4,4] x, float[1,8,3,3] o) => (float[1,1,3,3] y) <float[1,1,2,2] w = {1, 2, 3, 4}> {
        y = DeformConv(x, w, o) }""",
    "SplitToSequence": """g (float[batch,4] x) => (float[batch,2] y) <int64 two = {2}, int64 one = {1}> {
        s = SplitToSequence<axis=1>(x, two) y = SequenceAt(s, one) }""",
    "Squeeze": "g (float[batch,1,3] x) => (float[batch,3] y) <int64[1] axis = {1}> { y = Squeeze(x, axis) }",
    "Swish": "g (float[2,4] x) => (float[2,4] y) { y = Swish<alpha=0.5>(x) }",
    "Unsqueeze": "g (float[batch,3] x) => (float[batch,1,3] y) <int64[1] axis = {1}> { y = Unsqueeze(x, axis) }",
}  # fmt: skip
"""A graph for each operator of BY_PASSES; converted models equal onnxruntime."""

REFUSED = {
    "SequenceMap": """g (float[2] x) => (float[2] y) <int64 n = {0}> { s = SequenceConstruct(x) t = SequenceMap(s) <
        body = b (float[2] v) => (float[2] w) { w = Relu(v) }> y = SequenceAt(t, n) }""",
    "StringNormalizer": "g (string[2] x) => (string[2] y) { y = StringNormalizer(x) }",
    "Optional": "g (float[2,3] x) => (float[2,3] y) { o = Optional(x) y = OptionalGetElement(o) }",
}  # fmt: skip
"""A graph for one operator of each group of REFUSED."""

PARTS = {
    "indices": """g (float[1,3,h,w] x) => (float[1,3,a,b] y, int64[1,3,a,b] i) {
        y, i = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }""",
    "computed axes": """g (float[a,b,c,d,e,f,g] x, int64[3] n) => (float[h,i,j,k] y) {
        y = ReduceSum<keepdims=0>(x, n) }""",
    "computed sizes": "g (float[2] x, int64[1] r) => (float[n] y) { y = Tile(x, r) }",
    "computed condition": """g (float[2,4] x, bool c) => (float[2,4] y) <int64[1] zero = {0}> { y = If(c) <
        then_branch = a () => (float[2,4] p) { p = Relu(x) },
        else_branch = b () => (float[4] q) { q = ReduceMax<keepdims=0>(x, zero) }> }""",
    "computed turns": """g (float[2] x, int64 n) => (float[m] y) <bool c = {1}> { y = Loop(n, c, x) <
        body = b (int64 i, bool ci, float[k] v) => (bool co, float[l] vo) {
        co = Identity(ci) vo = Concat<axis=0>(v, v) }> }""",
    "odd quantisation": """g (float[batch,4] x) => (float[batch,4] y) <float scale = {0.5}> {
        q = QuantizeLinear<output_dtype=17>(x, scale) y = Cast<to=1>(q) }""",
    "tf_crop_and_resize": """g (float[1,3,h,4] x) => (float[1,3,a,8] y)
        <float[8] roi = {0, 0, 0, 0, 1, 1, 1, 1}, float[4] s = {1, 1, 2, 2}> {
        y = Resize<coordinate_transformation_mode="tf_crop_and_resize", mode="linear">(x, roi, s) }""",
    "random numbers": """g (float[2,4] x, bool c) => (float[2,4] y) { y = If(c) <
        then_branch = a () => (float[2,4] p) { p = Relu(x) },
        else_branch = b () => (float[2,4] q) { q = RandomNormalLike(x) }> }""",
    "rows": "g (float[4,3] x) => (float[n,3] y) { y = Unique<axis=0>(x) }",
    "far reflections": """g (float[1,3,4,4] x) => (float[1,3,14,4] y) <int64[8] p = {0, 0, 5, 0, 0, 0, 5, 0}> {
        y = Pad<mode="reflect">(x, p) }""",
}  # fmt: skip
"""A graph for each of PARTS that can be written as text."""


def with_header(text: str, opset: int = 23) -> str:
    return HEADER.format(opset=opset, text=text)
