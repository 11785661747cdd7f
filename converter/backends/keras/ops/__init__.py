"""The operator functions, one file a family. Importing them fills the registry."""

from converter.backends.keras.ops import (
    activations,
    arithmetic,
    axes,
    control,
    indexing,
    matrix,
    normalization,
    quantisation,
    recurrent,
    reduction,
    running,
    scatter,
    selection,
    spectra,
)
from converter.backends.keras.ops.spatial import convolution, grid_sample, max_roi_pool, padding, resize, roi_align

FAMILIES = (
    activations, arithmetic, axes, control, convolution, grid_sample, indexing, matrix, max_roi_pool, normalization,
    padding,
    quantisation, recurrent, reduction, resize, roi_align, running, scatter, selection, spectra,
)  # fmt: skip
