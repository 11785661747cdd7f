"""What is done to columns before a model sees them, as scikit-learn's preprocessing is exported.

Source: ONNX operators of ai.onnx.ml; numbers as onnxruntime has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import BadSource, Unsupported, describe
from passes.normalize.bodies.made import Made

Array = np.ndarray[Any, np.dtype[Any]]


def scaler(node: ir.Node) -> ir.Function:
    """(x - offset) · scale, float32."""
    made = Made()
    x = _floats(made, node)
    for op_type, name, idle in (("Sub", "offset", 0.0), ("Mul", "scale", 1.0)):
        x = made(op_type, x, made.like(node.attributes.get_floats(name, ()) or (idle,), x))
    return made.function(made("Cast", x, to=ir.DataType.FLOAT))


def normalizer(node: ir.Node) -> ir.Function:
    """A row over its greatest number, or its norm; rows for which that is 0 stay, float32."""
    norm, made = node.attributes.get_string("norm", "MAX"), Made()
    if norm not in (reductions := {"MAX": "ReduceMax", "L1": "ReduceL1", "L2": "ReduceL2"}):
        raise BadSource(f"There is no norm {norm!r}.", node=describe(node))
    x = _floats(made, node)
    size = made(reductions[norm], x, made.constant(np.array([-1])), keepdims=1)
    is_none = made("Equal", size, made.like((0.0,), x))
    divided = made("Div", x, made("Where", is_none, made.like((1.0,), x), size))
    return made.function(made("Cast", divided, to=ir.DataType.FLOAT))


def binarizer(node: ir.Node) -> ir.Function:
    """1 above the threshold, else 0, of the type of x."""
    made = Made()
    above = made("Greater", made.x, made.like((node.attributes.get_float("threshold", 0.0),), made.x))
    return made.function(made("CastLike", above, made.x))


def imputer(node: ir.Node) -> ir.Function:
    """Numbers that are missing, as NaN or as one that means it, become those of their columns."""
    attributes, made = node.attributes, Made()
    if "imputed_value_int64s" in attributes:
        missing: Any = np.int64(attributes.get_int("replaced_value_int64", 0))
        columns = np.array(attributes.get_ints("imputed_value_int64s"), np.int64)
    else:
        missing = np.float32(attributes.get_float("replaced_value_float", 0.0))
        columns = np.array(attributes.get_floats("imputed_value_floats", ()), np.float32)
    if not columns.size:
        raise BadSource("It says no number for those that are missing.", node=describe(node))
    told = made("CastLike", made.constant(np.array([missing])), made.x)
    is_missing = made("IsNaN", made.x) if np.isnan(missing) else made("Equal", made.x, told)
    return made.function(made("Where", is_missing, made("CastLike", made.constant(columns), made.x), made.x))


def array_feature_extractor(node: ir.Node) -> ir.Function:
    """Columns of x, by their places; of a list, a row."""
    made = Made(2)
    x, places = made.inputs
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    if shape is not None and len(shape) == 1:
        x = made("Unsqueeze", x, made.constant(np.array([0])))
    return made.function(made("Gather", x, made("Reshape", places, made.constant(np.array([-1]))), axis=-1))


def feature_vectorizer(node: ir.Node) -> ir.Function:
    """Columns of all inputs, side by side, float32.

    Raises:
        Unsupported: an input has other columns than are told of it, and would be cut or filled up.
    """
    made, told = Made(len(node.inputs)), list(node.attributes.get_ints("inputdimensions", ()))
    if len(told) != len(node.inputs):
        raise BadSource(f"{len(node.inputs)} features have {len(told)} sizes.", node=describe(node))
    for value, columns in zip(node.inputs, told, strict=False):
        shape = None if value is None else value.shape
        if shape is not None and (len(shape) != 2 or shape[1] != columns):
            raise Unsupported(f"Features that are not {columns} are not converted.", node=describe(node))
    # Of shapes that nobody knows yet: other columns than are told would make other rows, and could not be joined.
    rows = [made("Reshape", x, made.constant(np.array([-1, n]))) for x, n in zip(made.inputs, told, strict=True)]
    floats = [made("Cast", value, to=ir.DataType.FLOAT) for value in rows]
    return made.function(made("Concat", *floats, axis=1))


def one_hot_encoder(node: ir.Node) -> ir.Function:
    """Where x is which category, float32 [..., categories]."""
    _refuse_text(node, "cats_strings")
    categories, made = np.array(node.attributes.get_ints("cats_int64s", ()), np.int64), Made()
    if not node.attributes.get_int("zeros", 1):
        raise Unsupported("An encoder that fails at unknown categories is not converted.", node=describe(node))
    whole = made("Cast", made.x, to=ir.DataType.INT64)
    found = made("Equal", made("Unsqueeze", whole, made.constant(np.array([-1]))), made.constant(categories))
    return made.function(made("Cast", found, to=ir.DataType.FLOAT))


def label_encoder(node: ir.Node) -> ir.Function:
    """The value of the first key that x is, or the default."""
    for name in ("keys_strings", "values_strings", "classes_strings"):
        _refuse_text(node, name)
    keys, values = _table(node, "keys"), _table(node, "values")
    if keys is None or values is None or keys.shape != values.shape or not keys.size:
        raise Unsupported("A table of labels other than of numbers for numbers is not converted.", node=describe(node))
    if keys.dtype.kind == "f" and np.isnan(keys).any():
        raise Unsupported("A table of labels in which missing numbers are a key is not converted.", node=describe(node))
    made = Made()
    rows = made("Unsqueeze", made.x, made.constant(np.array([-1])))
    is_key = made("Cast", made("Equal", rows, made.constant(keys)), to=ir.DataType.INT64)
    found = made("Gather", made.constant(values), made("ArgMax", is_key, axis=-1, keepdims=0), axis=0)
    is_known = made("Cast", made("ReduceMax", is_key, made.constant(np.array([-1])), keepdims=0), to=ir.DataType.BOOL)
    return made.function(made("Where", is_known, found, made.constant(_default(node, values))))


FUNCTIONS = {
    "ai.onnx.ml::ArrayFeatureExtractor": array_feature_extractor,
    "ai.onnx.ml::Binarizer": binarizer,
    "ai.onnx.ml::FeatureVectorizer": feature_vectorizer,
    "ai.onnx.ml::Imputer": imputer,
    "ai.onnx.ml::LabelEncoder": label_encoder,
    "ai.onnx.ml::Normalizer": normalizer,
    "ai.onnx.ml::OneHotEncoder": one_hot_encoder,
    "ai.onnx.ml::Scaler": scaler,
}
"""By operator, the function for a node."""


def _floats(made: Made, node: ir.Node) -> ir.Value:
    """x, computed with in its own 64 bits, or in 32."""
    kind = None if node.inputs[0] is None else node.inputs[0].dtype
    return made.x if kind is ir.DataType.DOUBLE else made("Cast", made.x, to=ir.DataType.FLOAT)


def _refuse_text(node: ir.Node, name: str) -> None:
    if name in node.attributes:
        raise Unsupported(f"{name} of {node.op_type} is text: Keras models compute with numbers.", node=describe(node))


def _table(node: ir.Node, side: str) -> Array | None:
    attributes = node.attributes
    if f"{side}_tensor" in attributes:
        found = np.asarray(attributes[f"{side}_tensor"].as_tensor().numpy())
        return found if found.dtype.kind in "if" else None
    if f"{side}_int64s" in attributes:
        return np.array(attributes.get_ints(f"{side}_int64s"), np.int64)
    if f"{side}_floats" in attributes:
        return np.array(attributes.get_floats(f"{side}_floats"), np.float32)
    return None


def _default(node: ir.Node, values: Array) -> Array:
    attributes = node.attributes
    if "default_tensor" in attributes:
        return np.asarray(attributes["default_tensor"].as_tensor().numpy(), values.dtype)
    if values.dtype.kind == "i":
        return np.array(attributes.get_int("default_int64", -1), values.dtype)
    return np.array(attributes.get_float("default_float", -0.0), values.dtype)
