"""The saved files against the source, within one conversion: what was found, and what a wrong file leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from converter.atomic_output import Output
from converter.destinations.kinds import Destination
from converter.options import DTYPE_POLICIES, Options
from converter.prepare import Prepared
from converter.report import Report
from converter.sources import Source
from passes.errors import ConversionError, NotEquivalent

if TYPE_CHECKING:
    from converter.backends.keras.emitted import Emission
    from converter.destinations.quantise import Quantisation
    from converter.proof.fewer_bits.measure import Signal
    from converter.proof.inputs.trials import Trial
    from converter.proof.verdict import Verification

RUNTIMES = {"savedmodel": "TensorFlow", "tflite": "LiteRT", "onnx": "onnxruntime", "openvino": "OpenVINO"}
"""What runs a file, by its format."""

WRITER = "tensorflow"
"""The backend whose process runs SavedModels and LiteRT files."""


@dataclass
class Proof:
    """Compares what a conversion has written with onnxruntime on the source, and puts it into the report."""

    loaded: Source
    prepared: Prepared
    emission: Emission
    options: Options
    report: Report

    def __post_init__(self) -> None:
        from converter.proof.claim import Claim
        from converter.proof.inputs.examples import example_arrays
        from converter.proof.oracle_for import oracle_for
        from converter.proof.random_numbers.drawn import noise_ports

        self._oracle = oracle_for(self.loaded, self.prepared)
        self._equal: Sequence[Trial] = ()
        self._claim = Claim(
            self.loaded,
            self._oracle,
            self.prepared.normalised,
            [*self.report.inputs, *noise_ports(self.prepared.final, self.loaded.noise)],
            self.report.outputs,
            example_arrays(self.loaded, self.options.example_files or self.options.example_inputs),
            self.options.tolerance,
            self.options.verify == "quick",
            partial(_find_guilty, self.prepared.final, self.emission),
        )

    def of_keras(self, place: Output, *, kept: bool) -> None:
        """The `.keras` file; a wrong one is kept beside its place, with a word on where it goes wrong first.

        Raises:
            NotEquivalent: it computes something else.
        """
        from converter.proof.guilt.by_layer import by_layer
        from converter.proof.guilt.first_difference import Tracing, locate
        from converter.proof.random_numbers.drawn import told_of
        from converter.proof.verify import verify_on_all

        verification = verify_on_all(self.options.verify_on, place.temporary, self._claim)
        if not verification.passed:
            tracing = Tracing(self.emission.trace, self.emission.isolated)
            verification.first_difference = locate(verification, self.loaded, self._oracle, tracing, self.options)
        self._equal = verification.trials
        if self.options.layers:
            found = by_layer(self.prepared.final, self.emission, verification.counterexample or verification.first)
            self.report.layers = [layer.to_dict() for layer in found]
        self.report.verification = verification.to_dict()
        if self.options.timed and verification.passed:
            from converter.proof.latency import latencies

            ports = self.report.inputs, self.report.outputs
            taken = latencies(place.temporary, self._oracle, *ports, verification.first, verification.backend)
            self.report.verification |= taken
        self.report.notes += [f"Output {name!r} is unproven. {why}" for name, why in verification.unproven.items()]
        self.report.notes += told_of(verification.draws)
        if not verification.passed:
            if kept:
                written(self.report, place.keep_unverified())
            raise _not_equivalent(verification, self.report.output)

    def of_lowered(self, place: Output, policy: str, *, kept: bool) -> None:
        """How much of the signal the `.keras` file under a dtype policy has kept, on every backend that is asked for.

        It is measured with the cases in which the file without it is equal. One that keeps too little is kept beside
        its place.

        Raises:
            NotEquivalent: less than it was to keep.
        """
        from converter.processes.replay_link import default_backend
        from converter.proof.fewer_bits.measure import HINT, FewerBits, refuse_faint, told_of_policy, told_of_signals

        least = DTYPE_POLICIES[policy] if self.options.least_signal is None else self.options.least_signal
        told = self.report.dtype_policy = told_of_policy(FewerBits(policy, least), is_proven_without=True)
        try:
            for backend in self.options.verify_on or (default_backend(),):
                found = self._signals(place.temporary, self._equal, backend)
                told["measured"].append(told_of_signals(backend, found))
                refuse_faint(found, least, policy, HINT)
        except NotEquivalent:
            if kept:
                written(self.report, place.keep_unverified())
            raise

    def of_destination(self, destination: Destination, file: Path, smaller: Quantisation | None) -> dict[str, Any]:
        """Any other file, or a SavedModel, by its own runtime: whether it passed, its greatest error and its latency.

        The module is not asked: how near to float64 the numbers are was settled for Keras, and kernels of LiteRT round
        in their own way, within the tolerance.

        Raises:
            NotEquivalent: it computes something else; it is not written.
        """
        from converter.proof.latency import latencies
        from converter.proof.verify import verify

        if destination.format == "weights":
            return self._of_weights(file)
        if smaller is not None and destination.format == "tflite":
            return self._of_quantised(file, smaller)
        claim = replace(self._claim, source=replace(self.loaded, torch_module=None))
        backend = None if destination.format == "code" else WRITER
        found = verify(file, claim, backend=backend)
        if not found.passed:
            reason = found.reason.replace("Keras stops", f"{RUNTIMES.get(destination.format, 'Keras')} stops")
            is_fourier = "IsPowerOfTwo" in reason  # LiteRT's own word for it
            raise NotEquivalent(
                f"The {destination.format} file computes something else: {reason}",
                hint="LiteRT has Fourier transforms of lengths that are powers of two only; a SavedModel has them all."
                if is_fourier
                else "The Keras model is equal: what differs is what was made of it. Another format may do.",
            )
        if backend is None:
            return found.summary()
        ports = self.report.inputs, self.report.outputs
        return {**found.summary(), **latencies(file, self._oracle, *ports, found.first, backend)}

    def _of_weights(self, file: Path) -> dict[str, Any]:
        """Whether a model of the same layers has the same numbers once it has read them.

        Raises:
            NotEquivalent: it has others.
        """
        from converter.backends.keras.save import same_weights

        if not same_weights(self.emission.model, file):
            raise NotEquivalent("The .weights.h5 file does not give the model its weights back.")
        return {"passed": True, "cases": 1, "max_abs": 0.0}

    def _of_quantised(self, file: Path, smaller: Quantisation) -> dict[str, Any]:
        """How much of the signal a file with fewer bits has kept.

        Raises:
            NotEquivalent: less than it was to keep, or LiteRT does not run it.
        """
        from converter.proof.fewer_bits.measure import refuse_faint, sampled

        trials = sampled(self.loaded, self._oracle, smaller.samples)
        try:
            found = self._signals(file, trials, WRITER)
        except NotEquivalent:
            raise
        except ConversionError as error:  # of some files LiteRT ends the process
            raise NotEquivalent(
                f"LiteRT does not run the {smaller.kind} file: {error.message}",
                hint="Calibrate it with inputs of its kind: a layer that they only give zeros has no range."
                if smaller.kind == "int8"
                else error.hint,
            ) from error
        hint = "Calibrate it with more inputs of its kind, or ask for less: --min-signal DB."
        refuse_faint(found, smaller.least, smaller.kind, hint)
        return {"passed": True, "least_signal": smaller.least, "outputs": [signal.to_dict() for signal in found]}

    def _signals(self, file: Path, trials: Sequence[Trial], backend: str) -> list[Signal]:
        """What is left in each output.

        Raises:
            NotEquivalent: the file does not run.
        """
        from converter.proof.fewer_bits.measure import signals
        from converter.proof.verify import replaying

        with replaying(file, self._claim, backend) as answer:
            return signals(trials, answer(trials), self.report.outputs)


def written(report: Report, path: Path) -> None:
    report.output, report.output_bytes = str(path), path.stat().st_size


def _find_guilty(final: ir.Model, emission: Emission, feeds: Mapping[str, Any]) -> dict[str, Any] | None:
    from converter.proof.guilt.diff import Values

    values = Values(final, feeds)
    guilty = values.guilty(emission.isolated(values.known))
    return None if guilty is None else guilty.to_dict()


def _not_equivalent(verification: Verification, kept: str | None) -> NotEquivalent:
    found = verification.first_difference or {}
    where = f" It goes wrong first at {found.get('layer') or found.get('pass')}." if found else ""
    hint = f"The model is kept as {kept}; do not use it." if kept else None
    return NotEquivalent(verification.reason + where, node=found.get("node"), hint=hint)
