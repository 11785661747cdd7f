"""Gradients of a Keras model against those of the module that it was made from, in evaluation mode.

Both differentiate the same number: the sum of all outputs, each entry times a random one. A tensor of the source that
several variables hold has the sum of their gradients.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.ports import Port, to_keras
from converter.proof.inputs.arrays import IntegerRanges, feeds
from converter.proof.inputs.cases import ATTEMPTS, plan
from converter.proof.inputs.trials import GIVE_SIZES
from converter.sources import Source
from converter.weights.exchange import undone
from converter.weights.record import Record
from passes.errors import BadSource, Unsupported, UsageError

if TYPE_CHECKING:
    from converter.sources.torch.reference import Reference

Array = np.ndarray[Any, np.dtype[Any]]

RTOL = 1e-3
"""Of a gradient's own norm."""

ATOL = 1e-5
"""Of the norm of all gradients: what is 0 in one is rounding in the other."""

SEED = 0


@dataclass(frozen=True)
class Gradient:
    """Of one tensor of the source: its norm there, and how far the Keras model's is from it."""

    source: str
    norm: float
    apart: float
    allowed: float

    @property
    def passed(self) -> bool:
        return self.apart <= self.allowed


@dataclass(frozen=True)
class Gradients:
    """Attributes:
    compared: by tensor of the source.
    precision: what both computed in: "float64" where something differed in float32, and that could be computed.
    skipped: trained tensors that have no variable of their own, and why.
    """

    compared: list[Gradient]
    skipped: dict[str, str] = field(default_factory=dict)
    precision: str = "float32"

    @property
    def passed(self) -> bool:
        return bool(self.compared) and all(gradient.passed for gradient in self.compared)

    @property
    def reason(self) -> str:
        """The worst of those that differ, in a sentence."""
        if not self.compared:
            return "No trained tensor of the source has a variable of its own."
        wrong = [gradient for gradient in self.compared if not gradient.passed]
        if not wrong:
            return ""
        worst = max(wrong, key=lambda gradient: gradient.apart / max(gradient.allowed, 1e-30))
        by = f"by {worst.apart:.3g} of {worst.norm:.3g}, allowed {worst.allowed:.3g}"
        return f"{len(wrong)} of {len(self.compared)} gradients differ, most that of {worst.source!r}: {by}."

    def to_dict(self) -> dict[str, Any]:
        told = [{**asdict(gradient), "passed": gradient.passed} for gradient in self.compared]
        about = {"passed": self.passed, "reason": self.reason, "precision": self.precision}
        return {**about, "compared": told, "skipped": self.skipped}


def compare_gradients(
    model: Any, record: Record, source: Source, inputs: Sequence[Port], outputs: Sequence[Port]
) -> Gradients:
    """Differentiate both for one batch of random inputs.

    Where a ReLU or a maximum turns over, rounding alone decides which way a gradient goes: what differs in float32 is
    computed again in float64, by the module and by the same layers.

    Args:
        model: of the conversion, on the Keras backend of this process.
        record: which tensor of the source each variable is.
        source: with a module.
        inputs, outputs: how the tensors of the source relate to those of the model.

    Raises:
        UsageError: the source has no module to differentiate, or one that draws random numbers.
    """
    if source.torch_module is None:
        raise UsageError("Gradients are compared with a PyTorch module's; this source has none.")
    if source.noise:
        raise UsageError("This source draws random numbers: its gradients are others at each call.")
    from converter.backends.keras.differentiate import gradients_of
    from converter.sources.torch.reference import Reference

    given, (by_module, shapes) = _at_a_size(source, Reference(source))
    factors = to_keras(outputs, [_random(shape) for shape in shapes])
    arrays = to_keras(inputs, [given[port.name] for port in inputs])
    found = _compared(record, by_module, gradients_of(model, arrays, factors))
    if found.passed:
        return found
    precise = _in_float64(model)
    if precise is None:
        return found
    by_module, _ = Reference(source, double=True).gradients(given, _random)
    return replace(_compared(record, by_module, gradients_of(precise, arrays, factors)), precision="float64")


def _at_a_size(source: Source, reference: Reference) -> tuple[dict[str, Array], tuple[dict[str, Array], list[Any]]]:
    """Inputs of a batch of two at which the module runs, and its gradients.

    Raises:
        BadSource: it runs at no size that a proof tries.
    """
    refusal: Exception | None = None
    for sizes in ATTEMPTS:
        case = plan(source.asked, sizes=sizes)[1]
        given = feeds(source.asked, case, {}, IntegerRanges.of(source.model.graph))
        try:
            return given, reference.gradients(given, _random)
        except Exception as error:  # noqa: BLE001 - whatever somebody's module raises at a size that it does not take
            refusal = refusal or error
    raise BadSource(f"The module runs at no size that was tried: {refusal}", hint=GIVE_SIZES) from refusal


def _in_float64(model: Any) -> Any | None:
    """The same layers with the same numbers; None where Keras does not compute them so."""
    from converter.backends.keras.lowered import lowered

    try:
        return lowered(model, "float64")
    except Unsupported:
        return None


def _random(shape: Sequence[int]) -> Array:
    """The same for the same shape."""
    return np.random.default_rng(SEED).standard_normal(tuple(shape)).astype(np.float32)


def _by_recorded_paths(recorded: Sequence[str], by_variable: Mapping[str, Array]) -> dict[str, Array]:
    """Keras leaves the name of a Bidirectional out of its variables' paths when it loads one."""
    found = {path: by_variable[path] for path in recorded if path in by_variable}
    for path in by_variable.keys() - found.keys():
        longer = [other for other in recorded if other.endswith(f"/{path}")]
        if len(longer) == 1:
            found[longer[0]] = by_variable[path]
    return found


def _compared(record: Record, by_module: Mapping[str, Array], by_variable: Mapping[str, Array]) -> Gradients:
    found: dict[str, Array] = {}
    known = _by_recorded_paths(record.order, by_variable)
    for path, place in record.places.items():
        if place.source in by_module and path in known:
            gradient = undone(known[path].astype(np.float64), place, path)
            found[place.source] = found.get(place.source, 0.0) + gradient
    for path, (names, _) in record.sums.items():
        found |= {name: known[path].astype(np.float64) for name in names if name in by_module and path in known}
    norms = {name: float(np.linalg.norm(gradient)) for name, gradient in by_module.items()}
    whole = float(np.linalg.norm(list(norms.values())))
    compared = [
        Gradient(
            name, norms[name], float(np.linalg.norm(found[name] - by_module[name])), RTOL * norms[name] + ATOL * whole
        )
        for name in found
    ]
    computed = set(itertools.chain(*record.computed.values()))
    skipped = {
        name: "a variable is computed from it" if name in computed else "no variable holds it"
        for name in by_module
        if name not in found
    }
    return Gradients(compared, skipped)
