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
    spectra,
)

FAMILIES = (
    activations, arithmetic, axes, convolution, grid_sample, indexing, matrix, normalization, padding,
    quantisation, recurrent, reduction, resize, scatter, spectra,
)  # fmt: skip
