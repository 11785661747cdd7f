"""A layer as the call of its constructor, with the arguments that differ from those of a default one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras
from keras.src.utils.naming import to_snake_case

from converter.destinations.code.expressions import Expression, Tree
from converter.destinations.code.literals import literal, tuples
from passes.errors import Unsupported

OURS = "keraport.layers"

_ONE_FOR_ALL = {"kernel_size", "strides", "dilation_rate", "pool_size"}
"""Arguments of which one number stands for the same on every axis."""


def layer_code(layer: keras.layers.Layer, name: str) -> Tree:
    """`layers.Conv2D(64, 7, strides=2, name="conv1")`; no initializers or seeds: the weights come from a file.

    Raises:
        Unsupported: an argument that is neither numbers nor another layer.
    """
    kind, config = type(layer), layer.get_config()
    required, optional = _parameters(kind)
    given = {key: _value(layer, key, config[key]) for key in required}
    drawn = keras.backend.is_float_dtype(layer.compute_dtype)  # Keras' usual initializers draw no integers
    told = [key for key in optional if key in config and not (drawn and key.endswith("_initializer"))]
    wanted = {key: _value(layer, key, config[key]) for key in told}
    while missing := _different(layer, given, wanted):
        given[missing[0]] = wanted[missing[0]]
    parts: dict[int | str, Expression] = {place: _argument(given.pop(key)) for place, key in enumerate(required)}
    parts |= {key: _argument(given[key]) for key in optional if key in given}
    return Tree("call", _constructor(kind), {**parts, "name": literal(name)}, optional)


def _different(layer: keras.layers.Layer, given: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The arguments of which a layer that is made with those `given` has others; one may follow from another."""
    made = type(layer)(**given).get_config()
    return [key for key, value in wanted.items() if key not in given and _value(layer, key, made.get(key)) != value]


def _constructor(kind: type[keras.layers.Layer]) -> str:
    if getattr(keras.layers, kind.__name__, None) is kind:
        return f"layers.{kind.__name__}"
    return f"{OURS}.{kind.__name__}"


def _parameters(kind: type[keras.layers.Layer]) -> tuple[list[str], dict[str, Any]]:
    """Those that have no default, and the defaults of the others, with `trainable` and `dtype` of every layer."""
    given = [
        each
        for each in list(inspect.signature(kind.__init__).parameters.values())[1:]
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) and each.name not in ("name", "seed")
    ]
    required = [each.name for each in given if each.default is each.empty]
    optional = {each.name: each.default for each in given if each.default is not each.empty}
    return required, {**optional, "trainable": True, "dtype": None}


def _value(layer: keras.layers.Layer, key: str, value: Any) -> Any:
    """What stands in the configuration, with the name of a dtype for what Keras says of it."""
    if isinstance(value, Mapping) and value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    if isinstance(value, Mapping) and key.endswith("_initializer"):
        return to_snake_case(value["class_name"])
    if isinstance(value, Mapping) and "class_name" in value:
        found = keras.saving.deserialize_keras_object(value)
        if isinstance(found, keras.Model) or not isinstance(found, keras.layers.Layer):
            kind = "a model of its own" if isinstance(found, keras.Model) else repr(found)
            raise Unsupported(
                f"The argument {key} of layer {layer.name!r} ({type(layer).__name__}) is {kind}, which is not written "
                "as code: numbers are, and other layers.",
                hint="The .keras file holds it.",
            )
        return found
    return _simple(key, value)


def _simple(key: str, value: Any) -> Any:
    """As it stands in code: one number for the same on every axis."""
    found = tuples(value)
    if not isinstance(found, tuple):
        return found
    one = (key in _ONE_FOR_ALL and len(found) > 1 and len(set(found)) == 1) or (key == "axis" and len(found) == 1)
    return found[0] if one else found


def _argument(value: Any) -> Expression:
    return layer_code(value, value.name) if isinstance(value, keras.layers.Layer) else literal(value)
