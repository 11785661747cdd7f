"""From what became of a child process to a status: what it said itself, and how it ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converter.zoo.records.result import (
    BAD_SOURCE,
    CRASHED,
    EXPORT_FAILED,
    KILLED,
    MISMATCH,
    OUT_OF_MEMORY,
    TIMED_OUT,
    UNSUPPORTED,
    VERIFIED,
)
from passes.errors import ConversionError

STATUS_BY_KIND = {
    "bad-source": BAD_SOURCE,
    "usage": BAD_SOURCE,
    "export-failed": EXPORT_FAILED,
    "unsupported": UNSUPPORTED,
    "not-equivalent": MISMATCH,
    "limit": OUT_OF_MEMORY,
    "conversion": CRASHED,
}
"""By `ConversionError.kind`."""

NO_MEMORY = re.compile(
    r"MemoryError|bad_alloc|can't allocate memory|Cannot allocate memory|not enough memory|Allocation of \d+ failed"
    r"|Resource_?Exhausted|OOM when allocating|Failed to allocate memory"
    r"|(replay process on \w+|onnx2tf) was ended by signal 9\b",
    re.IGNORECASE,
)
"""What Python, C++, torch, TensorFlow, JAX and onnxruntime say when an allocation fails, and keraport when the kernel
ended the replay."""

LAST_LINES = 20
FATAL = "Fatal Python error"
"""How faulthandler begins: each thread's traceback follows, the innermost call first, and a long list of modules."""
AT_FAULT = "Current thread"

ENDED_BY_USER = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Ending:
    """What was seen of a child from outside.

    Attributes:
        stage: the last that began, "" for none.
        result: its own last word, {"report", "error"}; None when it did not come to that.
        exit_code: negative for a signal; None where the child is not known to have ended.
        output: the end of what it printed.
        ended_for: "time", "memory" or "stop" where it was ended from here; "" otherwise.
    """

    stage: str = ""
    result: Mapping[str, Any] | None = None
    exit_code: int | None = None
    output: str = ""
    ended_for: str = ""


def error_of(error: BaseException, stage: str) -> dict[str, Any]:
    """An exception as the child reports it, with the status that it means."""
    told = (
        error.to_dict()
        if isinstance(error, ConversionError)
        else {"kind": "bug", "node": None, "message": f"{type(error).__name__}: {error}", "hint": None}
    )
    status = STATUS_BY_KIND.get(str(told["kind"]), CRASHED)
    if status == OUT_OF_MEMORY and stage in ("verify", "onnx2tf"):
        status = TIMED_OUT  # the answer of the replay, or of the other backend, did not come in time
    if _is_memory(error):
        status = OUT_OF_MEMORY
    return {"status": status, **told}


def error_detail(error: BaseException, output: str = "") -> tuple[str, dict[str, Any]]:
    """The status and `Result.detail` of a model whose child never told: a worker failed, or its storage."""
    if type(error).__name__ == "KilledWorker":  # Dask's
        told = {"status": KILLED, "kind": KILLED, "message": "Its worker died, and so did the next one.", "hint": None}
    elif isinstance(error, KeyboardInterrupt):
        told = {"status": KILLED, "kind": KILLED, "message": "The run was stopped.", "hint": None}
    else:
        told = error_of(error, "")
    detail = {key: told.get(key) for key in ("kind", "message", "node", "hint")}
    ending = {"stage": None, "signal": None, "exit_code": None, "stderr": last_lines(output)}
    return str(told["status"]), {**detail, **ending}


def judge(ending: Ending) -> tuple[str, dict[str, Any]]:
    """The status, and `Result.detail`."""
    error = (ending.result or {}).get("error")
    status, message = _status(ending, error)
    if status == VERIFIED:
        return status, {}
    code = ending.exit_code
    detail = {key: (error or {}).get(key) for key in ("kind", "message", "node", "hint")}
    if error is None:
        detail |= {"kind": status, "message": message}
    return status, {
        **detail,
        "stage": ending.stage or None,
        "signal": _name(-code) if code is not None and code < 0 and error is None else None,
        "exit_code": code if code is not None and code >= 0 and error is None else None,
        "stderr": last_lines(ending.output),
    }


def last_lines(text: str) -> list[str]:
    """The end of what a process printed, or its last words where Python wrote where it died.

    What a progress bar overwrote is left out.
    """
    _, fatal, after = text.rpartition(FATAL)  # in the middle of a line where a progress bar was drawn
    lines = [line.rstrip().rpartition("\r")[2] for line in (fatal + after).split("\n")]
    lines = [line for line in lines if line]
    if not fatal:
        return lines[-LAST_LINES:]
    at_fault = next((place for place, line in enumerate(lines) if line.startswith(AT_FAULT)), 1)
    return [lines[0], *lines[at_fault:]][:LAST_LINES]


def _status(ending: Ending, error: Mapping[str, Any] | None) -> tuple[str, str]:
    where = f" in stage {ending.stage}" if ending.stage else " before the first stage"
    if ending.result is not None:  # also of a process that did not end after its last word
        return (str(error["status"]), "") if error else (VERIFIED, "")
    if ending.ended_for == "time":
        return TIMED_OUT, f"It was not done within the time limit, and was ended{where}."
    if ending.ended_for == "memory":
        return OUT_OF_MEMORY, f"Its processes held more memory than the limit, and were ended{where}."
    if ending.ended_for == "stop":
        return KILLED, f"The run was stopped{where}."
    code = ending.exit_code
    if code is None:
        return KILLED, f"The connection to its process was lost{where}."
    if NO_MEMORY.search(ending.output) or code == -signal.SIGKILL:
        # Nobody here killed it: so the kernel did, for lack of memory.
        return OUT_OF_MEMORY, f"It ran out of memory{where}."
    if code < 0 and -code in ENDED_BY_USER:
        return KILLED, f"It was ended from outside by {_name(-code)}{where}."
    how = f"died of {_name(-code)}" if code < 0 else f"ended with exit code {code}"
    return CRASHED, f"Its process {how}{where}."


def _name(number: int) -> str:
    """Of a signal. Most real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_memory(error: BaseException) -> bool:
    """Whether a lack of memory is behind an error: builders' errors and the replay's are wrapped in our own."""
    seen: BaseException | None = error
    causes: Sequence[BaseException] = ()
    while seen is not None and seen not in causes:
        if isinstance(seen, MemoryError) or NO_MEMORY.search(str(seen)):
            return True
        causes = [*causes, seen]
        seen = seen.__cause__ or seen.__context__
    return False
