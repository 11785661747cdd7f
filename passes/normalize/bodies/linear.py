"""Linear models and support vectors, as scikit-learn's are exported. Source: ONNX operators of ai.onnx.ml.

scores = x · coefficientsᵀ + intercepts;  label = classlabels[argmax(scores)]
Y = Σ coefficientᵢ · K(x, vectorᵢ) + rho                                             over the support vectors
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import BadSource, Unsupported, describe
from passes.normalize.bodies.made import Made

Array = np.ndarray[Any, np.dtype[Any]]


def linear_regressor(node: ir.Node) -> ir.Function:
    """Y, float32: one column for each target."""
    made = Made()
    return made.function(made.transformed(node, _scores(made, node, node.attributes.get_int("targets", 1))))


def linear_classifier(node: ir.Node) -> ir.Function:
    """The label, whole numbers, and the scores of all classes, float32. The scores before the transform choose.

    Raises:
        Unsupported: labels are text, or one row of coefficients is for two classes.
    """
    labels = np.asarray(node.attributes.get_ints("classlabels_ints", ()), np.int64)
    if "classlabels_strings" in node.attributes:
        raise Unsupported(
            "A classifier whose labels are text is not converted: Keras models compute with numbers.",
            node=describe(node),
            hint="Train with whole numbers for labels.",
        )
    rows = len(node.attributes.get_floats("intercepts", ()) or labels)
    if len(labels) != rows or rows < 2:
        raise Unsupported(f"{len(labels)} labels that {rows} scores choose are not converted.", node=describe(node))
    made = Made()
    scores = _scores(made, node, rows)
    label = made("Gather", made.constant(labels), made("ArgMax", scores, axis=1, keepdims=0), axis=0)
    return made.function(label, made.transformed(node, scores))


def svm_regressor(node: ir.Node) -> ir.Function:
    """Y, float32 [batch, 1].

    Raises:
        Unsupported: it tells one class from all others, or its kernel is unknown.
        BadSource: its vectors are not of one length.
    """
    attributes = node.attributes
    count, rho = attributes.get_int("n_supports", 0), attributes.get_floats("rho", (0.0,))
    coefficients = np.array(attributes.get_floats("coefficients", ()), np.float32)
    vectors = np.array(attributes.get_floats("support_vectors", ()), np.float32)
    if attributes.get_int("one_class", 0) or attributes.get_string("post_transform", "NONE") != "NONE":
        raise Unsupported("Support vectors of one class, or with a transform, are not converted.", node=describe(node))
    if not count or len(coefficients) != count or vectors.size % count:
        raise BadSource(f"{vectors.size} numbers do not make {count} support vectors.", node=describe(node))
    made = Made()
    x = made("Cast", made.x, to=ir.DataType.FLOAT)
    kernel = _kernel(made, node, x, vectors.reshape(count, -1))
    weights, bias = made.constant(coefficients[:, None]), made.constant(np.array(rho[:1], np.float32))
    return made.function(made("Add", made("MatMul", kernel, weights), bias))


FUNCTIONS = {
    "ai.onnx.ml::LinearClassifier": linear_classifier,
    "ai.onnx.ml::LinearRegressor": linear_regressor,
    "ai.onnx.ml::SVMRegressor": svm_regressor,
}
"""By operator, the function for a node."""


def _scores(made: Made, node: ir.Node, rows: int) -> ir.Value:
    coefficients = np.array(node.attributes.get_floats("coefficients", ()), np.float32)
    intercepts = np.array(node.attributes.get_floats("intercepts", ()), np.float32)
    if not coefficients.size or rows < 1 or coefficients.size % rows or intercepts.size not in (0, rows):
        raise BadSource(f"{coefficients.size} coefficients are not those of {rows} scores.", node=describe(node))
    x = made("Cast", made.x, to=ir.DataType.FLOAT)
    weights = made.constant(np.ascontiguousarray(coefficients.reshape(rows, -1).T))
    scores = made("MatMul", x, weights)
    return made("Add", scores, made.constant(intercepts)) if intercepts.size else scores


def _kernel(made: Made, node: ir.Node, x: ir.Value, vectors: Array) -> ir.Value:
    """[batch, vectors]"""
    name = node.attributes.get_string("kernel_type", "LINEAR")
    gamma, shift, degree = (*node.attributes.get_floats("kernel_params", ()), 0.0, 0.0, 0.0)[:3]
    if name == "RBF":
        rows = made("Unsqueeze", x, made.constant(np.array([1])))
        away = made("Sub", rows, made.constant(vectors[None]))
        squares = made("ReduceSum", made("Mul", away, away), made.constant(np.array([2])), keepdims=0)
        return made("Exp", made("Mul", squares, made.constant(np.array(-gamma, np.float32))))
    products = made("MatMul", x, made.constant(np.ascontiguousarray(vectors.T)))
    if name == "LINEAR":
        return products
    scaled = made("Mul", products, made.constant(np.array(gamma, np.float32)))
    inner = made("Add", scaled, made.constant(np.array(shift, np.float32)))
    if name == "POLY":
        return made("Pow", inner, made.constant(np.array(degree, np.float32)))
    if name == "SIGMOID":
        return made("Tanh", inner)
    raise Unsupported(f"Support vectors with the kernel {name} are not converted.", node=describe(node))
