"""A fork server for tests: a small script without any of keraport's packages, whose children do whatever Python their
connection asks for."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from converter.processes import fork_server

SCRIPT = """
import importlib.util, json, os, select, signal, socket, sys, threading, time

spec = importlib.util.spec_from_file_location("fork_server", {path!r})
fork_server = sys.modules["fork_server"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fork_server)

def answer(connection):
    code = json.loads(connection.makefile("r").readline())
    exec(code, {{**globals(), "connection": connection}})

def say(connection, **values):
    connection.sendall(json.dumps(values).encode() + b"\\n")

def sockets():
    links = [f"/proc/self/fd/{{number}}" for number in os.listdir("/proc/self/fd")]
    return sum(os.readlink(link).startswith("socket:") for link in links if os.path.lexists(link))

def found_family():
    "A child, and a grandchild in a session of its own whose parent is gone; both ignore SIGTERM."
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    read, write = os.pipe()
    for is_apart in (False, True):
        if os.fork() == 0:
            if is_apart:
                os.setsid()
                if os.fork():
                    os._exit(0)
            os.write(write, f"{{os.getpid():10}}".encode())
            while True:
                time.sleep(1)
    return [int(os.read(read, 10)) for _ in range(2)]

mode, descriptor = sys.argv[1:3]
given = socket.socket(fileno=int(descriptor))
if mode == "answer":
    answer(given)
else:
    {before}
    command = [sys.executable, "-P", __file__, "answer"]
    server = fork_server.ForkServer(given, answer, control=0, command=command)
    {changes}
    server.run()
"""

FOREVER = "while True: time.sleep(1)"
SECONDS = 120.0
"""Of patience with a server that hangs."""


class Call:
    """One connection, and what is said on it."""

    def __init__(self, path: Path, code: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(str(path))
        self.socket.sendall(json.dumps(code).encode() + b"\n")
        self._file = self.socket.makefile("rb")

    def line(self) -> dict[str, Any]:
        """The next message; half of one is left out."""
        for line in self._file:
            try:
                message: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            return message
        raise EOFError

    def ending(self) -> dict[str, Any]:
        """The last message."""
        message: dict[str, Any] = {}
        try:
            while True:
                message = self.line()
        except EOFError:
            return message

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class Server:
    def __init__(self, folder: Path, before: str, changes: str) -> None:
        script, self._path = folder / "server.py", folder / "socket"
        script.write_text(SCRIPT.format(path=fork_server.__file__, before=before, changes=changes))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            listener.listen()
            command = [sys.executable, "-P", str(script), "listen", str(listener.fileno())]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
        self._calls: list[Call] = []

    def call(self, code: str) -> Call:
        self._calls.append(Call(self._path, code))
        return self._calls[-1]

    def children(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return found

    def leave(self) -> None:
        """End it as its parent's end would."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        for call in self._calls:
            call.close()
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()


@contextmanager
def serving(folder: Path, *, before: str = "pass", changes: str = "pass") -> Iterator[Server]:
    server = Server(folder, before, changes)
    try:
        yield server
    finally:
        server.leave()
