"""The parent's side of `replay.py`: start it, keep it warm, ask it, notice when it dies or hangs."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import ml_dtypes
import numpy as np

from passes.errors import ConversionError, LimitExceeded, NotEquivalent

Array = np.ndarray[Any, np.dtype[Any]]

SCRIPT = Path(__file__).with_name("replay.py")
START_SECONDS = 180.0
REQUEST_SECONDS = 1200.0


@dataclass(frozen=True)
class Replayed:
    """What the child found.

    Attributes:
        inputs: the model's, by name and shape; None stands for a dynamic size.
        cases: the outputs of each case, or the message with which Keras stopped.
    """

    inputs: list[tuple[str, tuple[int | None, ...]]]
    cases: list[list[Array] | str]


class Replay:
    """Plain Keras in a process of its own, on one backend: "tensorflow", "jax" or "torch"."""

    _warm: ClassVar[dict[str, Replay]] = {}

    def __init__(self, backend: str = "tensorflow") -> None:
        self.backend = backend
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        if backend == "jax":
            # JAX compiles the initialiser of every kernel that a load is about to overwrite: half as long this way.
            environment.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,  # Ctrl-C is the parent's to handle; it ends the child itself
        )
        self._pending = b""
        self.versions: dict[str, str] = {}
        self._is_ready = False
        atexit.register(self.close)

    @classmethod
    def warm(cls, backend: str = "tensorflow") -> Replay:
        """The process of this backend that is kept for the next model; started here when there is none."""
        replay = cls._warm.get(backend)
        if replay is None or not replay.is_alive:
            replay = cls._warm[backend] = cls(backend)
        return replay

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def run(
        self, model: Path | str, cases: Sequence[Sequence[Array]], *, timeout: float = REQUEST_SECONDS
    ) -> list[list[Array]]:
        """As `replay`, for models that must run: the outputs of every case.

        Raises:
            NotEquivalent: Keras does not load the model or stops in a case.
        """
        outputs = []
        for place, outcome in enumerate(self.replay(model, cases, timeout=timeout).cases):
            if isinstance(outcome, str):
                raise NotEquivalent(f"The saved model stops in plain Keras on {self.backend}, case {place}: {outcome}")
            outputs.append(outcome)
        return outputs

    def replay(
        self, model: Path | str, cases: Sequence[Sequence[Array]], *, timeout: float = REQUEST_SECONDS
    ) -> Replayed:
        """Load a saved model and compute its outputs for every case (arrays in the order of the model's inputs).

        Raises:
            NotEquivalent: Keras does not load the model.
            LimitExceeded: no answer in time; the process is ended.
            ConversionError: the process died, for example for lack of memory.
        """
        self._wait_until_ready()
        with tempfile.TemporaryDirectory(prefix="keraport-replay-") as folder:
            requests = []
            for place, arrays in enumerate(cases):
                inputs, outputs = Path(folder) / f"in{place}.npz", Path(folder) / f"out{place}.npz"
                np.savez(inputs, **{str(i): _encoded(a) for i, a in enumerate(arrays)})  # type: ignore[arg-type]
                dtypes = [np.asarray(array).dtype.name for array in arrays]
                requests.append({"inputs": str(inputs), "outputs": str(outputs), "dtypes": dtypes})
            answer = self._ask({"model": str(Path(model).resolve()), "cases": requests}, timeout)
            if not answer["ok"]:
                raise NotEquivalent(
                    f"The saved model does not load in plain Keras on {self.backend}: {answer['message']}"
                )
            outcomes: list[list[Array] | str] = []
            for request, case in zip(requests, answer["cases"], strict=True):
                if not case["ok"]:
                    outcomes.append(case["message"])
                    continue
                with np.load(str(request["outputs"]), allow_pickle=False) as file:
                    outcomes.append([_decoded(file[str(i)], dtype) for i, dtype in enumerate(case["dtypes"])])
            return Replayed([(i["name"], tuple(i["shape"])) for i in answer["inputs"]], outcomes)

    def close(self) -> None:
        """End the process. Safe to call twice."""
        if self.is_alive:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        atexit.unregister(self.close)

    def _wait_until_ready(self) -> None:
        if not self._is_ready:
            self.versions = self._read(START_SECONDS)["versions"]
            self._is_ready = True

    def _ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("The replay process was started without a pipe.")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        return self._read(timeout)

    def _read(self, timeout: float) -> dict[str, Any]:
        """The next line of the child. A child that is interrupted or late is ended: its next answer would be stale."""
        stdout = self._process.stdout
        if stdout is None:
            raise RuntimeError("The replay process was started without a pipe.")
        deadline = time.monotonic() + timeout
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(stdout, selectors.EVENT_READ)
                while b"\n" not in self._pending:
                    if not selector.select(max(0.0, deadline - time.monotonic())):
                        raise LimitExceeded(f"The replay on {self.backend} gave no answer within {timeout:.0f} s.")
                    part = os.read(stdout.fileno(), 1 << 16)
                    if not part:
                        raise self._died()
                    self._pending += part
        except BaseException:
            self.close()
            raise
        line, _, self._pending = self._pending.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _died(self) -> ConversionError:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        cause = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = f": {said[-1]}" if said and code > 0 else "."
        return ConversionError(
            f"The replay process on {self.backend} {cause}{last}",
            hint="Signal 9 is usually the machine running out of memory." if code == -9 else None,
        )


def _encoded(array: Array) -> Array:
    array = np.asarray(array, order="C")
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _decoded(array: Array, dtype: str) -> Array:
    return array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array
