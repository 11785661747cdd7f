"""Ensembles of decision trees that choose a class: the greatest sum of weights, as onnxruntime has it.

Where there are two labels and leaves have weights for one class alone, a sum is how much speaks for the second label:
above 1/2 where no weight is negative, and the scores of the first class alone are then 1 - s and s; else above 0, and
-s and s.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.normalize.bodies.made import TRANSFORMS, Made
from passes.normalize.bodies.tree_tables import Trees, read
from passes.normalize.bodies.trees import DIFFERS, check_questions, leaves_of

TWO = 2


def tree_ensemble_classifier(node: ir.Node) -> ir.Function:
    """The composition for TreeEnsembleClassifier: labels, and scores of 32 bits."""
    trees = _read(node)
    labels = np.asarray(node.attributes.get_ints("classlabels_int64s", ()), np.int64)
    made = Made()
    split, weights = (made("CastLike", made.constant(table), made.x) for table in (trees.split, trees.weights))
    places = leaves_of(made, trees, split)
    sums = made("ReduceSum", made("Gather", weights, places, axis=0), made.constant(np.array([1])), keepdims=0)
    if trees.base.size:  # one alone is the first class's
        base = np.concatenate([trees.base, np.zeros(trees.weights.shape[1] - len(trees.base), trees.base.dtype)])
        sums = made("Add", sums, made("CastLike", made.constant(base), sums))
    decide = _of_two if _speaks_for_one(trees) else _of_many
    which, scores = decide(made, trees, sums, places)
    label = made("Gather", made.constant(labels), which, axis=0)
    return made.function(label, made("Cast", scores, to=ir.DataType.FLOAT))


def _of_two(made: Made, trees: Trees, sums: ir.Value, places: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The weights of all leaves are one class's. Of the first, what speaks against it is written beside it."""
    (column,) = np.flatnonzero(trees.is_told.any(axis=0))
    score = made("Gather", sums, made.constant(np.array([column])), axis=1)
    is_positive = bool((trees.weights >= 0).all())
    least = made("CastLike", made.constant(np.array([0.5 if is_positive else 0.0], np.float32)), score)
    is_second = made("Cast", made("Greater", score, least), to=ir.DataType.INT64)
    which = made("Squeeze", is_second, made.constant(np.array([1])))
    if column == 1:
        return which, _transformed(made, trees, sums)
    if trees.transform != "LOGISTIC" and is_positive:
        one = made("CastLike", made.constant(np.array([1.0], np.float32)), score)
        return which, made("Concat", made("Sub", one, score), score, axis=1)
    both = made("Concat", made("Neg", score), score, axis=1)
    return which, made("Sigmoid", both) if trees.transform == "LOGISTIC" else both


def _of_many(made: Made, trees: Trees, sums: ir.Value, places: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Only classes that a leaf has a weight for, or that have a base value, are chosen."""
    scores = sums
    if not trees.base.size and not trees.is_told.all():
        told = made("Gather", made.constant(trees.is_told.astype(np.int64)), places, axis=0)
        is_told = made("Cast", made("ReduceMax", told, made.constant(np.array([1])), keepdims=0), to=ir.DataType.BOOL)
        least = made("CastLike", made.constant(np.array([-np.inf], np.float32)), sums)
        scores = made("Where", is_told, sums, least)
    which = made("ArgMax", scores, axis=1, keepdims=0)
    return which, _transformed(made, trees, sums)


def _transformed(made: Made, trees: Trees, sums: ir.Value) -> ir.Value:
    return made(TRANSFORMS[trees.transform], sums, **({"axis": 1} if trees.transform == "SOFTMAX" else {}))


def _speaks_for_one(trees: Trees) -> bool:
    return trees.weights.shape[1] == TWO and int(trees.is_told.any(axis=0).sum()) == 1


def _read(node: ir.Node) -> Trees:
    """The trees.

    Raises:
        BadSource: they are none.
        Unsupported: they ask, or end in, what is not converted.
    """
    trees = read(node)
    check_questions(node, trees)
    classes, why = trees.weights.shape[1], ""
    if "classlabels_strings" in node.attributes:
        why = "whose labels are text"
    elif trees.transform not in TRANSFORMS:
        why = f"that end in {trees.transform}"
    elif classes < TWO or (classes == TWO and not _speaks_for_one(trees)):
        why = f"of two classes, of either of which leaves have weights, {DIFFERS},"
    elif classes == TWO and (len(trees.base) > 1 or (trees.base.size and trees.is_told[:, 1].any())):
        why = f"of two classes whose base values are others than one for the first, {DIFFERS},"
    elif classes > TWO and trees.base.size not in (0, classes):
        why = "of some of whose classes there are base values"
    if why:
        raise Unsupported(f"Trees {why} are not converted.", node=describe(node))
    return trees
