"""The replay process of a command that converts a file: forked from the command itself, once Keras is imported.

Importing TensorFlow takes seconds, and a second process that imports it takes them again. A fork is as good as a fresh
process only where nothing but imports has happened: this one has a single thread (a lock that another one holds would
stay locked for ever), Keras is imported by this conversion and knows no layer but its own, and torch is not there. The
fork then forgets keraport. Wherever that does not hold, a process is started instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn

from converter.processes.fork_server import is_safe
from converter.processes.replay import Replay
from converter.processes.replay_link import SCRIPT, Owned, environment
from converter.temporary import keep_folder

BACKEND = "tensorflow"
"""The only one whose import starts no thread."""

LARGEST = 64 << 20
"""Bytes of a file: what is read from it stays in memory for as long as the fork lives, whatever this process frees."""


def replay_ahead(backend: str, source: Any) -> Callable[[], object]:
    """Have a process ready by the time that the model is saved: started now, so that its seconds pass while the source
    is read, or forked when Keras is here, where that takes longer than to read an ONNX file.

    Returns:
        what to call once Keras is imported.
    """
    if _will_be_fit(backend, source):
        return partial(_fork, backend)
    Replay.warm(backend)
    return lambda: None


def _fork(backend: str) -> None:
    import keras  # noqa: TID251 - what it knows, not what it computes

    if "torch" not in sys.modules and not keras.saving.get_custom_objects() and _has_one_thread():
        Replay.keep(Replay(backend, link=Twin(backend)))
    else:
        Replay.warm(backend)


def _will_be_fit(backend: str, source: Any) -> bool:
    """Whether a small ONNX file is converted by a process that has done nothing before."""
    if backend != BACKEND or {"keras", "torch"} & sys.modules.keys() or not _has_one_thread():
        return False
    is_file = isinstance(source, (str, Path)) and str(source).endswith(".onnx") and os.path.isfile(source)
    return is_file and os.path.getsize(source) <= LARGEST


def _has_one_thread() -> bool:
    return sys.platform == "linux" and is_safe()


class _Fork:
    """A child of this process, as `subprocess.Popen` has one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._ended(os.WNOHANG)

    def wait(self) -> int:
        code = self._ended(0)
        assert code is not None
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _ended(self, how: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, how)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class Twin(Owned):
    """A fork of this process that answers as `replay_child.py` does. See `_fork` for when."""

    def __init__(self, backend: str) -> None:
        errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        folder = keep_folder("child")
        (read, ask), (listen, answer) = os.pipe(), os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or the fork would say it, too
        every = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if pid == 0:
            _answer(backend, read, answer, errors.fileno(), folder)
        signal.pthread_sigmask(signal.SIG_SETMASK, every)
        os.close(read)
        os.close(answer)
        super().__init__(_Fork(pid), open(ask, "wb"), open(listen, "rb"), errors, folder)  # noqa: SIM115


def _answer(backend: str, requests: int, answers: int, errors: int, folder: Path) -> NoReturn:
    """In the fork: become what a fresh process would be, answer until nobody asks, and never return."""
    code = 1
    try:
        os.setsid()  # Ctrl-C is the parent's to handle; it ends the child itself
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _keep_open(requests, answers, errors)
        os.environ.update(environment(backend) | {"TMPDIR": str(folder)})
        tempfile.tempdir = None
        replay = _script()
        _forget(replay.FORBIDDEN)
        replay.prepare()
        with open(requests, encoding="utf-8") as lines, open(answers, "w", encoding="utf-8") as told:
            replay.answer_all(lines, told)
        code = 0
    except BaseException:  # noqa: BLE001 - the last door of this process
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def _keep_open(requests: int, answers: int, errors: int) -> None:
    """Of the parent's descriptors: locks and the other ends of the pipes are the parent's alone."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (errors, 1), (errors, 2)):
        os.dup2(source, target)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in (requests, answers):
            with contextlib.suppress(OSError):  # the one that has listed them
                os.close(descriptor)


def _script() -> Any:
    """`replay_child.py` by its path, as a fresh process has it."""
    spec = importlib.util.spec_from_file_location("replay_child", SCRIPT)
    if spec is None or spec.loader is None:
        raise ImportError(f"There is no {SCRIPT}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _forget(packages: set[str]) -> None:
    """Make modules as good as not imported: whoever asks for one again has to find it."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
