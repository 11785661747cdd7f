"""Products along axes that lie elsewhere: an EinsumDense that leaves them there, where they are needed there again."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import converter
from converter.backends.keras.nesting.levels import count_transposes, operations
from converter.cli import main
from passes.order import run_pipeline
from passes.shapes.infer import InferShapes
from tests.harness import check_onnx, graph, operators

NUMBERS = ", ".join(str((i * 7 % 11 - 5) / 8) for i in range(24))
WEIGHTS = f"""float[4,6] wide = {{{NUMBERS}}}, float[6,4] narrow = {{{NUMBERS}}}, float[6] six = {{1,2,3,4,5,6}},
    float[4] four = {{4,3,2,1}}, float[6,1] rows = {{1,2,3,4,5,6}}, float[2,4,3] stack = {{{NUMBERS}}},
    float[1,2,3,4] more = {{{NUMBERS}}}, float[1,6,4] one = {{{NUMBERS}}}, float[4,1,2,3] outer = {{{NUMBERS}}},
    int64[3] flat = {{0, 4, -1}}, int64[4] split = {{0, 0, 2, 4}}"""

MIXED = {
    "there and back": ("b,4,c", "b,6,c", "p = MatMul(t, wide) y = Transpose<perm=[0,2,1]>(p)", 1),
    "with a bias": ("b,4,c", "b,6,c", "p = MatMul(t, wide) q = Add(p, six) y = Transpose<perm=[0,2,1]>(q)", 1),
    "from the left": ("b,c,4", "b,c,6", "w = Transpose<perm=[1,0]>(wide) p = MatMul(w, t) q = Add(p, rows) "
                      "y = Transpose<perm=[0,2,1]>(q)", 0),
    "two of them": ("b,4,c", "b,4,c", "p = MatMul(t, wide) q = Add(p, six) g = Gelu(q) r = MatMul(g, narrow) "
                    "s = Add(r, four) u = Transpose<perm=[0,2,1]>(s) y = Add(u, x)", 2),
    "a gate": ("b,4,c", "b,4,c", "p = MatMul(t, wide) k = MatMul(p, narrow) q = Add(k, four) "
               "u = Transpose<perm=[0,2,1]>(q) h = Sin(x) y = Mul(h, u)", 2),
    "a gate before it": ("b,4,c", "b,6,c", "s = Sigmoid(t) m = Mul(t, s) p = MatMul(m, wide) q = Tanh(p) "
                         "y = Transpose<perm=[0,2,1]>(q)", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("layout", ["source", "channels_last"])
def test_mixed_along_another_axis(name: str, layout: str) -> None:
    takes, gives, body, count = MIXED[name]
    text = f"g (float[{takes}] x) => (float[{gives}] y) <{WEIGHTS}> {{ t = Transpose<perm=[0,2,1]>(x) {body} }}"
    for given in (text, text.replace("c]", "5]").replace("c,", "5,"), text.replace("b,", "2,")):
        checked = check_onnx(given, sizes={"b": (1, 3), "c": (1, 5, 7)}, layout=layout)
        assert count_transposes(checked.model) == 0
        assert sum(isinstance(each, keras.layers.EinsumDense) for each in operations(checked.model).values()) == count


def test_a_branch_that_meets_a_stream_goes_its_way() -> None:
    """A stream of convolutions lies by channels: what is added to it is moved there, and not the stream to it."""
    kernel = ", ".join(str((i * 5 % 7 - 3) / 4) for i in range(36))
    text = f"""g (float[b,4,6,4] x, float[b,4,6,4] z) => (float[b,6,6,4] y)
        <{WEIGHTS}, float[6,6,1,1] kernel = {{{kernel}}}, float[6,4,1,1] first = {{{NUMBERS}}}> {{
        c = Conv(x, first) d = Relu(c) stream = Transpose<perm=[0,2,3,1]>(d) r = Reshape(z, same)
        t = Transpose<perm=[0,2,3,1]>(r) p = MatMul(t, wide) q = Add(p, six) a = Add(stream, q)
        n = Tanh(a) m = Add(a, n) back = Transpose<perm=[0,3,1,2]>(m) y = Conv(back, kernel) }}"""
    model = check_onnx(
        text.replace("int64[4] split", "int64[4] same = {0, 4, 6, 4}, int64[4] split"), sizes={"b": (1, 3)}
    ).model
    assert not any(isinstance(each, keras.layers.EinsumDense) for each in operations(model).values())
    assert count_transposes(model) <= 1


@pytest.mark.parametrize("height", [2, 1])
def test_tokens_of_an_image(height: int) -> None:
    """Rows and columns are one axis, along which channels are mixed, and become rows and columns again."""
    text = f"""g (float[b,c,{height},{4 // height}] x) => (float[b,c,{height},{4 // height}] y)
        <{WEIGHTS}, int64[3] tokens = {{0, 0, 4}}, int64[4] image = {{0, 0, {height}, {4 // height}}}> {{
        r = Sin(x) t = Reshape(r, tokens) p = MatMul(t, wide) g = Gelu(p) q = MatMul(g, narrow) s = Add(q, four)
        i = Reshape(s, image) y = Add(i, x) }}"""
    check_onnx(text, sizes={"b": (1, 3), "c": (1, 5)})
    check_onnx(text.replace("c,", "5,"), sizes={"b": (1, 3)})


KEPT = {
    "what stays as it is": ("b,4,c", "b,c,6", "t = Transpose<perm=[0,2,1]>(x) p = MatMul(t, wide) y = Add(p, six)", 1),
    "what is read where it is only": ("b,4,c", "b,c,4", "t = Transpose<perm=[0,2,1]>(x) p = MatMul(t, wide) "
                                      "s = Softmax<axis=1>(p) y = MatMul(s, narrow)", 1),
    "along the batch": ("4,b,c", "6,b,c", "t = Transpose<perm=[2,1,0]>(x) p = MatMul(t, wide) "
                        "y = Transpose<perm=[2,1,0]>(p)", 2),
    "what does not come back": ("b,4,c", "c,b,6", "t = Transpose<perm=[0,2,1]>(x) p = MatMul(t, wide) "
                                "y = Transpose<perm=[1,0,2]>(p)", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_a_dense_stays_one(name: str) -> None:
    takes, gives, body, count = KEPT[name]
    text = f"g (float[{takes}] x) => (float[{gives}] y) <{WEIGHTS}> {{ {body} }}"
    checked = check_onnx(text, sizes={"b": (1, 3), "c": (2, 5)}, layout="source")
    assert count_transposes(checked.model) == count
    assert not [each for each in operations(checked.model).values() if isinstance(each, keras.layers.EinsumDense)]


def test_heads_that_talk() -> None:
    """CaiT's: the Einsum of the scores gives them in the order that a plain Dense wants."""
    text = f"""g (float[b,t,4,3] x) => (float[b,4,t,t] y) <{WEIGHTS}> {{
        q = Transpose<perm=[0,2,1,3]>(x) s = Sin(x) k = Transpose<perm=[0,2,3,1]>(s) e = MatMul(q, k)
        l = Transpose<perm=[0,2,3,1]>(e) p = MatMul(l, wide) n = MatMul(p, narrow) d = Add(n, four)
        u = Transpose<perm=[0,3,1,2]>(d) y = Softmax<axis=-1>(u) }}"""
    checked = check_onnx(text, sizes={"b": (1, 3), "t": (2, 5)}, layout="source")
    made = [type(each).__name__ for each in operations(checked.model).values()]
    assert made.count("Dense") == 2 and "EinsumDense" not in made and count_transposes(checked.model) == 1


GROUPS = {
    "heads": ("b,t,2,4", "b,t,2,3", "[0,2,1,3]", "p = MatMul(u, stack)", "[0,2,1,3]"),
    "heads before all": ("b,t,2,4", "b,t,2,3", "[2,0,1,3]", "k = Reshape(u, merged) p = MatMul(k, stack) "
                         "q = Reshape(p, cut)", "[1,2,0,3]"),
    "heads behind": ("b,t,4,2", "b,t,3,2", "[0,3,1,2]", "p = MatMul(u, stack)", "[0,2,3,1]"),
    "one of two axes": ("b,3,t,2", "b,4,t,2", "[0,3,2,1]", "p = MatMul(u, more)", "[0,3,2,1]"),
    "a matrix for all": ("b,6,t", "b,4,t", "[0,2,1]", "p = MatMul(u, one)", "[0,2,1]"),
    "for each of a batch": ("4,b,2,5", "4,b,3,5", "[0,3,1,2]", "p = MatMul(u, outer)", "[0,2,3,1]"),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_a_matrix_for_each_of_a_group(name: str) -> None:
    takes, gives, there, body, back = GROUPS[name]
    last = "q" if "q =" in body else "p"
    text = f"""g (float[{takes}] x, float[{takes}] z) => (float[{gives}] y)
        <{WEIGHTS}, int64[3] merged = {{2, -1, 4}}, float two = {{2}}> {{ m = Mul(x, two) s = Sub(m, z)
        u = Transpose<perm={there}>(s) {body.replace("cut", "sizes")} y = Transpose<perm={back}>({last}) }}"""
    if "sizes" in text:
        shape = "n = Shape<start=0, end=2>(x) h = Constant<value_ints=[2]>() d = Constant<value_ints=[3]>() "
        text = text.replace("u = ", shape + "sizes = Concat<axis=0>(h, n, d) u = ")
    checked = check_onnx(text, sizes={"b": (1, 3), "t": (1, 5)}, layout="source")
    is_batch = name == "for each of a batch"
    assert count_transposes(checked.model) == (2 if is_batch else 0)
    found = [each for each in operations(checked.model).values() if isinstance(each, keras.layers.EinsumDense)]
    assert len(found) == (not is_batch)


class Gate(nn.Module):
    """gMLP's: tokens are mixed along their axis; what is mixed scales the other half."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(6, 8)
        self.norm = nn.LayerNorm(4)
        self.tokens = nn.Linear(5, 5)
        self.after = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u, v = self.before(x).chunk(2, -1)
        mixed: torch.Tensor = self.tokens(self.norm(v).transpose(1, 2))
        return self.after(u * mixed.transpose(1, 2))


def gate(seed: int) -> Gate:
    torch.manual_seed(seed)
    return Gate().eval()


X = torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(0))


def test_weights_in_and_out(tmp_path: Path) -> None:
    """The kernel is that of a Linear, the bias has an axis more: both are the source's, there and back."""
    path, two, back = tmp_path / "gate.keras", tmp_path / "two.safetensors", tmp_path / "back.safetensors"
    conversion = converter.convert(gate(1), path, example_inputs=X)
    assert conversion.verified
    names = {record["source"]: record["view"] for record in conversion.weights.values()}
    assert names["tokens.weight"] == (("transpose", (1, 0)),)
    assert names["tokens.bias"] == (("reshape", (5, 1)),)
    assert conversion.model.get_layer("tokens").equation == "abc,bd->adc"
    assert conversion.model.count_params() == sum(p.numel() for p in gate(1).parameters())
    save_file(gate(2).state_dict(), two)
    assert main(["weights", "load", str(path), "--checkpoint", str(two), "-o", str(tmp_path / "two.keras")]) == 0
    model = keras.saving.load_model(tmp_path / "two.keras", compile=False)
    found = keras.ops.convert_to_numpy(model(X.numpy()))
    np.testing.assert_allclose(found, gate(2)(X).detach().numpy(), rtol=1e-5, atol=1e-6)
    assert main(["weights", "export", str(tmp_path / "two.keras"), "-o", str(back)]) == 0
    assert all(torch.equal(tensor, gate(2).state_dict()[name]) for name, tensor in load_file(back).items())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("q = MatMul(s, w)", ["Identity", "Einsum", "MatMul"]),
        ("k = MatMul(s, w) q = Add(k, c)", ["Identity", "Einsum", "MatMul", "Add"]),
        ("h = Transpose<perm=[0,2,1]>(s) k = MatMul(h, w) q = Transpose<perm=[0,2,1]>(k)",
         ["keraport::EinsumDense"] * 2),
    ],
)  # fmt: skip
def test_a_weight_along_two_axes_is_one_variable(body: str, expected: list[str]) -> None:
    numbers = ", ".join(str((i * 7 % 11 - 5) / 8) for i in range(16))
    text = f"""g (float[b,4,4] x) => (float[b,4,4] q) <float[4,4] w = {{{numbers}}}, float[4] c = {{1,2,3,4}}> {{
        t = Transpose<perm=[0,2,1]>(x) p = MatMul(t, w) s = Transpose<perm=[0,2,1]>(p) {body} }}"""
    model = graph(text)
    InferShapes()(model)
    assert operators(run_pipeline(model)) == expected
    assert check_onnx(text, sizes={"b": (1, 3)}).model.count_params() == 16 + 4 * ("Add" in expected)


class BiasOfPlaces(nn.Module):
    """Scores of heads with a bias that a network makes of the places, one of which stands in front."""

    def __init__(self, *, bias: bool, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.rand(*shape, 2), requires_grad=False)
        self.network = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3, bias=bias))
        self.heads = nn.Linear(6, 18)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.heads(x).unflatten(-1, (3, 6)).transpose(1, 2)
        scores = heads @ heads.transpose(2, 3)
        made = self.network(self.places).reshape(4, 4, 3).permute(2, 0, 1)
        return ((scores + made).softmax(-1) @ heads).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(16,), (4, 4)])
def test_a_bias_that_a_network_makes(bias: bool, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = BiasOfPlaces(bias=bias, shape=shape).eval()
    conversion = converter.convert(module, inputs=["x=float32[batch,4,6]"])
    assert conversion.verified
    assert conversion.report.transposes == 0
    assert conversion.report.trainable_parameters == sum(p.numel() for p in module.parameters() if p.requires_grad)
