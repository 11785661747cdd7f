"""A warm process that forks a child for every connection: imports are paid once, and no child sees another.

It imports what the children need and nothing that starts a thread: a lock that another thread holds at the moment of
the fork would stay locked in the child for ever. `is_safe` looks, and where there are threads after all the child
executes a fresh interpreter. A child leads a session and a process group of its own. It is ended with all its
descendants when the connection is closed, when this process ends, or when its parent does. What it prints is read and
dropped but for the end. Linux only: it needs prctl(2) and epoll(7).

It needs nothing but the standard library, and can be loaded by its path: replay_server.py runs where keraport must not
be imported.

    connection → child     whatever the two agree on
    child → connection     likewise
    child → connection     {"pid": 123} first
    server → connection    {"exit": -11, "output": "last lines", "peak": 1234567} last, when all of the child's
                           processes are gone; each is a line
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy's OpenBLAS starts its threads when it is imported, and a process with threads must not fork."""

TAIL = 16 << 10
"""Bytes of output that are kept."""

ORPHANS_SECONDS = 10.0
"""How long the descendants of a dead child may take to go: SIGKILL is prompt but for a process stuck in the kernel."""

Body = Callable[[socket.socket], None]


@dataclass
class Child:
    """A forked process, the connection that it serves, and the end of what it printed."""

    pid: int
    connection: socket.socket
    output: int
    tail: bytearray = field(default_factory=bytearray)


class ForkServer:
    """Serve connections until the control descriptor (the parent's pipe) is closed.

    Args:
        listener: a listening Unix socket, in a folder that only this user may enter.
        body: what a child does with its connection.
        control: readable when the parent is gone.
        command: what a child executes instead, with the connection's descriptor as one more argument, where forking
            without executing is not safe.
    """

    def __init__(self, listener: socket.socket, body: Body, *, control: int, command: Sequence[str]) -> None:
        self._listener = listener
        self._body = body
        self._control = control
        self._command = list(command)
        self._children: dict[int, Child] = {}
        self._unsaid: dict[int, tuple[socket.socket, bytes]] = {}
        self._may_fork = False
        self._poll = select.epoll()
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans of a dead child come here, whatever session they are in
        signal.set_wakeup_fd(self._woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
        gc.collect()
        self._may_fork = is_safe()  # a fork has one thread, whatever it was forked from
        gc.freeze()  # the collector would write to the pages that all children share
        for descriptor in (self._wake, self._control, self._listener.fileno()):
            self._poll.register(descriptor, select.EPOLLIN)
        try:
            while self._step():
                continue
        finally:
            for child in list(self._children.values()):
                _end(child.pid)
                self._finish(child, *os.waitpid(child.pid, 0)[1:], 0)

    def _step(self) -> bool:
        """Handle what has happened; False once the parent is gone."""
        events = {descriptor for descriptor, _ in self._poll.poll()}
        if self._control in events:
            return False
        # The order matters: reaping closes descriptors, and accepting takes their numbers.
        for descriptor in events - {self._wake, self._listener.fileno()}:
            self._serve(descriptor)
        if self._wake in events:
            self._reap()
        if self._listener.fileno() in events:
            self._accept()
        return True

    def _serve(self, descriptor: int) -> None:
        """Something of a child: output to read, or a connection that was closed or takes more of the last words."""
        if descriptor in self._unsaid:
            self._forget(descriptor)
            self._part(*self._unsaid.pop(descriptor))
            return
        for child in list(self._children.values()):
            if descriptor == child.output:
                self._drain(child)
            elif descriptor == child.connection.fileno():
                self._forget(descriptor)
                _end(child.pid)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        output, printed = os.pipe()
        os.set_blocking(output, False)
        pid = os.fork()
        if pid == 0:
            self._become_child(connection, printed)
        os.close(printed)
        self._children[pid] = Child(pid, connection, output)
        self._poll.register(output, select.EPOLLIN)
        self._poll.register(connection.fileno(), select.EPOLLRDHUP)  # the rest of the traffic is the child's

    def _become_child(self, connection: socket.socket, printed: int) -> None:
        """In the new process: nothing of the server's is left, and it never returns into the server's code."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL if number == signal.SIGCHLD else signal.default_int_handler)
            os.setsid()
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            _prctl(PR_SET_CHILD_SUBREAPER, 1)
            for other in self._children.values():
                other.connection.close()
                os.close(other.output)
            for connection_of_dead, _ in self._unsaid.values():
                connection_of_dead.close()
            self._poll.close()
            self._listener.close()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (printed, 1), (printed, 2)):
                os.dup2(source, target)
            connection.sendall(_line({"pid": os.getpid()}))
            if not self._may_fork:
                os.set_inheritable(connection.fileno(), True)
                os.execv(self._command[0], [*self._command, str(connection.fileno())])
            self._body(connection)
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
            if error.code is not None and not isinstance(error.code, int):
                sys.stderr.write(f"{error.code}\n")  # as the interpreter does
        except BaseException:  # noqa: BLE001 - the last door of this process
            traceback.print_exc()
        finally:
            try:
                for stream in (sys.stdout, sys.stderr):
                    with contextlib.suppress(Exception):
                        stream.flush()
            finally:
                os._exit(code & 0xFF)

    def _drain(self, child: Child) -> bool:
        """Read a part of what the child printed; whether there was any."""
        try:
            part = os.read(child.output, 1 << 16)
        except BlockingIOError:
            return False
        if not part:
            self._forget(child.output)
        child.tail += part
        del child.tail[:-TAIL]
        return bool(part)

    def _forget(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):  # one whose end was seen before
            self._poll.unregister(descriptor)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 1 << 10)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in self._children:
                    self._finish(self._children[pid], status, usage.ru_maxrss * 1024)

    def _finish(self, child: Child, status: int, peak: int) -> None:
        """The child is dead: end what it left, tell how it ended, forget it."""
        del self._children[child.pid]
        _kill_group(child.pid)
        self._end_orphans()
        while self._drain(child):
            continue
        for descriptor in (child.output, child.connection.fileno()):
            self._forget(descriptor)
        os.close(child.output)
        code = os.waitstatus_to_exitcode(status)
        text = bytes(child.tail).decode(errors="replace")
        # The child may have died after half of a line.
        self._part(child.connection, b"\n" + _line({"exit": code, "output": text, "peak": peak}))

    def _part(self, connection: socket.socket, words: bytes) -> None:
        """Say the last words and close; what the connection does not take yet is said when it does. Nobody waits."""
        try:
            words = words[connection.send(words, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            pass
        except OSError:  # nobody is there to listen
            words = b""
        if not words:
            connection.close()
            return
        self._unsaid[connection.fileno()] = connection, words
        self._poll.register(connection.fileno(), select.EPOLLOUT)

    def _end_orphans(self) -> None:
        """Kill every child of this process that is none of its own: it was left by one that is dead."""
        deadline = time.monotonic() + ORPHANS_SECONDS
        while (orphans := _children_of_this_process() - set(self._children)) and time.monotonic() < deadline:
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)


def is_safe() -> bool:
    """Whether this process has one thread only, also below Python."""
    return len(os.listdir("/proc/self/task")) == 1


def _children_of_this_process() -> set[int]:
    tasks = Path("/proc/self/task")
    return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def _end(pid: int) -> None:
    """Kill a child that has not been waited for, also one that is so young that it has no group yet."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _kill_group(pid)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _line(message: dict[str, object]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
