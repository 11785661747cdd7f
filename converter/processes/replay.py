"""The parent's side of `replay_child.py`: start it, keep it warm, ask it, notice when it dies or hangs."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

import keraport
from converter.processes.replay_link import Link, Started
from converter.temporary import temporary_folder
from passes.errors import ConversionError, LimitExceeded, NotEquivalent

Array = np.ndarray[Any, np.dtype[Any]]

LAYERS = str(Path(keraport.__file__).with_name("layers"))

START_SECONDS = 180.0
REQUEST_SECONDS = 1200.0


Carry = tuple[int, int, Sequence[int]]
"""An input, the output of the case before that it is, and the permutation of axes in between."""


Named = tuple[str, tuple[int | None, ...]]


@dataclass(frozen=True)
class Replayed:
    """What the child found.

    Attributes:
        inputs, outputs: the model's, by name and shape; None stands for a dynamic size.
        cases: the outputs of each case, or the message with which Keras stopped.
        seconds: what a call with the first case takes, where that was asked.
        draws: by noise layer, what it draws by itself: see replay_child.py.
        policies: the dtype policies of its layers.
    """

    inputs: list[Named]
    outputs: list[Named]
    cases: list[list[Array] | str]
    seconds: float | None = None
    draws: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: Sequence[str] = ()


class Replay:
    """Plain Keras in a process of its own, on one backend: "tensorflow", "jax" or "torch".

    An answer may take `patience` seconds.
    """

    _warm: ClassVar[dict[str, Replay]] = {}

    def __init__(
        self, backend: str = "tensorflow", *, link: Link | None = None, patience: float = REQUEST_SECONDS
    ) -> None:
        self.backend = backend
        self._patience = patience
        self._link = link or Started(backend)
        self._pending = b""
        self._turn = threading.Lock()  # one pipe: an answer belongs to the request before it
        self.versions: dict[str, str] = {}
        self._is_ready = False
        self._kept = ""
        self._unread = 0  # answers that nobody waits for
        atexit.register(self.close)

    @classmethod
    def warm(cls, backend: str = "tensorflow") -> Replay:
        """The process of this backend that is kept for the next model; started here when there is none."""
        replay = cls._warm.get(backend)
        if replay is None or not replay.is_alive:
            replay = cls._warm[backend] = cls(backend)
        return replay

    @classmethod
    def keep(cls, replay: Replay) -> None:
        """Make this the one that `warm` returns for its backend."""
        cls._warm[replay.backend] = replay

    @property
    def is_alive(self) -> bool:
        return self._link.is_alive

    def run(self, model: Path | str, cases: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """As `replay`, for models that must run: the outputs of every case.

        Raises:
            NotEquivalent: Keras does not load the model or stops in a case.
        """
        outputs = []
        for place, outcome in enumerate(self.replay(model, cases).cases):
            if isinstance(outcome, str):
                raise NotEquivalent(f"The saved model stops in plain Keras on {self.backend}, case {place}: {outcome}")
            outputs.append(outcome)
        return outputs

    def open(self, model: Path | str, *, inputs: Sequence[str | None] = (), outputs: Sequence[str | None] = ()) -> None:
        """Have a model loaded, without waiting for it, and kept until `forget`: for several `replay`s of one file.

        What goes wrong is told by the `replay` that follows.
        """
        with self._turn:
            self._kept = str(Path(model).resolve())
            self._tell(self._question(model, (inputs, outputs), []))

    def forget(self) -> None:
        """Have what `open` loaded given back."""
        with self._turn:
            self._kept = ""
            self._tell({"model": ""})

    def replay(
        self,
        model: Path | str,
        cases: Sequence[Sequence[Array]],
        *,
        carried: Sequence[Sequence[Carry]] = (),
        inputs: Sequence[str | None] = (),
        outputs: Sequence[str | None] = (),
        noise: Sequence[str] = (),
        timed: bool = False,
    ) -> Replayed:
        """Load a saved model and compute its outputs for every case (arrays in the order of the model's inputs).

        Where `carried` names inputs of a case, they are what the model itself has put out in the case before. `outputs`
        is the order of a dictionary that the model returns. What is no `.keras` file is called by both names. The last
        arrays of a case are what the layers called `noise` give, in place of what they would draw. Where `timed`, the
        first case is called again and again.

        Raises:
            NotEquivalent: Keras does not load the model.
            LimitExceeded: no answer in time; the process is ended.
            ConversionError: the process died, for example for lack of memory.
        """
        with self._turn:
            return self._replay(model, cases, carried, (inputs, outputs), list(noise), timed)

    def _replay(
        self,
        model: Path | str,
        cases: Sequence[Sequence[Array]],
        carried: Sequence[Sequence[Carry]],
        names: tuple[Sequence[str | None], Sequence[str | None]],
        noise: list[str],
        timed: bool,
    ) -> Replayed:
        self._wait_until_ready()
        with temporary_folder("replay") as folder:
            requests = []
            for place, arrays in enumerate(cases):
                inputs, outputs = Path(folder) / f"in{place}.npz", Path(folder) / f"out{place}.npz"
                np.savez(inputs, **{str(i): _encoded(a) for i, a in enumerate(arrays)})  # type: ignore[arg-type]
                dtypes = [np.asarray(array).dtype.name for array in arrays]
                carry = [list(item) for item in carried[place]] if carried else []
                requests.append({"inputs": str(inputs), "outputs": str(outputs), "dtypes": dtypes, "carried": carry})
            more = {"noise": noise, "timed": timed}
            answer = self._ask({**self._question(model, names, requests), **more})
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
            taken, made = (
                [(port["name"], tuple(port["shape"])) for port in answer[side]] for side in ("inputs", "outputs")
            )
            draws, policies = answer.get("draws", {}), answer.get("policies", ())
            return Replayed(taken, made, outcomes, answer.get("seconds"), draws, policies)

    def close(self) -> None:
        """End the process. Safe to call twice."""
        self._link.close()
        atexit.unregister(self.close)

    def _wait_until_ready(self) -> None:
        if not self._is_ready:
            self.versions = self._read(START_SECONDS)["versions"]
            self._is_ready = True

    def _question(
        self,
        model: Path | str,
        names: tuple[Sequence[str | None], Sequence[str | None]],
        cases: Sequence[dict[str, Any]],
    ) -> dict[str, Any]:
        path = str(Path(model).resolve())
        told = {"inputs": list(names[0]), "outputs": list(names[1])}
        return {"model": path, "layers": LAYERS, **told, "cases": cases, "keep": path == self._kept}

    def _tell(self, request: dict[str, Any]) -> None:
        """Ask without waiting: `_ask` reads the answer before its own."""
        if self.is_alive:
            with contextlib.suppress(BrokenPipeError):  # the next `_ask` tells
                self._link.send(json.dumps(request).encode() + b"\n")
                self._unread += 1

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._link.send(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._died() from None
        while self._unread:
            self._read(self._patience)
            self._unread -= 1
        return self._read(self._patience)

    def _read(self, timeout: float) -> dict[str, Any]:
        """The next line of the child. A child that is interrupted or late is ended: its next answer would be stale."""
        deadline = time.monotonic() + timeout
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._link, selectors.EVENT_READ)
                while (message := self._next_message()) is None:
                    if not selector.select(max(0.0, deadline - time.monotonic())):
                        raise LimitExceeded(f"The replay on {self.backend} gave no answer within {timeout:.0f} s.")
                    try:
                        part = os.read(self._link.fileno(), 1 << 16)
                    except ConnectionResetError:  # it ended before it had read all
                        part = b""
                    if not part:
                        raise self._died()
                    self._pending += part
        except BaseException:
            self.close()
            raise
        return message

    def _next_message(self) -> dict[str, Any] | None:
        """The next answer in what was read. What a fork server says of its child is none, nor is half a line: the child
        died while it wrote, and its end is told next."""
        while b"\n" in self._pending:
            line, _, rest = self._pending.partition(b"\n")
            message: dict[str, Any] = {}
            with contextlib.suppress(ValueError):
                message = json.loads(line)
            if "exit" in message:
                raise self._died()
            self._pending = rest
            if message and "pid" not in message:
                return message
        return None

    def _died(self) -> ConversionError:
        code, said = self._link.end(self._pending)
        cause = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = f": {said}" if said and code > 0 else "."
        return ConversionError(
            f"The replay process on {self.backend} {cause}{last}",
            hint="Signal 9 is usually the machine running out of memory." if code == -9 else None,
        )


def _encoded(array: Array) -> Array:
    array = np.asarray(array, order="C")
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _decoded(array: Array, dtype: str) -> Array:
    return array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array
