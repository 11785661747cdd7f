"""A Keras model again under another dtype policy: the same layers, names and numbers, computed with fewer bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from converter.backends.keras.nesting.levels import one_or_all
from passes.errors import Unsupported, first_line

FLOATS = ("float16", "bfloat16", "float32", "float64")

ORTHOGONAL = ("Orthogonal", "OrthogonalInitializer")
"""What recurrent layers begin with, and backends cannot compute with few bits: a file with it would not load."""


def lowered(model: keras.Model, policy: str) -> keras.Model:
    """A copy of the model whose layers have the policy; the inputs stay as they are.

    Layers of integers keep their dtype, and so do Embeddings that are not trained: what they hold are positions, masks,
    frequencies and whole numbers, which mean something else once they are rounded.

    Raises:
        Unsupported: Keras does not compute it so.
    """
    try:
        return _copied(model, policy, [tensor.dtype for tensor in model.inputs])
    except (TypeError, ValueError, RuntimeError) as error:
        first = first_line(error)
        raise Unsupported(f"Keras does not compute the model as {policy}: {first}") from error


def _copied(model: keras.Model, policy: str, dtypes: Sequence[str]) -> keras.Model:
    """One level. Its inputs are of the dtypes that it is called with: else each nested model would widen them again."""
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=dtype, name=tensor._keras_history.operation.name)
        for tensor, dtype in zip(model.inputs, dtypes, strict=True)
    ]
    made: dict[int, Any] = {}

    def in_place_of(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            is_new = id(operation) not in made
            if is_new:
                made[id(operation)] = _again(operation, policy, args)
            again = made[id(operation)]
            result = again(*args, **kwargs)
            if is_new and not isinstance(operation, keras.Model):
                _take_numbers(again, operation)
            return result

        return call

    outputs = model._run_through_graph(inputs, operation_fn=in_place_of)
    copy = keras.Model(one_or_all(inputs), outputs, name=model.name, trainable=model.trainable)
    copy.dtype_policy = policy  # by which `compile` knows whether the loss is to be scaled
    return copy


def _again(operation: Any, policy: str, args: Sequence[Any]) -> Any:
    """The same, not yet called; the arguments say what a nested model is called with."""
    if isinstance(operation, keras.Model):
        return _copied(operation, policy, [tensor.dtype for tensor in keras.tree.flatten(args[0])])
    config = operation.get_config()
    keeps = isinstance(operation, keras.layers.Embedding) and not operation.trainable
    if isinstance(operation, keras.layers.Layer) and not keeps:
        config = _with_policy(config, policy)
    return type(operation).from_config(config)


def _with_policy(config: Any, policy: str) -> Any:
    """A configuration in which every policy of floats is this one, in the layers inside of a layer as well."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy" and config["config"]["name"] in FLOATS:
            return {**config, "config": {"name": policy}}
        if config.get("class_name") in ORTHOGONAL and not policy.startswith("mixed"):
            return keras.saving.serialize_keras_object(keras.initializers.GlorotUniform())
        # A layer inside of a layer would be built by itself first, and its variables called otherwise.
        return {key: _with_policy(value, policy) for key, value in config.items() if key != "build_config"}
    if isinstance(config, list | tuple):
        return type(config)(_with_policy(value, policy) for value in config)
    return config


def _take_numbers(copy: Any, original: Any) -> None:
    variables = zip(getattr(copy, "variables", ()), getattr(original, "variables", ()), strict=True)
    for variable, source in variables:
        variable.assign(source.value)
