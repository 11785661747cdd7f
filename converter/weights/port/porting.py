"""The whole way: the source converted, both models run side by side, the numbers put in, and the result proven."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from converter.backends.emission import emit_model
from converter.options import Options
from converter.ports import Port, named, ports_of
from converter.prepare import prepare_source
from converter.proof.claim import Claim
from converter.proof.inputs.cases import graph_inputs
from converter.proof.inputs.trials import Trial, Trials, make_trials
from converter.proof.oracle_for import oracle_for
from converter.proof.verdict import Verification
from converter.proof.verify import verify
from converter.sources import Source
from converter.weights.port.calls import Array, feed
from converter.weights.port.choices import walked
from converter.weights.port.map_file import Row, rows_of
from converter.weights.port.partners import path_of
from converter.weights.port.sources import source_layers
from converter.weights.port.target import chosen_outputs, given_to, pairings
from converter.weights.port.walk import PortWalk
from converter.weights.port.words import Parting, partings
from passes.errors import BadSource, ConversionError


@dataclass(frozen=True)
class Porting:
    """What became of a model.

    Attributes:
        rows: for each variable that has got numbers.
        partings: where the model is not what the source is.
        alone: layers without a partner in the source.
        unused: tensors of the source that no variable holds.
        verification: of the model with its numbers, at several inputs; None where it does not run to its end.
    """

    rows: Sequence[Row]
    partings: Sequence[Parting]
    alone: Sequence[str]
    unused: Sequence[str]
    verification: Verification | None

    @property
    def is_equal(self) -> bool:
        return self.verification is not None and self.verification.passed


def port_weights(
    loaded: Source, model: Any, options: Options, told: Mapping[str, str] | None = None
) -> tuple[Porting, Callable[[Any], Verification]]:
    """Put the weights of a source into a Keras model.

    Args:
        loaded: the source.
        model: a model of the same architecture. Its variables are changed.
        options: with which the source was loaded.
        told: by the path of a variable the name of the tensor that it holds, where that is known.

    Returns:
        What became of it, and what proves another model with the same inputs, such as the same one from its file.

    Raises:
        UsageError: inputs or outputs do not fit.
        Unsupported: the source has operators that are not converted.
        BadSource: the model itself fails where it should run.
    """
    loaded = _with_outputs(loaded, chosen_outputs(model, loaded.model.graph.outputs))
    prepared = prepare_source(loaded, options, keep_normalised=True)
    emission = emit_model(prepared.final, options, loaded)
    inputs = named(ports_of(graph_inputs(prepared.final)), emission.input_names)
    oracle = oracle_for(loaded, prepared)
    making = Trials.knowing(loaded, oracle, prepared.normalised, quick=True)
    trial = make_trials(making, {}, [], proving=lambda trial: True)[0]
    sources = source_layers(emission.model, emission.origins, given_to(inputs, trial.feeds))
    pairing, walk, outputs = _best(model, sources, inputs, trial, told or {})

    def proven(other: Any) -> Verification:
        turned = [_as_given(port, y) for port, y in zip(ports_of(prepared.final.graph.outputs), outputs, strict=True)]
        alone = replace(loaded, torch_module=None)  # how near to float64 the numbers are is the model's own affair
        claim = Claim(alone, oracle, prepared.normalised, pairing, turned)
        return verify(None, claim, answer=lambda trials: [_answered(other, pairing, trial) for trial in trials])

    rows = rows_of(walk.matched, model)
    held = {row.source for row in rows}
    tensors = {tensor.source: None for layer in sources for tensor in layer.tensors.values() if tensor.source}
    unused = [name for name in tensors if name not in held]
    verification = proven(model) if outputs else None
    return Porting(rows, partings(walk.matched), [path_of(each) for each in walk.alone], unused, verification), proven


def _with_outputs(loaded: Source, places: Sequence[int]) -> Source:
    """The source with these of its outputs alone."""
    if list(places) == list(range(len(loaded.model.graph.outputs))):
        return loaded
    model = loaded.model.clone()
    model.graph.outputs[:] = [model.graph.outputs[place] for place in places]
    return replace(loaded, model=model, path=None)


def _best(
    model: Any, sources: Sequence[Any], inputs: Sequence[Port], trial: Trial, told: Mapping[str, str]
) -> tuple[Sequence[Port], PortWalk, list[Array]]:
    """The first way to pair the inputs with which all layers agree, or that with which most do."""
    found: list[tuple[Sequence[Port], PortWalk, list[Array]]] = []
    failed: list[BadSource] = []
    for pairing in pairings(model, inputs, trial.feeds):
        arrays = given_to(pairing, trial.feeds)
        try:
            _run(model, arrays)  # which makes the variables of a model that has none yet
            walk, outputs = _walked(model, sources, arrays, told)
        except BadSource as error:
            failed.append(error)
            continue
        found.append((pairing, walk, outputs))
        if not walk.alone and all(each.is_equal for each in walk.matched):
            break
    if not found:
        raise failed[0]
    best = max(found, key=lambda each: sum(matched.is_equal for matched in each[1].matched))
    if best is not found[-1]:
        return best[0], *_walked(model, sources, given_to(best[0], trial.feeds), told)
    return best


def _walked(
    model: Any, sources: Sequence[Any], arrays: Sequence[Array], told: Mapping[str, str]
) -> tuple[PortWalk, list[Array]]:
    try:
        return walked(model, sources, arrays, told)
    except ConversionError:
        raise
    except Exception as error:  # whatever the user's model raises
        raise BadSource(f"The model stops: {type(error).__name__}: {error}") from error


def _run(model: Any, arrays: Sequence[Array]) -> list[Array]:
    try:
        return feed(model, arrays)
    except Exception as error:  # whatever the user's model raises
        raise BadSource(f"The model does not run: {type(error).__name__}: {error}") from error


def _answered(model: Any, pairing: Sequence[Port], trial: Trial) -> list[Array] | str:
    try:
        return feed(model, given_to(pairing, trial.feeds))
    except Exception as error:  # noqa: BLE001 - told as the outcome of the case
        return str(error)


def _as_given(port: Port, made: Array) -> Port:
    """The port with the axes that the model gives it: turned to the Keras way, or as in the source."""
    if port.permutation is None:
        return port
    sizes = [size if isinstance(size, int) else None for size in (port.shape[axis] for axis in port.permutation)]
    fits = len(sizes) == made.ndim and all(a is None or a == b for a, b in zip(sizes, made.shape, strict=True))
    return port if fits else replace(port, permutation=None)
