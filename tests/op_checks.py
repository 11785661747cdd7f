"""Check cases of operators: converted, as built and as loaded again, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import keras
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

import converter
from converter.ports import to_keras, to_source
from converter.proof.compare import compare
from converter.proof.oracle import Oracle
from passes.errors import BadSource
from tests.harness import run_keras
from tests.op_cases import Array, Case

Table = Mapping[str, Sequence[Case]]


def parameters(table: Table, one_in: Mapping[str, int] | None = None) -> list[Any]:
    """One pytest parameter for each case of a table; of the operators in `one_in` all but one in so many are slow."""
    rate = one_in or {}
    return [each for operator, cases in table.items() for each in thinned(cases, str, rate.get(operator, 1))]


def thinned(items: Iterable[Any], name: Callable[[Any], str], one_in: int) -> list[Any]:
    """A pytest parameter for each item: the first and every so many-th of them for CI, the others slow.

    Choose a number that shares no factor with what the items are a product of: else one mode is never among them.
    """
    return [
        pytest.param(item, id=name(item), marks=[pytest.mark.slow] if place % one_in else [])
        for place, item in enumerate(items)
    ]


def check(case: Case) -> None:
    """Convert the case in each of its contexts and require equal outputs at every size."""
    for context in case.possible_contexts:
        proto = case.model(context)
        reference = oracle(proto)
        conversion = converter.convert(ir.from_proto(proto), verify=False)
        trials = [
            case.feeds(dict(zip(case.sizes, numbers, strict=True)), context, seed)
            for seed, numbers in enumerate(product(*case.sizes.values()))
        ]
        loaded = compiled(loaded_again(conversion.model))
        for feeds in trials:
            expected = reference(feeds)
            _require(case, context, expected, run_keras(conversion, feeds), "as built")
            arrays = to_keras(conversion.inputs, [feeds[port.name] for port in conversion.inputs])
            _require(case, context, expected, to_source(conversion.outputs, loaded(arrays)), "as loaded")


def oracle(model: onnx.ModelProto) -> Callable[[Mapping[str, Array]], list[Array]]:
    """onnxruntime; where it has no kernel for an element type, onnx's reference evaluator."""
    try:
        return Oracle(ir.from_proto(model), threads=1).run
    except BadSource as error:
        if "NOT_IMPLEMENTED" not in error.message:
            raise
        evaluator = ReferenceEvaluator(model)
        return lambda feeds: [np.asarray(y) for y in evaluator.run(None, dict(feeds))]


def loaded_again(model: keras.Model) -> keras.Model:
    """The model from its JSON text and its weights, in safe mode: what `load_model` does, without the disk."""
    copy = keras.models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    return copy


def compiled(model: keras.Model) -> Any:
    """A function of a list of arrays. On TensorFlow it is traced with open dimensions, as predict() traces it."""
    if keras.backend.backend() != "tensorflow":
        return lambda arrays: [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(_call(model, arrays))]
    import tensorflow as tf

    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
    function = tf.function(lambda arrays: _call(model, arrays), input_signature=[signature], autograph=False)
    return lambda arrays: [y.numpy() for y in keras.tree.flatten(function([tf.constant(a) for a in arrays]))]


def _call(model: keras.Model, arrays: Sequence[Any]) -> Any:
    return model(arrays[0] if len(arrays) == 1 else list(arrays), training=False)


def _require(case: Case, context: str, expected: Sequence[Array], found: Sequence[Array], how: str) -> None:
    assert len(expected) == len(found), f"{len(found)} outputs, expected {len(expected)}"
    for index, (a, b) in enumerate(zip(expected, found, strict=True)):
        result = compare(np.asarray(a), np.asarray(b), case.tolerance)
        assert result.passed, f"{case} {context}, {how}: output {index}: {result.reason}"
