"""Who answers for a source: onnxruntime on its file or its graph, for the whole batch or image by image."""

from __future__ import annotations

from converter.prepare import Prepared
from converter.proof.oracle import Oracle
from converter.proof.oracle.at_own_size import AtOwnSize
from converter.proof.oracle.per_image import PerImage
from converter.sources import Source


def oracle_for(source: Source, prepared: Prepared) -> Oracle:
    """The oracle for a source, as it was loaded.

    Raises:
        BadSource: onnxruntime loads neither the source nor its normalised form.
    """
    as_it_is = source.model if source.noise else source.path or source.model  # a file would draw numbers of its own
    oracle = Oracle.for_source(as_it_is, prepared.normalised, graph=source.model)
    source.let_go()  # onnxruntime has its own
    if source.noise:
        oracle.description += ", given its random numbers"
    opened = source.opened
    if opened is not None and opened.sizes:
        oracle = PerImage(oracle, opened, prepared.normalised.graph)
    return oracle if opened is None or not opened.axes else AtOwnSize(oracle, opened, prepared.normalised)
