"""The command line apart from conversion: usage, inspect, passes, and how errors reach the user."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx_ir as ir
import pytest

from converter.commands import inspect
from passes.errors import LimitExceeded, Unsupported
from tests.conftest import Keraport
from tests.harness import graph


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert"], "Missing argument 'SOURCE'"),
        (["convert", "a.onnx", "--layout", "upside_down"], "Invalid value for '--layout'"),
        (["convert", "a.onnx", "--no-such-option"], "No such option"),
        (["transmogrify"], "No such command"),
        (["convert", "a.onnx", "--random-weights", "many"], "Invalid value for '--random-weights'"),
        (["verify", "a.keras"], "Missing argument 'REFERENCE'"),
    ],
)
def test_wrong_usage_is_exit_code_1(keraport: Keraport, arguments: list[str], message: str) -> None:
    ran = keraport(*arguments)
    assert ran.code == 1
    assert message in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("arguments", [["--help"], ["convert", "--help"], ["verify", "--help"], ["passes", "--help"]])
def test_help(keraport: Keraport, arguments: list[str]) -> None:
    ran = keraport(*arguments)
    assert ran.code == 0
    assert "Usage: keraport" in ran.out


def test_every_option_of_the_contract_is_there(keraport: Keraport) -> None:
    shown = keraport("convert", "--help").out
    for option in (
        "-o",
        "--checkpoint",
        "--input",
        "--layout",
        "--structure",
        "--backend",
        "--fold-batchnorm",
        "--report",
        "--no-verify",
        "--random-weights",
        "--trust",
    ):
        assert option in shown


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from converter.cli import main; main(['--help']);"
        "heavy = {'torch', 'keras', 'tensorflow', 'onnxruntime'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_errors_show_message_node_and_hint_on_stderr_and_set_the_code(
    keraport: Keraport, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = Unsupported("[Foo] is not supported.", node="Foo node 'a' in module [b]", hint="Leave [it] out.")
    monkeypatch.setattr(inspect, "load_source", lambda *_, **__: (_ for _ in ()).throw(error))
    ran = keraport("inspect", "a.onnx")
    assert ran.code == 2
    assert ran.out == ""
    assert "Error (unsupported): [Foo] is not supported." in ran.err
    assert "at: Foo node 'a' in module [b]" in ran.err
    assert "Leave [it] out." in ran.err


@pytest.mark.parametrize(("error", "code"), [(LimitExceeded("Too large."), 4), (KeyboardInterrupt(), 130)])
def test_other_exit_codes(keraport: Keraport, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    monkeypatch.setattr(inspect, "load_source", lambda *_, **__: (_ for _ in ()).throw(error))
    assert keraport("inspect", "a.onnx").code == code


def test_an_unexpected_error_is_called_a_bug(keraport: Keraport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "load_source", lambda *_, **__: {}["missing"])
    ran = keraport("inspect", "a.onnx")
    assert ran.code == 1
    assert "Bug in keraport: KeyError: 'missing'" in ran.err
    assert "KERAPORT_DEBUG=1" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("KERAPORT_DEBUG", "1")
    assert "Traceback" in keraport("inspect", "a.onnx").err


def test_inspect(keraport: Keraport, small_onnx: Path) -> None:
    ran = keraport("inspect", small_onnx)
    assert ran.code == 0, ran.err
    for text in ("ai.onnx 23", "image: float32[batch, 3, h, w]", "1 Conv", "1 nhwc::Conv", "Convertible   yes"):
        assert text in ran.out
    values = json.loads(keraport("inspect", small_onnx, "--json").out)
    assert values["operators"] == {"Conv": 1, "Flatten": 1, "GlobalAveragePool": 1, "Relu": 1}
    assert values["opsets"] == {"": 23}
    assert values["problems"] == []


def test_inspect_lists_what_is_not_supported(keraport: Keraport, tmp_path: Path) -> None:
    text = 'g (float[4] x) => (float[4] y) { ["/a/Foo"] t = Foo(x)  ["/b/Bar"] y = Bar(t) }'
    ir.save(graph(text), tmp_path / "m.onnx")
    ran = keraport("inspect", tmp_path / "m.onnx")
    assert ran.code == 2
    assert "Foo" in ran.err
    assert "Bar" in ran.err
    assert "Convertible   no" in ran.out


def test_passes_are_listed_and_dumped(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dump" / "here"
    ran = keraport("passes", small_onnx, "--dump", folder)
    assert ran.code == 0, ran.err
    dumped = sorted(path.name for path in folder.iterdir())
    assert dumped[0] == "00_source.onnx"
    assert any(name.endswith("_SplitPads.onnx") for name in dumped)
    assert (
        len(dumped)
        == len({name[:2] for name in dumped})
        == len([li for li in ran.out.splitlines() if li[:2].isdigit()])
    )
    last = ir.load(folder / dumped[-1])
    assert "nhwc" in last.opset_imports
    ran = keraport("passes", small_onnx)
    assert ran.code == 0
    assert "SplitPads" in ran.out


def test_a_dump_that_has_no_place(keraport: Keraport, small_onnx: Path) -> None:
    ran = keraport("passes", small_onnx, "--dump", small_onnx / "below")
    assert ran.code == 1
    assert "cannot be made" in ran.err


ENDING = """
import atexit, sys, threading, time
from converter import cli

class Slow:
    def __del__(self):
        print("taken down", flush=True)

kept = Slow()
atexit.register(print, "registered")
if "thread" in sys.argv[1]:
    threading.Thread(target=lambda: (time.sleep(0.3), print("waited for"))).start()
sys.argv = ["keraport", *sys.argv[2:]]
cli.run()
"""


@pytest.mark.parametrize(
    ("thread", "arguments", "code", "said"),
    [
        ("none", ["--version"], 0, ["registered"]),
        ("none", ["transmogrify"], 1, ["registered"]),
        ("thread", ["--version"], 0, ["waited for", "registered", "taken down"]),
    ],
)
def test_a_command_ends_at_once(thread: str, arguments: list[str], code: int, said: list[str]) -> None:
    """What is registered for the exit is done; what was imported is not taken down, unless a thread is at work."""
    command = [sys.executable, "-c", ENDING, thread, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.splitlines()[-len(said) :] == said
