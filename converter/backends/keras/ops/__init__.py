"""The operator functions, one file a family. Importing them fills the registry."""

from converter.backends.keras.ops import (
    activations,
    arithmetic,
    axes,
    convolution,
    grid_sample,
    indexing,
    matrix,
    normalization,
    padding,
    quantisation,
    recurrent,
    reduction,
    resize,
    scatter,
    sizes,
)

FAMILIES = (
    activations, arithmetic, axes, convolution, grid_sample, indexing, matrix, normalization, padding,
    quantisation, recurrent, reduction, resize, scatter, sizes,
)  # fmt: skip
