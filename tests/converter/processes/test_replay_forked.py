"""Replays that a warm server forks: TensorFlow is imported once, for the whole of this file."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest

from converter.processes.replay import Replay
from converter.processes.replay_link import Forked
from converter.zoo.running import warm
from passes.errors import ConversionError, NotEquivalent
from tests.zoo_runs import gone, wait_until

X = np.arange(6, dtype=np.float32).reshape(2, 3)
HIDDEN = ("converter", "passes", "onnx", "onnx_ir", "onnxscript", "torch")

SCRIPT = """
import importlib, importlib.util, json, os, signal, sys

spec = importlib.util.spec_from_file_location("replay_server", {path!r})
server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(server)
beside = server._beside

def missing(names):
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            yield name

def behave(requests, answers):
    "Models of some names are not loaded, but done."
    for line in requests:
        name = os.path.basename(json.loads(line)["model"])
        if name == "imports":
            answers.write(json.dumps({{"ok": False, "message": ' '.join(missing({names!r}))}}) + "\\n")
            answers.flush()
        elif name == "devour":
            bytearray(4 << 30)
        elif name == "exit":
            sys.exit("out of luck")
        elif name == "half":
            answers.write('{{"ok": ')
            answers.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            yield line

def behaving(name):
    module = beside(name)
    if name == "replay_child":
        answer_all = module.answer_all
        module.answer_all = lambda requests, answers: answer_all(behave(requests, answers), answers)
    return module

server._beside = behaving
server.main()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """The socket of replay_server.py, started as a zoo starts it, and its process."""
    folder = tmp_path_factory.mktemp("server")
    script, path = folder / "server.py", folder / "replays"
    script.write_text(SCRIPT.format(path=str(warm.REPLAY_SERVER), names=(*HIDDEN, "keras")))
    process = warm._start(path, lambda listener: ["-P", str(script), "listen", listener])
    yield path, process
    assert process.stdin is not None
    process.stdin.close()
    try:
        assert process.wait(60) == 0
    finally:
        process.kill()


@pytest.fixture
def fork(server: tuple[Path, subprocess.Popen[bytes]]) -> Iterator[Callable[[], Replay]]:
    """Replays from the server; they are ended with the test."""
    replays: list[Replay] = []

    def fork() -> Replay:
        replays.append(Replay("tensorflow", link=Forked(server[0])))
        return replays[-1]

    yield fork
    for replay in replays:
        replay.close()
    wait_until(lambda: not psutil.Process(server[1].pid).children(), "the forks are gone")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = keras.Input((3,), name="x")
    model = keras.Model(x, [keras.layers.Dense(4)(x), keras.ops.cast(x, "bfloat16"), keras.ops.argmax(x, axis=-1)])
    path = tmp_path_factory.mktemp("replay") / "m.keras"
    model.save(path)
    return path


def test_outputs_are_those_of_a_process_that_was_started(saved: Path, fork: Callable[[], Replay]) -> None:
    forked, started = fork(), Replay.warm()
    cases = [[X], [X[:1]]]
    for found, expected in zip(forked.run(saved, cases), started.run(saved, cases), strict=True):
        assert [(array.dtype, array.shape) for array in found] == [(array.dtype, array.shape) for array in expected]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert forked.versions == started.versions
    assert forked.replay(saved, [[X]]).inputs == [("x", (None, 3))]
    assert forked.is_alive


def test_one_server_serves_several(
    saved: Path, fork: Callable[[], Replay], server: tuple[Path, subprocess.Popen[bytes]]
) -> None:
    """And it has one thread, so that it forks instead of starting anew."""
    replays = [fork() for _ in range(3)]
    outputs = [replay.run(saved, [[X]])[0][0] for replay in replays]
    process = psutil.Process(server[1].pid)
    assert len(process.children()) == 3
    assert process.num_threads() == 1
    replays[1].close()
    wait_until(lambda: len(process.children()) == 2, "the closed one is gone")
    outputs += [replays[place].run(saved, [[X]])[0][0] for place in (0, 2)]
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])


def test_a_fork_has_nothing_of_keraport(fork: Callable[[], Replay]) -> None:
    with pytest.raises(NotEquivalent, match=f": {' '.join(HIDDEN)}$"):
        fork().run("imports", [])


def test_what_does_not_load_does_not_end_the_fork(saved: Path, tmp_path: Path, fork: Callable[[], Replay]) -> None:
    replay = fork()
    (tmp_path / "m.keras").write_bytes(b"no zip")
    with pytest.raises(NotEquivalent, match="does not load in plain Keras on tensorflow"):
        replay.run(tmp_path / "m.keras", [[X]])
    assert len(replay.run(saved, [[X]])) == 1


def test_a_fork_that_is_killed_is_reported_with_the_likely_cause(
    saved: Path, fork: Callable[[], Replay], server: tuple[Path, subprocess.Popen[bytes]]
) -> None:
    replay = fork()
    replay.run(saved, [[X]])
    (child,) = psutil.Process(server[1].pid).children()
    child.kill()
    wait_until(lambda: gone([child]), "the fork is gone")
    with pytest.raises(ConversionError, match="on tensorflow was ended by signal 9") as caught:
        replay.run(saved, [[X]])
    assert "memory" in (caught.value.hint or "")
    assert not replay.is_alive


def test_a_fork_that_dies_while_it_answers_is_reported(fork: Callable[[], Replay]) -> None:
    replay = fork()
    with pytest.raises(ConversionError, match="on tensorflow was ended by signal 9"):
        replay.run("half", [])
    assert not replay.is_alive


def test_a_fork_that_leaves_is_reported_with_its_last_words(fork: Callable[[], Replay]) -> None:
    with pytest.raises(ConversionError, match="ended with exit code 1: out of luck"):
        fork().run("exit", [])


def test_a_fork_has_the_memory_that_it_is_given(server: tuple[Path, subprocess.Popen[bytes]]) -> None:
    replay = Replay("tensorflow", link=Forked(server[0], memory=2 << 30))
    try:
        with pytest.raises(ConversionError, match="ended with exit code 1: MemoryError"):
            replay.run("devour", [])
    finally:
        replay.close()


# The rest needs no Keras: a server that says what a test tells it to.


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[tuple[Replay, socket.socket]]:
    """A replay, and the other end of its connection; it has said that it is ready."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        replay = Replay("tensorflow", link=Forked(tmp_path / "socket"))
        other, _ = listener.accept()
    other.sendall(b'{"pid": 1}\n{"ready": true, "versions": {}}\n')
    with other:
        yield replay, other
    replay.close()


def test_the_last_words_of_one_that_left_before_it_was_asked(fake: tuple[Replay, socket.socket]) -> None:
    replay, other = fake
    replay._wait_until_ready()
    other.sendall(b"\n" + json.dumps({"exit": 3, "output": "one\nout of luck\n", "peak": 1}).encode() + b"\n")
    other.close()
    with pytest.raises(ConversionError, match="ended with exit code 3: out of luck"):
        replay.run("m.keras", [])
    assert not replay.is_alive


def test_a_server_that_is_gone_with_its_fork_is_reported(fake: tuple[Replay, socket.socket]) -> None:
    """What it has not read makes of its end a reset."""
    replay, other = fake

    def leave() -> None:
        select.select([other], [], [])
        other.close()

    thread = threading.Thread(target=leave)
    thread.start()
    with pytest.raises(ConversionError, match="was ended by signal 9"):
        replay.run("m.keras", [])
    thread.join()
    assert not replay.is_alive
