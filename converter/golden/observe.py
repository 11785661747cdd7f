"""One model on its whole way, everybody's outputs for the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.backends.emission import emit_model
from converter.options import Options
from converter.ports import Port, ports_of, to_keras, to_source
from converter.prepare import prepare_source
from converter.processes.exclusive import exclusive
from converter.processes.replay import Replay
from converter.processes.replay_link import default_backend
from converter.proof.compare import Tolerance
from converter.proof.inputs.cases import graph_inputs
from converter.proof.inputs.examples import example_arrays
from converter.proof.inputs.trials import Trials, make_trials
from converter.proof.noise import uncertainty
from converter.proof.oracle.steps import Steps
from converter.proof.oracle_for import oracle_for
from converter.proof.precision import tolerances_of
from converter.proof.random_numbers.drawn import noise_ports
from converter.sources import Source, load
from converter.temporary import temporary_folder
from passes.errors import BadSource, NotEquivalent

if TYPE_CHECKING:
    from converter.backends.keras.emitted import Emission

Array = np.ndarray[Any, np.dtype[Any]]
Feeds = Mapping[str, Array]

MODULE, EXACT, ORACLE, MEMORY = "torch", "float64", "onnxruntime", "keras"
"""Who is asked; a file loaded again is `reloaded:BACKEND`."""


def reloaded(backend: str) -> str:
    return f"reloaded:{backend}"


@dataclass
class Observation:
    """Everybody's outputs for one case.

    Attributes:
        feeds: the inputs by name, axes as in the source.
        answers: by who was asked: the outputs, axes as in the source.
        uncertainty: of onnxruntime, for each output.
    """

    note: str
    feeds: Feeds
    answers: dict[str, list[Array]] = field(default_factory=dict)
    uncertainty: list[float] = field(default_factory=list)


@dataclass
class Observed:
    """A model, as it was found. `tolerances` are those of outputs whose dtype does not tell."""

    source: Source
    outputs: list[str]
    cases: list[Observation]
    tolerances: dict[str, Tolerance] = field(default_factory=dict)

    def tolerate(self, tolerance: Tolerance) -> None:
        """Have floating-point outputs judged by this one."""
        floats = [array.dtype.kind not in "iub" for array in self.cases[0].answers[ORACLE]]
        self.tolerances |= {name: tolerance for name, is_float in zip(self.outputs, floats, strict=True) if is_float}


@exclusive()
def observe(
    text: str, options: Options, *, feeds: Sequence[Feeds] | None = None, backends: Sequence[str] = ()
) -> Observed:
    """Convert a model and ask everybody.

    Args:
        text: the source as on the command line.
        feeds: what goes in; drawn as for a verification without.
        backends: Keras backends for the file that is loaded again.

    Raises:
        ConversionError: as `convert`.
    """
    loaded = load(text, options)
    prepared = prepare_source(loaded, options)
    emission = emit_model(prepared.final, options, loaded)
    oracle = oracle_for(loaded, prepared)
    final = prepared.final
    asked = [value for value in graph_inputs(final) if value.name not in loaded.noise]
    inputs, outputs = [*ports_of(asked), *noise_ports(final, loaded.noise)], ports_of(final.graph.outputs)
    if feeds is None:
        making = Trials.knowing(loaded, oracle, prepared.normalised)
        examples = example_arrays(loaded, options.example_files or options.example_inputs)
        trials = make_trials(making, examples, [], proving=lambda trial: True)
        # What a step takes from the one before it is in its inputs.
        cases = [Observation(trial.case.note or f"seed {trial.case.seed}", trial.feeds) for trial in trials]
    else:
        _refuse_other_inputs([port.name for port in inputs], feeds)
        cases = [Observation("", given) for given in feeds]
    steps = Steps(prepared.normalised)
    for case in cases:
        case.answers[ORACLE] = oracle.run(case.feeds)
        case.uncertainty = uncertainty(oracle, case.feeds, case.answers[ORACLE], steps=steps)
        made = emission.compute(to_keras(inputs, [case.feeds[port.name] for port in inputs]))
        case.answers[MEMORY] = to_source(outputs, made)
    _ask_module(loaded, cases)
    with temporary_folder("golden") as folder:
        saved = Path(folder) / "model.keras"
        emission.model.save(saved)
        for backend in backends or [default_backend()]:
            _ask_file(saved, backend, cases, inputs, outputs, emission)
    return Observed(loaded, [port.name for port in outputs], cases, tolerances_of(prepared.normalised.graph))


def _refuse_other_inputs(names: Sequence[str], feeds: Sequence[Feeds]) -> None:
    if feeds and set(names) != set(feeds[0]):
        raise BadSource(f"The source takes {', '.join(names)}; recorded were {', '.join(feeds[0])}.")


def _ask_module(loaded: Source, cases: Sequence[Observation]) -> None:
    """The module itself, and in float64 where it runs so. One that draws random numbers draws others."""
    if loaded.torch_module is None or loaded.noise:
        return
    from converter.sources.torch.reference import Reference

    for who, double in ((MODULE, False), (EXACT, True)):
        try:
            reference = Reference(loaded, double=double)
            for case in cases:
                case.answers[who] = reference.run(case.feeds)
        except Exception:  # noqa: BLE001 - the module may insist on sizes or types of its own; then it says nothing
            for case in cases:
                case.answers.pop(who, None)


def _ask_file(
    saved: Path,
    backend: str,
    cases: Sequence[Observation],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    emission: Emission,
) -> None:
    arrays = [to_keras(inputs, [case.feeds[port.name] for port in inputs]) for case in cases]
    replayed = Replay.warm(backend).replay(saved, arrays, outputs=emission.output_names, noise=emission.noise)
    for case, outcome in zip(cases, replayed.cases, strict=True):
        if isinstance(outcome, str):
            raise NotEquivalent(f"The saved model stops in plain Keras on {backend}: {outcome}")
        case.answers[reloaded(backend)] = to_source(outputs, outcome)
