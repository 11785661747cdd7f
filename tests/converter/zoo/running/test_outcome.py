"""How a child ended → a status, and why."""

from __future__ import annotations

import faulthandler
import signal
import tempfile
import threading
from typing import Any

import pytest

from converter.zoo.records.result import STATUSES
from converter.zoo.running.outcome import LAST_LINES, Ending, error_detail, error_of, judge, last_lines
from passes.errors import (
    BadSource,
    ConversionError,
    ExportFailed,
    LimitExceeded,
    NotEquivalent,
    NotExportable,
    Unsupported,
    UsageError,
)

DETAIL = ("kind", "message", "node", "hint", "stage", "signal", "exit_code", "stderr")
REFUSED = {"status": "unsupported", "kind": "unsupported", "message": "No Foo.", "node": "Foo node 'a'", "hint": "Ask."}
NO_REPORT: dict[str, Any] = {"report": None, "error": None}


def refused(**values: Any) -> dict[str, Any]:
    return {"report": None, "error": REFUSED | values}


@pytest.mark.parametrize(
    ("ending", "status", "message"),
    [
        (
            Ending("load", None, -9, "", "time"),
            "timed-out",
            "It was not done within the time limit, and was ended in stage load.",
        ),
        (
            Ending("", None, -9, "", "time"),
            "timed-out",
            "It was not done within the time limit, and was ended before the first stage.",
        ),
        (
            Ending("build", None, -9, "", "memory"),
            "out-of-memory",
            "Its processes held more memory than the limit, and were ended in stage build.",
        ),
        (Ending("build", None, -9, "", "stop"), "killed", "The run was stopped in stage build."),
        (Ending("load", None, None, "", "time"), "timed-out", "It was not done within the time limit, and was ended"),
        (Ending("load"), "killed", "The connection to its process was lost in stage load."),
        (Ending("load", None, -9), "out-of-memory", "It ran out of memory in stage load."),
        (Ending("load", None, -6, "what():  std::bad_alloc\n"), "out-of-memory", "It ran out of memory in stage load."),
        (Ending("load", None, 1, "MemoryError\n"), "out-of-memory", "It ran out of memory in stage load."),
        (Ending("load", None, -15), "killed", "It was ended from outside by SIGTERM in stage load."),
        (Ending("load", None, -2), "killed", "It was ended from outside by SIGINT in stage load."),
        (Ending("", None, -1), "killed", "It was ended from outside by SIGHUP before the first stage."),
        (Ending("load", None, -11), "crashed", "Its process died of SIGSEGV in stage load."),
        (Ending("load", None, -6), "crashed", "Its process died of SIGABRT in stage load."),
        (Ending("load", None, -24), "crashed", "Its process died of SIGXCPU in stage load."),
        (Ending("load", None, -40), "crashed", "Its process died of signal 40 in stage load."),
        (Ending("load", None, 7), "crashed", "Its process ended with exit code 7 in stage load."),
        (Ending("", None, 0), "crashed", "Its process ended with exit code 0 before the first stage."),
        (Ending("load", refused(), 0), "unsupported", "No Foo."),
        (Ending("load", refused(), -9, "", "time"), "unsupported", "No Foo."),
    ],
)
def test_an_ending_has_a_status_and_a_reason(ending: Ending, status: str, message: str) -> None:
    found, detail = judge(ending)
    assert found == status
    assert status in STATUSES
    assert tuple(detail) == DETAIL
    assert detail["message"].startswith(message)
    assert detail["kind"] == status
    assert detail["stage"] == (ending.stage or None)


@pytest.mark.parametrize(
    ("ending", "number", "exit_code"),
    [
        (Ending("load", None, -11), "SIGSEGV", None),
        (Ending("load", None, -9, "", "time"), "SIGKILL", None),
        (Ending("load", None, -40), "signal 40", None),
        (Ending("load", None, 7), None, 7),
        (Ending("load", None, 0), None, 0),
        (Ending("load"), None, None),
        (Ending("load", refused(), 0), None, None),
        (Ending("load", refused(), -11), None, None),
    ],
)
def test_the_signal_or_the_exit_code_is_told(ending: Ending, number: str | None, exit_code: int | None) -> None:
    _, detail = judge(ending)
    assert (detail["signal"], detail["exit_code"]) == (number, exit_code)


@pytest.mark.parametrize("ending", [Ending("save", NO_REPORT, 0), Ending("save", NO_REPORT, -9, "", "time")])
def test_what_is_verified_needs_no_reason_however_its_process_ended(ending: Ending) -> None:
    assert judge(ending) == ("verified", {})


def test_an_error_keeps_its_words_and_gets_the_last_lines() -> None:
    _, detail = judge(Ending("passes", refused(), 0, "first\nlast\n"))
    assert detail == {
        **{key: REFUSED[key] for key in ("kind", "message", "node", "hint")},
        "stage": "passes",
        "signal": None,
        "exit_code": None,
        "stderr": ["first", "last"],
    }


def wrapped(outer: Exception, inner: BaseException) -> Exception:
    """`outer`, raised because of `inner`."""
    try:
        raise outer from inner
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return error


def in_passing(outer: Exception, inner: Exception) -> Exception:
    """`outer`, raised while `inner` was handled."""
    try:
        try:
            raise inner
        except Exception:  # noqa: BLE001 - it is handled badly on purpose
            raise outer  # noqa: B904
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return error


@pytest.mark.parametrize(
    ("error", "stage", "status"),
    [
        (BadSource("No such file."), "load", "bad-source"),
        (UsageError("No such option."), "load", "bad-source"),
        (ExportFailed("It branches."), "load", "export-failed"),
        (NotExportable("No ONNX for it."), "load", "export-failed"),
        (Unsupported("No Foo."), "passes", "unsupported"),
        (NotEquivalent("Off by one."), "verify", "mismatch"),
        (LimitExceeded("Too large."), "load", "out-of-memory"),
        (LimitExceeded("The replay on tensorflow gave no answer within 1200 s."), "verify", "timed-out"),
        (ConversionError("The replay process on tensorflow ended with exit code 1."), "verify", "crashed"),
        (ZeroDivisionError("division by zero"), "passes", "crashed"),
        (MemoryError(), "passes", "out-of-memory"),
        (wrapped(BadSource("The factory raised MemoryError."), MemoryError()), "load", "out-of-memory"),
        (
            wrapped(BadSource("It cannot be built."), wrapped(ValueError("size"), MemoryError())),
            "load",
            "out-of-memory",
        ),
        (in_passing(BadSource("It cannot be built."), MemoryError()), "load", "out-of-memory"),
        (wrapped(BadSource("It cannot be built."), ValueError("size")), "load", "bad-source"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), "load", "out-of-memory"),
        (RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer"), "verify", "out-of-memory"),
        (OSError(12, "Cannot allocate memory"), "load", "out-of-memory"),
        (NotEquivalent("case 0: ResourceExhaustedError: OOM when allocating tensor"), "verify", "out-of-memory"),
        (NotEquivalent("case 0: XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory"), "verify", "out-of-memory"),
        (NotEquivalent("case 0: _ArrayMemoryError: Unable to allocate 8 GiB"), "verify", "out-of-memory"),
        (ConversionError("The replay process on tensorflow was ended by signal 9."), "verify", "out-of-memory"),
        (ConversionError("The replay process on tensorflow was ended by signal 11."), "verify", "crashed"),
        (ConversionError("The replay process on jax ended with exit code 1: MemoryError"), "verify", "out-of-memory"),
    ],
)
def test_an_error_has_a_status(error: Exception, stage: str, status: str) -> None:
    found = error_of(error, stage)
    assert found["status"] == status
    assert set(found) == {"status", "kind", "message", "node", "hint"}
    assert str(error) in found["message"]


def test_an_error_that_is_no_refusal_is_a_bug_and_says_its_type() -> None:
    assert error_of(KeyError("a"), "")["message"] == "KeyError: 'a'"
    assert error_of(KeyError("a"), "")["kind"] == "bug"


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert error_of(first, "")["status"] == "crashed"


class KilledWorker(Exception):
    """As Dask's."""


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KilledWorker("m", "tcp://host"), "killed", "Its worker died, and so did the next one."),
        (KeyboardInterrupt(), "killed", "The run was stopped."),
        (BadSource("s3://a cannot be read."), "bad-source", "s3://a cannot be read."),
        (OSError("No space left"), "crashed", "OSError: No space left"),
    ],
)
def test_a_child_that_never_told(error: BaseException, status: str, message: str) -> None:
    found, detail = error_detail(error, "one\ntwo\n")
    assert (found, detail["message"]) == (status, message)
    assert set(detail) == set(DETAIL)
    assert detail["stderr"] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a\n\n  \nb  \n", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("\r 0%|  |\r 50%|# |\r100%|##|\nafter\n", ["100%|##|", "after"]),
        ("load:  10%\rload:  90%\r", ["load:  90%"]),
        ("a\x0bb\u2028c\n", ["a\x0bb\u2028c"]),
    ],
)
def test_the_last_lines_are_what_a_terminal_would_show(text: str, lines: list[str]) -> None:
    assert last_lines(text) == lines


def test_there_are_not_more_lines_than_that() -> None:
    assert last_lines("".join(f"{place}\n" for place in range(99))) == [str(place) for place in range(79, 99)]
    assert LAST_LINES == 20


def traceback_of_all_threads() -> str:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()


def test_of_a_fatal_error_the_thread_at_fault_is_kept() -> None:
    """The other threads come before it, and a long list of modules after it."""
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    trace = traceback_of_all_threads()
    stop.set()
    for thread in threads:
        thread.join()
    assert trace.count("(most recent call first)") >= len(threads) + 1
    fatal = "Fatal Python error: Segmentation fault"
    modules = "".join(f"module{place}\n" for place in range(99))
    found = last_lines(f"before\n 50%|#### |\r 60%|#### |{fatal}\n\n{trace}\n{modules}")
    assert found[0] == fatal
    assert found[1].startswith("Current thread")
    assert __file__ in found[2]
    assert len(found) == LAST_LINES


def test_a_fatal_error_without_a_traceback_keeps_what_follows() -> None:
    assert last_lines("before\nFatal Python error: Aborted\n\nafter\n") == ["Fatal Python error: Aborted", "after"]


def test_every_signal_has_a_name() -> None:
    for number in signal.valid_signals():
        assert judge(Ending("load", None, -number))[1]["signal"]
