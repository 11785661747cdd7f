"""A file that exists already (.keras, SavedModel, .tflite, .onnx) against any source: which way its images lie is found
out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.ports import Port, ports_of
from converter.prepare import prepare
from converter.processes.exclusive import exclusive
from converter.processes.replay import Named, Replay
from converter.processes.replay_link import default_backend
from converter.proof.claim import Claim
from converter.proof.compare import Tolerance
from converter.proof.fewer_bits.measure import fewer_bits
from converter.proof.fewer_bits.saved import verify_signal_on_all
from converter.proof.inputs.cases import graph_inputs
from converter.proof.oracle_for import oracle_for
from converter.proof.random_numbers.drawn import noise_ports
from converter.proof.verdict import Verification
from converter.proof.verify import verify_on_all
from converter.sources import Source
from passes.errors import BadSource, NotEquivalent

Array = np.ndarray[Any, np.dtype[Any]]
SAFE_KERAS = (3, 15)
ADVISORIES = "CVE-2025-1550, 2025-8747, 2025-9906, 2026-0897, 2026-1669, 2026-12479"

Ports = tuple[list[Port], list[Port]]


@exclusive()
def verify_saved(
    saved: Path,
    source: Source,
    *,
    examples: Mapping[str, Array] | None = None,
    backends: Sequence[str] = (),
    tolerance: Tolerance | None = None,
    least_signal: float | None = None,
    trust: bool = False,
) -> tuple[Verification, Ports]:
    """Verify a saved model, in the layout that its input shapes allow; where they allow both, in the one that passes.

    A `.keras` file whose layers have a dtype policy of fewer bits is judged by the signal that it keeps.

    Args:
        backends: Keras backends, by default the one in KERAS_BACKEND.
        tolerance: for floating-point outputs, instead of the one of their dtype.
        least_signal: what a file of fewer bits has to keep, in decibels, instead of what goes with its policy.
        trust: open the model with a Keras that has known holes.

    Returns:
        The verification, and the inputs and outputs in the layout that was found.

    Raises:
        BadSource: this Keras must not open a file from elsewhere.
        NotEquivalent: the model takes other inputs than the reference.
        UsageError: a least signal for a file of the source's bits, or none for one of which only the user knows it.
        ConversionError: the reference cannot be brought through the passes.
    """
    if not trust and saved.suffix == ".keras":
        refuse_unsafe_keras()
    backends = backends or [default_backend()]
    prepared = prepare(source.model, opened=source.opened)
    oracle = oracle_for(source, prepared)
    turned = _ports(prepared.final, source)
    as_in_source: Ports = ([_unturned(p) for p in turned[0]], [_unturned(p) for p in turned[1]])
    opened = Replay.warm(backends[0]).replay(saved, [])
    fewer = fewer_bits(opened.policies, least_signal)
    shapes = [shape for _, shape in opened.inputs]
    if saved.suffix != ".keras":  # they are called by names, and have them in any order
        named = dict(opened.inputs)
        turned, as_in_source = (
            (_called(ports[0], opened.inputs), _called(ports[1], opened.outputs)) for ports in (turned, as_in_source)
        )
        shapes = [named[port.called] for port in turned[0]] if len(named) == len(turned[0]) else shapes
    possible = [ports for ports in (turned, as_in_source) if _fits(ports[0], shapes)]
    if not possible:
        wanted = ", ".join(f"{port.name} {_text(port.shape)}" for port in as_in_source[0])
        raise NotEquivalent(
            f"The model takes inputs {', '.join(map(_text, shapes))}; the reference takes {wanted}.",
            hint="Is it the model that this reference was converted to?",
        )
    tried: list[tuple[Verification, Ports]] = []
    for ports in possible:
        inputs = [*ports[0], *noise_ports(prepared.final, source.noise)]
        claim = Claim(source, oracle, prepared.normalised, inputs, ports[1], examples or {}, tolerance)
        if fewer is None:
            found = verify_on_all(backends, saved, claim)
        else:
            found = verify_signal_on_all(backends, saved, fewer, claim)
        tried.append((found, ports))
        if found.passed or ports == possible[-1]:
            break
    return next((pair for pair in tried if pair[0].passed), tried[0])


def _called(ports: Sequence[Port], own: Sequence[Named]) -> list[Port]:
    """The ports with the model's own names for them: the same ones where it has them all, else in order."""
    names = [name for name, _ in own]
    if len(names) != len(ports) or set(names) == {port.name for port in ports}:
        return [replace(port, keras_name=port.name) for port in ports]
    return [replace(port, keras_name=name) for port, name in zip(ports, names, strict=True)]


def refuse_unsafe_keras() -> None:
    """Conversions load only what they have just saved; what somebody has sent is loaded with a sound Keras.

    Raises:
        BadSource: this one has known holes.
    """
    found = metadata.version("keras")
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < SAFE_KERAS:
        raise BadSource(
            f"Keras {found} can be made to run code, or to read other files, by a .keras file: {ADVISORIES}.",
            hint="pip install 'keras>=3.15', or give --trust for a file of your own.",
        )


def _ports(final: ir.Model, source: Source) -> Ports:
    asked = [value for value in graph_inputs(final) if value.name not in source.noise]
    return ports_of(asked), ports_of(final.graph.outputs)


def _unturned(port: Port) -> Port:
    return replace(port, permutation=None)


def _fits(ports: Sequence[Port], shapes: Sequence[tuple[int | None, ...]]) -> bool:
    """Whether the sizes that both sides know are equal."""
    if len(ports) != len(shapes):
        return False
    for port, shape in zip(ports, shapes, strict=True):
        order = port.permutation or range(len(port.shape))
        sizes = [port.shape[axis] for axis in order]
        if len(sizes) != len(shape):
            return False
        if any(isinstance(a, int) and b is not None and a != b for a, b in zip(sizes, shape, strict=True)):
            return False
    return True


def _text(shape: Sequence[int | str | None]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"
