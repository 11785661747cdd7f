"""How `Replay` reaches its process: one that it starts, or one that a warm server forks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Protocol

from converter.temporary import keep_folder

SCRIPT = Path(__file__).with_name("replay_child.py")


class Link(Protocol):
    """Lines to a process and back."""

    @property
    def is_alive(self) -> bool: ...

    def fileno(self) -> int:
        """Where its answers are read from."""

    def send(self, line: bytes) -> None:
        """Raises BrokenPipeError where the process is gone."""

    def end(self, pending: bytes) -> tuple[int, str]:
        """Wait for its end: the exit code, negative for a signal, and the last line that it printed.

        `pending` is what was read of it and is no whole answer.
        """

    def close(self) -> None:
        """End the process. Safe to call twice."""


class Process(Protocol):
    """What is asked of a child of this process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def kill(self) -> None: ...


class Owned:
    """A child of this process, asked and answering through pipes.

    Args:
        errors: where it prints.
        folder: for its temporary files: TensorFlow writes code to some that a killed process does not remove.
    """

    def __init__(
        self, process: Process, requests: IO[bytes], answers: IO[bytes], errors: IO[bytes], folder: Path
    ) -> None:
        self.process = process
        self._requests, self._answers, self._errors = requests, answers, errors
        self._folder = folder

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def fileno(self) -> int:
        return self._answers.fileno()

    def send(self, line: bytes) -> None:
        self._requests.write(line)
        self._requests.flush()

    def end(self, pending: bytes) -> tuple[int, str]:
        code = self.process.wait()
        self._errors.seek(0)
        return code, _last_line(self._errors.read().decode(errors="replace"))

    def close(self) -> None:
        if self.is_alive:
            self.process.kill()
        self.process.wait()
        for stream in (self._requests, self._answers, self._errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Started(Owned):
    """A process of `replay_child.py`."""

    def __init__(self, backend: str) -> None:
        errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        folder = keep_folder("child")
        process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(backend) | {"TMPDIR": str(folder)},
            start_new_session=True,  # Ctrl-C is the parent's to handle; it ends the child itself
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("The replay process was started without a pipe.")
        super().__init__(process, process.stdin, process.stdout, errors, folder)


class Forked:
    """A fork of `replay_server.py`, which listens at `path`. Closing the connection ends it.

    `memory` is what it may use, in bytes.
    """

    def __init__(self, path: str | Path, *, memory: int | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self.send(json.dumps({"memory": memory}).encode() + b"\n")
        self.is_alive = True

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, line: bytes) -> None:
        self._socket.sendall(line)

    def end(self, pending: bytes) -> tuple[int, str]:
        self.is_alive = False
        with contextlib.suppress(ConnectionResetError):  # what it has not read makes of its end a reset
            while part := self._socket.recv(1 << 16):
                pending += part
        for line in reversed(pending.splitlines()):
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if "exit" in said:
                    return int(said["exit"]), _last_line(str(said["output"]))
        return -9, ""

    def close(self) -> None:
        self.is_alive = False
        self._socket.close()


def default_backend() -> str:
    """The Keras backend that the user has chosen, TensorFlow where none was."""
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def environment(backend: str) -> dict[str, str]:
    """Of a process that replays on this backend."""
    values = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    if backend == "jax":
        # JAX compiles the initialiser of every kernel that a load is about to overwrite: half as long this way.
        values.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
    return values


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
