"""The private domains: each operator has a schema and a meaning, and no file gets past the door with one."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import converter
from converter.backends.keras.build.registry import OPERATORS
from converter.backends.keras.ops import __name__ as _ops  # noqa: F401 - fills the registry
from converter.proof.oracle import Oracle
from passes.errors import MODULE_KEY, Unsupported
from passes.graph.weight_views import MARKED_KEY, WEIGHT_KEY
from passes.layout import PERMUTATION_KEY
from passes.layout.walk.registry import RULES
from passes.lower.meanings import FLATTENED
from passes.lower.private_operators import DOMAINS, PRIVATE, private
from passes.normalize.refuse_private import RefusePrivate
from passes.order import run_pipeline
from tests.harness import graph, operators

BODY = "g (float[b, 3, 8, 8] x) => (float[b, 3, 8, 8] y) { y = Relu(x) }"


def test_every_private_operator_that_is_emitted_or_has_a_rule_is_registered() -> None:
    known = {name for name in (*OPERATORS, *RULES) if name.partition("::")[0] in DOMAINS}
    assert known <= PRIVATE.keys()
    assert {name for name in PRIVATE if FLATTENED not in name} <= OPERATORS.keys()


def test_a_node_that_does_not_fit_its_schema_is_a_mistake_of_a_pass() -> None:
    for text in ("keraport.Mystery(x)", "keraport.Silu(x, x)", "keraport.Silu<more=1>(x)", "nhwc.Relu(x)"):
        node = graph(f"g (float[2, 3] x) => (float[2, 3] y) {{ y = {text} }}").graph[0]
        with pytest.raises(ValueError, match=node.op_type):
            private(node)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax", "Hardmax"])
def test_softmax_over_everything_from_an_axis_on(kind: str, axis: int) -> None:
    text = "g (float[2, 3, 4, 5] x) => (float[2, 3, 4, 5] y) { y = NAME<axis = AXIS>(x) }".replace("AXIS", str(axis))
    old = graph(text.replace("NAME", kind))
    old.opset_imports[""] = 11
    meant = graph(text.replace("NAME", f"keraport.{FLATTENED}{kind}"))
    x = np.random.default_rng(axis).standard_normal((2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(Oracle(meant).run({"x": x})[0], Oracle(old).run({"x": x})[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_a_file_that_imports_a_private_domain_is_refused(domain: str) -> None:
    model = graph(BODY)
    model.opset_imports[domain] = 1
    with pytest.raises(Unsupported, match=f"domain '{domain}'"):
        converter.convert(model)


def test_a_private_node_or_function_is_refused_and_named() -> None:
    silu = "g (float[b, 3] x) => (float[b, 3] y) { y = keraport.Silu(x) }"
    with pytest.raises(Unsupported, match="'keraport'") as refused:
        run_pipeline(graph(silu))
    assert "keraport::Silu" in str(refused.value.node)
    function = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17, "nhwc" : 1]>
        g (float[b, 3] x) => (float[b, 3] y) { y = nhwc.f(x) }
        <domain: "nhwc", opset_import: ["" : 17]> f (a) => (b) { b = Relu(a) }"""
    )
    with pytest.raises(Unsupported, match="'nhwc'"):
        run_pipeline(ir.from_proto(function))


def test_notes_of_the_passes_in_a_file_count_for_nothing() -> None:
    text = (
        "g (float[b, 3, 8, 8] x) => (float[b, 2, 8, 8] y) <float[2, 3, 1, 1] w = {1, 2, 3, 4, 5, 6}> { y = Conv(x, w) }"
    )
    model = graph(text)
    model.metadata_props.update({MARKED_KEY: "marked", "keraport.layout": "source", "author": "me"})
    model.graph.inputs[0].metadata_props[PERMUTATION_KEY] = "[0, 3, 1, 2]"
    model.graph.initializers["w"].metadata_props[WEIGHT_KEY] = json.dumps({"name": "other", "view": []})
    model.graph[0].metadata_props[MODULE_KEY] = "not.a.module"
    clean = RefusePrivate()(model.clone()).model
    assert dict(clean.metadata_props) == {"author": "me"}
    assert not clean.graph.inputs[0].metadata_props and not clean.graph[0].metadata_props
    conversion = converter.convert(model)
    assert conversion.verified and conversion.inputs[0].permutation == (0, 2, 3, 1)
    assert {origin["source"] for origin in conversion.weights.values()} == {"w"}


@pytest.mark.parametrize("axis", [1, 2])
def test_a_file_of_opset_9_whose_softmax_flattens(axis: int) -> None:
    """As in light_squeezenet of the onnx package, whose weights are all equal: its logits tie but for rounding."""
    body = f"""g (float[b, 3, 6, 6] x) => (float[b, 4, 4, 4] y) <float[4, 3, 3, 3] w = {{{_numbers(108)}}}> {{
        c = Conv(x, w)  r = Relu(c)  y = Softmax<axis={axis}>(r) }}"""
    conversion = converter.convert(graph(f'<ir_version: 4, opset_import: ["" : 9]> {body}'))
    assert conversion.verified and conversion.report.operators["Softmax"] == 1


def _numbers(count: int) -> str:
    return ", ".join(f"{number:.4f}" for number in np.random.default_rng(0).uniform(-0.5, 0.5, count))


def test_the_layout_pass_runs_once() -> None:
    final = run_pipeline(graph(BODY))
    assert operators(final) == ["Relu"] and final.metadata_props["keraport.layout"] == "channels_last"
