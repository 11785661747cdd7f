"""What happens in the child process of one model: `converter.convert`, told stage by stage to whoever waits.

    → {"entry": {…}, "limits": {…}, "folder": "…", "replay": "socket or null"}
    ← {"stage": "load", "ok": null}                     before a stage; ok and seconds when it is over
    ← {"result": {"report": {…}, "error": null}}        at the end, when it comes to that

`error` is {"status": …, "kind": …, "message": …, "node": …, "hint": …}.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.zoo.records.entry import Entry, Limits
from converter.zoo.records.kinds import Kind, kind_of
from converter.zoo.records.seeding import seed_factories
from converter.zoo.running import process_limits
from converter.zoo.running.outcome import error_of

if TYPE_CHECKING:
    from converter.report import Report, Stage

MODELS = {"keras": "model.keras", "onnx2tf": "model.tflite"}
"""By backend."""
REPORT, PAGE = "report.json", "report.html"


def serve(connection: socket.socket) -> None:
    """Convert the one model that the first line of the connection asks for."""
    with connection.makefile("r", encoding="utf-8") as requests:
        request = json.loads(requests.readline())
    entry, limits = Entry.from_dict(request["entry"]), Limits(**request["limits"])
    process_limits.apply(limits)
    _find_modules(entry.folder)
    if request["replay"] is not None:
        _replay_through(request["replay"], limits.memory)
    tell(connection, {"result": run(entry, Path(request["folder"]), limits.threads, connection)})


def tell(connection: socket.socket, message: Mapping[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def run(entry: Entry, folder: Path, threads: int, connection: socket.socket) -> dict[str, Any]:
    """Convert into `folder`; whatever goes wrong is part of what is returned."""
    seen: list[Report] = []

    def on_stage(report: Report, stage: Stage) -> None:
        seen[:] = [report]
        tell(connection, {"stage": stage.name, "ok": stage.ok, "seconds": stage.seconds})

    error = None
    try:
        _convert(entry, folder, threads, on_stage)
    except Exception as problem:  # noqa: BLE001 - every way to fail is a result
        traceback.print_exc()
        error = error_of(problem, seen[0].stages[-1].name if seen else "")
    report = _write(seen[0], folder) if seen else None
    return {"report": report, "error": error}


def _convert(entry: Entry, folder: Path, threads: int, on_stage: Any) -> None:
    import converter
    from converter.proof.compare import Tolerance

    if kind_of(entry.source) is Kind.FACTORY:
        seed_factories()
    if threads and (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(threads)
    converter.convert(
        entry.source,
        folder / MODELS[entry.backend],
        tolerance=Tolerance(**entry.tolerance) if entry.tolerance is not None else None,
        on_stage=on_stage,
        **entry.told,
    )


def _write(report: Report, folder: Path) -> dict[str, Any]:
    from converter.atomic_output import write_text

    values = report.to_dict()
    write_text(folder / REPORT, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / PAGE, report.to_html())
    return values


def _find_modules(folder: str) -> None:
    """Relative paths and factories start at the manifest."""
    os.chdir(folder)
    sys.path.insert(0, folder)


def _replay_through(path: str, memory: int | None) -> None:
    """Let the model be replayed by a fork of the warm replay server, under the same limit as this process."""
    from converter.processes.replay import Replay
    from converter.processes.replay_link import Forked, default_backend

    Replay.keep(Replay(default_backend(), link=Forked(path, memory=memory)))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
