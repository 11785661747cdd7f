"""One model from outside: start its child, watch time and memory, and say what became of it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from converter.zoo.records.entry import Entry, Limits
from converter.zoo.records.result import Result
from converter.zoo.running import child
from converter.zoo.running.outcome import Ending, judge
from converter.zoo.running.warm import Servers

LOOK_SECONDS = 0.25
"""How often time and memory are looked at."""

START_SECONDS = 300.0
"""How long the warm servers may take for their imports; not the model's time."""

END_SECONDS = 30.0
"""How long the server may take to say that a child is gone whose connection was closed."""

Event = dict[str, Any]
"""{"name", "stage", "ok", "seconds"} when a stage begins (ok is None) or ends; {"name", "memory"} in between."""


def run_entry(
    entry: Entry,
    limits: Limits,
    folder: Path,
    *,
    servers: Servers,
    on_event: Callable[[Event], None],
    stop: threading.Event | None = None,
) -> Result:
    """Convert one model in a child process of its own. Whatever becomes of the child becomes a `Result`.

    Args:
        folder: an absolute path; made here. The model, its reports and what the child printed are written there.
        servers: where children come from.
        on_event: called as stages begin and end, and with the memory in use, in this thread.
        stop: end the child when this is set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*child.MODELS.values(), child.REPORT, child.PAGE):
        (folder / name).unlink(missing_ok=True)
    watch = Watch(entry, limits, on_event, stop or threading.Event())
    request = {
        "entry": entry.to_dict(),
        "limits": asdict(limits),
        "folder": str(folder),
        "replay": str(servers.replays),
    }
    ending = watch.follow(servers, request)
    status, detail = judge(ending)
    (folder / "output.txt").write_text(ending.output, encoding="utf-8")
    files = {"model": child.MODELS[entry.backend], "report": child.REPORT, "page": child.PAGE, "output": "output.txt"}
    return Result.of(
        entry,
        status,
        detail,
        seconds=time.monotonic() - watch.start,
        peak_memory_bytes=watch.peak,
        files={kind: name for kind, name in files.items() if (folder / name).exists()},
        report=(ending.result or {}).get("report"),
    )


class Watch:
    """Follow one child to its end."""

    def __init__(self, entry: Entry, limits: Limits, on_event: Callable[[Event], None], stop: threading.Event) -> None:
        self._entry, self._limits, self._on_event, self._stop = entry, limits, on_event, stop
        self._ending = Ending()
        self._pid: int | None = None
        self._deadline = time.monotonic() + START_SECONDS
        self.start = time.monotonic()
        self.peak = 0

    def follow(self, servers: Servers, request: dict[str, Any]) -> Ending:
        """Until the server says that the child and all that it started are gone."""
        # A server that is gone is an ending, too: of a child that said nothing.
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.connect(str(servers.models))
            connection.sendall(json.dumps(request).encode() + b"\n")
            self._follow(connection)
        return self._ending

    def _follow(self, connection: socket.socket) -> None:
        for message in _messages(connection):
            if message is not None:
                self._take(message)
                if self._ending.exit_code is not None:
                    return
            elif not self._ending.ended_for:
                self._ending.ended_for = self._reason_to_end()
                if self._ending.ended_for:
                    connection.shutdown(socket.SHUT_WR)  # the server ends the child, and tells
                    self._deadline = time.monotonic() + END_SECONDS
            elif time.monotonic() > self._deadline:
                return

    def _take(self, message: dict[str, Any]) -> None:
        if "exit" in message:
            self._ending.exit_code, self._ending.output = message["exit"], message["output"]
            self.peak = max(self.peak, message["peak"])
        elif "pid" in message:
            self._pid, self.start = message["pid"], time.monotonic()
            self._deadline = self.start + self._limits.timeout
        elif "result" in message:
            self._ending.result = message["result"]
        else:
            self._ending.stage = message["stage"]
            self._on_event({"name": self._entry.name, **message})

    def _reason_to_end(self) -> str:
        if self._stop.is_set():
            return "stop"
        if time.monotonic() > self._deadline:
            return "time"
        held = memory_of(self._pid) if self._pid is not None else 0
        self.peak = max(self.peak, held)
        self._on_event({"name": self._entry.name, "memory": held})
        return "memory" if self._limits.memory is not None and held > self._limits.memory else ""


def memory_of(pid: int) -> int:
    """Bytes that a process and its descendants hold for themselves: resident, without what is mapped from files."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory = member.memory_info()
                total += memory.rss - memory.shared
    return total


def _messages(connection: socket.socket) -> Iterator[dict[str, Any] | None]:
    """Line by line; None at least whenever nothing was said for a while. Ends with the connection."""
    connection.settimeout(LOOK_SECONDS)
    pending = b""
    looked = time.monotonic()
    while True:
        try:
            part = connection.recv(1 << 16)
            if not part:
                return
        except TimeoutError:
            part = b""
        *lines, pending = (pending + part).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):  # half a line, of a child that died while it wrote
                if line:
                    yield json.loads(line)
        if time.monotonic() - looked >= LOOK_SECONDS:
            looked = time.monotonic()
            yield None
