"""What keraport does not convert, as data with reasons. Errors and the README's tables are made of it.

Every operator of the ONNX standard is in exactly one place: it has a function in converter/backends/keras/ops, or a
pass takes it out (`BY_PASSES`), or it is refused (`REFUSED`). `PARTS` are forms of converted operators that are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from passes.errors import Unsupported, describe, operator


@dataclass(frozen=True)
class Refused:
    """Operators that end a conversion with exit code 2, and why."""

    what: str
    operators: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Part:
    """A form of an operator, or of a source, that is refused.

    Attributes:
        what: in a few words.
        reason: why.
        instead: what a user can do; empty where nothing helps.
    """

    what: str
    reason: str
    instead: str = ""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BY_PASSES: Mapping[str, str] = {
    **dict.fromkeys(
        _names("BlackmanWindow CastLike Constant HammingWindow HannWindow MelWeightMatrix"),
        "constants are computed",
    ),
    "Col2Im": "becomes a transposed convolution with ones as its weights",
    "MaxUnpool": "becomes zeros, into which is written",
    "DeformConv": "becomes a GridSample and a convolution",
    **dict.fromkeys(_names("ConstantOfShape Range"), "are counted on a tensor that has the size"),
    "Dropout": "does nothing in inference, and is kept for training; one that stays on is arithmetic on noise",
    **dict.fromkeys(_names("Flatten Squeeze Unsqueeze"), "become reshapes"),
    **dict.fromkeys(_names("GlobalAveragePool GlobalMaxPool"), "become reductions"),
    **dict.fromkeys(_names("GlobalLpPool LpPool"), "become roots of mean powers"),
    **dict.fromkeys(_names("GRU LSTM RNN"), "become the layers of these names, the batch first"),
    **dict.fromkeys(
        _names("Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"),
        "become arithmetic on noise, which a layer draws",
    ),
    "If": "the branch that is known to be taken, both and a choice, or, of other sizes, a layer of `keraport.layers`",
    **dict.fromkeys(
        _names("Loop Scan"),
        "are written out, turn by turn, where these are few and their number known; else a layer of `keraport.layers`",
    ),
    **dict.fromkeys(
        _names("ConvInteger DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul"),
        "are computed on the numbers that the integers stand for",
    ),
    **dict.fromkeys(
        _names(
            "AffineGrid CausalConvWithState CenterCropPad LinearAttention MeanVarianceNormalization "
            "NegativeLogLikelihoodLoss RotaryEmbedding SoftmaxCrossEntropyLoss SwiGLU"
        ),
        "become the composition by which the standard defines them",
    ),
    "Attention": "becomes a dot-product attention by heads",
    **dict.fromkeys(_names("BitCast CumProd"), "become Keras' view and cumprod"),
    "TensorScatter": "becomes a choice between what is there and what is written",
    "Swish": "becomes x · sigmoid(αx)",
    **dict.fromkeys(
        _names(
            "ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength "
            "SplitToSequence"
        ),
        "lists of tensors are taken apart",
    ),
}
"""Operators without a function of their own, and what becomes of them."""

FOREIGN: Mapping[str, str] = {
    "com.microsoft::DynamicQuantizeLSTM": "is written out step by step, or a loop over the steps",
}
"""Operators of other domains that stay as they are until a pass takes them out; most become a body at once, by
passes/normalize/known_functions.py."""

REFUSED: tuple[Refused, ...] = (
    Refused("Loops over lists", _names("SequenceMap"), "a Keras graph of layers has no lists"),
    Refused(
        "Text and files",
        _names("ImageDecoder RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer"),
        "Keras models compute with numbers",
    ),
    Refused(
        "Optional values",
        _names("Optional OptionalGetElement OptionalHasElement"),
        "a Keras graph has the same tensors in every run",
    ),
)

PARTS: Mapping[str, Part] = {
    "indices": Part(
        "MaxPool with its Indices output, or MaxUnpool, of images of open size",
        "the indices are places in the image",
        "fix the sizes with --input",
    ),
    "computed axes": Part(
        "Axes that are computed, with more than 24 choices or nobody knows how many of them, and shapes of such ranks",
        "a Keras graph fixes ranks",
    ),
    "computed sizes": Part(
        "As many numbers as the numbers in a tensor say, in one-hot vectors, copies of a tensor, or parts of a size",
        "Keras counts the sizes of tensors",
        "give an input that holds sizes with --constant NAME=VALUE",
    ),
    "computed condition": Part(
        "If with a condition on numbers, and branches that give outputs of different ranks",
        "a tensor of Keras has one number of axes",
    ),
    "computed turns": Part(
        "Loop or Scan with a state that changes its size, but for what each turn appends, or a Loop that gathers rows "
        "without a bound on its turns",
        "a Keras loop holds tensors of one size",
        "give the Loop's first input, the most turns, a number",
    ),
    "odd quantisation": Part(
        "Quantisation to float8 or float4, or in blocks of an axis of open size",
        "Keras has no such numbers on every backend",
    ),
    "tf_crop_and_resize": Part(
        "Resize in proportion, of a part (tf_crop_and_resize), or by factors that are not whole, at open sizes",
        "no Keras operation is equal",
        "fix the sizes with --input",
    ),
    "far reflections": Part("Pad that reflects more than the axis has", "backends differ there"),
    "random numbers": Part(
        "Random numbers in branches and loops, as many as numbers say, and where a fixed size was opened",
        "they are inputs of the graph while it is compared with an oracle",
        "fix the sizes that decide with --input",
    ),
    "rows": Part("Unique along an axis of a matrix", "Keras sorts numbers, not rows"),
    "sparse": Part("Sparse initializers", "no layer takes them"),
}
"""By a short name, under which tests/limit_examples.py has a graph that is refused for it."""

LEFT: Mapping[str, str] = {
    **dict.fromkeys(
        _names("Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"), "random numbers"
    ),
    "Col2Im": "becomes a transposed convolution with ones as its weights",
    **dict.fromkeys(_names("ConstantOfShape Range"), "computed sizes"),
    "If": "computed condition",
}
"""Of `BY_PASSES`: the part that an operator is, when no pass took it out."""


def refusal(node: ir.Node) -> Unsupported:
    """The error for a node that nothing converts, with the reason where the tables have one."""
    name = operator(node)
    for group in REFUSED:
        if name in group.operators:
            what = group.what[:1].lower() + group.what[1:]
            return Unsupported(f"The operator {name} is not supported: {what}, {group.reason}.", node=describe(node))
    if name in LEFT:
        part = PARTS[LEFT[name]]
        hint = f"{part.instead[:1].upper()}{part.instead[1:]}." if part.instead else None
        return Unsupported(f"{part.what} is not converted: {part.reason}.", node=describe(node), hint=hint)
    return Unsupported(f"The operator {name} is not supported.", node=describe(node))
