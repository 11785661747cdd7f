"""The replay process that a command forks from itself: what a fresh one would answer, and nothing of the command's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest

from converter.processes import replay_twin
from converter.processes.fork_server import ONE_THREAD
from converter.processes.replay import Replay
from converter.processes.replay_link import Started
from tests.zoo_runs import gone, wait_until

SCRIPT = """
import fcntl, json, os, signal, sys, time
import numpy as np
import converter
from converter.processes.replay import Replay
from converter.processes.replay_link import Forked, Started
from converter.processes.replay_twin import Twin, replay_ahead
from passes.errors import ConversionError, NotEquivalent

saved, folder = sys.argv[1:]
lock = open(os.path.join(folder, "lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX)
keras_is_here = replay_ahead("tensorflow", os.path.join(folder, "model.onnx"))
told = {"started_at_once": list(Replay._warm)}
import keras
keras_is_here()
replay = Replay.warm("tensorflow")
told["link"] = type(replay._link).__name__
sys.modules["converter"].imported_here = True

x = np.arange(6, dtype=np.float32).reshape(2, 3)
told["outputs"] = [array.tolist() for array in replay.run(saved, [[x]])[0]]
for name in ("hidden", "layers", "environment"):
    try:
        replay.run(os.path.join(folder, f"{name}.py"), [[x]])
    except NotEquivalent as error:
        told[name] = error.message
lock.close()  # the fork has no hold on it
with open(os.path.join(folder, "lock")) as again:
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
told["pid"] = replay._link.process.pid
if os.path.exists(os.path.join(folder, "die")):
    os.kill(told["pid"], signal.SIGKILL)
    try:
        replay.run(saved, [[x]])
    except ConversionError as error:
        told["died"] = error.message
print(json.dumps(told), flush=True)
sys.stdin.read()
"""

HIDDEN = ("converter", "passes", "keraport", "onnx", "onnx_ir", "onnxscript", "torch")

MODELS = {
    "hidden": f"""
import importlib
found = []
for name in {HIDDEN!r}:
    try:
        importlib.import_module(name)
        found.append(name)
    except ModuleNotFoundError:
        pass
raise RuntimeError(f"found {{found}}")
""",
    "layers": "import keras\nraise RuntimeError(f'registered {sorted(keras.saving.get_custom_objects())}')",
    "environment": """
import os, signal, sys
polite = [signal.getsignal(n) == signal.SIG_DFL for n in (signal.SIGTERM, signal.SIGHUP)]
raise RuntimeError(f"{os.environ['CUDA_VISIBLE_DEVICES']} {os.getsid(0) == os.getpid()} {all(polite)}")
""",
}


def _run(saved: Path, folder: Path, *, die: bool = False) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    for name, text in MODELS.items():
        (folder / f"{name}.py").write_text(text)
    for name in ("model.onnx", *(["die"] if die else [])):
        (folder / name).touch()
    command = [sys.executable, "-c", SCRIPT, str(saved), str(folder)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert child.stdout is not None
    return child, json.loads(child.stdout.readline())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = keras.Input((3,), name="x")
    path = tmp_path_factory.mktemp("twin") / "m.keras"
    keras.Model(x, [keras.layers.Dense(4)(x), keras.ops.argmax(x, axis=-1)]).save(path)
    return path


def test_it_answers_as_a_fresh_process_does(saved: Path, tmp_path: Path) -> None:
    child, told = _run(saved, tmp_path)
    assert told["started_at_once"] == [] and told["link"] == "Twin"
    expected = Replay.warm().run(saved, [[np.arange(6, dtype=np.float32).reshape(2, 3)]])[0]
    for found, array in zip(told["outputs"], expected, strict=True):
        np.testing.assert_allclose(found, array, rtol=1e-6)
    assert "found []" in told["hidden"]
    assert "registered []" in told["layers"]
    assert "-1 True True" in told["environment"]
    process = psutil.Process(told["pid"])
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    wait_until(lambda: gone([process]), "the fork has ended")


def test_its_death_is_told_and_it_ends_with_the_command(saved: Path, tmp_path: Path) -> None:
    child, told = _run(saved, tmp_path, die=True)
    assert told["died"] == "The replay process on tensorflow was ended by signal 9."
    child.communicate()
    assert child.returncode == 0


@pytest.mark.parametrize(
    ("backend", "source", "size", "is_fresh", "at_once"),
    [
        ("tensorflow", "m.onnx", 1, True, False),
        ("tensorflow", "torchvision:resnet18", 1, True, True),
        ("tensorflow", np.zeros(1), 1, True, True),
        ("jax", "m.onnx", 1, True, True),
        ("tensorflow", "m.onnx", replay_twin.LARGEST + 1, True, True),
        ("tensorflow", "m.onnx", 1, False, True),  # Keras is there already
    ],
)
def test_where_forking_is_not_faster_or_not_safe_a_process_is_started_at_once(
    backend: str,
    source: Any,
    size: int,
    is_fresh: bool,
    at_once: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Replay, "warm", classmethod(lambda _, backend: asked.append(backend)))
    monkeypatch.setattr(replay_twin, "is_safe", lambda: True)
    if is_fresh:
        for name in ("keras", "torch"):
            monkeypatch.delitem(sys.modules, name, raising=False)
    if source == "m.onnx":
        source = tmp_path / source
        with source.open("wb") as file:
            file.truncate(size)
    replay_twin.replay_ahead(backend, source)
    assert asked == [backend] * at_once


def test_a_process_that_grew_threads_or_layers_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was expected when the file was opened may not hold when Keras is there."""
    links: list[object] = []
    monkeypatch.setattr(Replay, "warm", classmethod(lambda _, backend: links.append(Started)))
    monkeypatch.setattr(replay_twin, "Twin", lambda _: pytest.fail("forked"))
    monkeypatch.setattr(replay_twin, "is_safe", lambda: False)
    replay_twin._fork("tensorflow")
    monkeypatch.setattr(replay_twin, "is_safe", lambda: True)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setitem(keras.saving.get_custom_objects(), "mine>Layer", object)
    replay_twin._fork("tensorflow")
    assert links == [Started, Started]
