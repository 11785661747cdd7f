"""The process in which a saved model stands alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from converter.processes import replay_link
from converter.processes.replay import Replay
from converter.processes.replay_link import SCRIPT, Started
from passes.errors import ConversionError, LimitExceeded, NotEquivalent

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = keras.Input((3,), name="x")
    model = keras.Model(x, [keras.layers.Dense(4)(x), keras.ops.cast(x, "bfloat16"), keras.ops.argmax(x, axis=-1)])
    path = tmp_path_factory.mktemp("replay") / "m.keras"
    model.save(path)
    return path


def test_outputs_for_every_case_and_the_process_stays_warm(saved: Path) -> None:
    replay = Replay.warm()
    first, second = replay.run(saved, [[X], [X[:1]]])
    expected = keras.models.load_model(saved)(X)
    np.testing.assert_allclose(first[0], expected[0], rtol=1e-6)
    assert [a.dtype.name for a in first] == ["float32", "bfloat16", "int32"]
    assert (first[1].astype(np.float32) == X).all()
    assert second[0].shape == (1, 4)
    assert Replay.warm() is replay
    assert replay.versions["keras"] == keras.__version__


def test_inputs_are_told_and_a_case_that_stops_does_not_stop_the_others(saved: Path) -> None:
    found = Replay.warm().replay(saved, [[X[:, :2]], [X]])
    assert found.inputs == [("x", (None, 3))]
    assert isinstance(found.cases[0], str)
    assert "expected shape=(None, 3), found shape=(2, 2)" in found.cases[0]
    assert "\x1b" not in found.cases[0]
    assert isinstance(found.cases[1], list)
    with pytest.raises(NotEquivalent, match="case 0"):
        Replay.warm().run(saved, [[X[:, :2]]])


def test_a_file_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"no zip")
    with pytest.raises(NotEquivalent, match="does not load in plain Keras on tensorflow"):
        Replay.warm().run(tmp_path / "m.keras", [[X]])


def test_a_model_that_is_opened_is_loaded_once_until_it_is_forgotten(saved: Path, tmp_path: Path) -> None:
    replay, file = Replay.warm(), tmp_path / "m.keras"
    file.write_bytes(saved.read_bytes())
    replay.open(file)
    ((first, *_),) = replay.run(file, [[X]])
    file.unlink()  # the process has it
    ((again, *_),) = replay.run(file, [[X]])
    assert (first == again).all()
    replay.forget()
    with pytest.raises(NotEquivalent, match="does not load"):
        replay.run(file, [[X]])


def test_another_model_in_between_takes_the_place_of_the_opened_one(saved: Path, tmp_path: Path) -> None:
    replay, other = Replay.warm(), tmp_path / "other.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.ReLU(threshold=1.0)]).save(other)
    replay.open(saved)
    assert len(replay.run(saved, [[X]])[0]) == 3
    assert len(replay.run(other, [[X]])[0]) == 1
    assert len(replay.run(saved, [[X]])[0]) == 3
    replay.forget()


def test_what_goes_wrong_when_a_model_is_opened_is_told_to_who_asks(tmp_path: Path) -> None:
    replay = Replay.warm()
    replay.open(tmp_path / "nothing.keras")
    with pytest.raises(NotEquivalent, match="does not load in plain Keras"):
        replay.run(tmp_path / "nothing.keras", [[X]])
    replay.forget()
    assert replay.is_alive


def test_a_lambda_does_not_load(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x)]).save(tmp_path / "m.keras")
    with pytest.raises(NotEquivalent, match=r"[Ll]ambda"):
        Replay.warm().run(tmp_path / "m.keras", [[X]])


def test_scalars_and_bfloat16_go_in(tmp_path: Path) -> None:
    x, s = keras.Input((3,), dtype="bfloat16"), keras.Input(batch_shape=(), dtype="int64")
    keras.Model([x, s], keras.ops.multiply(x, keras.ops.cast(s, "bfloat16"))).save(tmp_path / "m.keras")
    import ml_dtypes

    ((y,),) = Replay.warm().run(tmp_path / "m.keras", [[X.astype(ml_dtypes.bfloat16), np.int64(2)]])
    assert (y.astype(np.float32) == 2 * X).all()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_other_backends(saved: Path, backend: str) -> None:
    replay = Replay(backend)
    try:
        ((dense, half, index),) = replay.run(saved, [[X]])
    finally:
        replay.close()
    expected = keras.models.load_model(saved)(X)
    np.testing.assert_allclose(dense, expected[0], rtol=1e-5, atol=1e-6)
    assert (half.astype(np.float32) == X).all()
    assert index.tolist() == [2, 2]


# The rest needs a child that is cheap to start: a script in place of replay_child.py.


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Replay:
    script = tmp_path / "child.py"
    script.write_text("import os, sys, time, json\n" + body)
    monkeypatch.setattr(replay_link, "SCRIPT", script)
    return Replay("tensorflow")


READY = 'print(json.dumps({"ready": True, "versions": {}}), flush=True)\n'


def test_a_crash_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = fake(tmp_path, monkeypatch, READY + "sys.stdin.readline(); sys.exit('out of luck')")
    with pytest.raises(ConversionError, match="ended with exit code 1: out of luck"):
        replay.run("m.keras", [])
    assert not replay.is_alive


def test_a_kill_is_reported_with_its_likely_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = fake(tmp_path, monkeypatch, READY + "sys.stdin.readline(); os.kill(os.getpid(), 9)")
    with pytest.raises(ConversionError, match="was ended by signal 9") as caught:
        replay.run("m.keras", [])
    assert "memory" in (caught.value.hint or "")


def test_a_child_that_cannot_start_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = fake(tmp_path, monkeypatch, "import no_such_backend")
    with pytest.raises(ConversionError, match="No module named 'no_such_backend'"):
        replay.run("m.keras", [])


def test_a_hang_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = fake(tmp_path, monkeypatch, READY + "time.sleep(60)")
    replay._patience = 0.2
    with pytest.raises(LimitExceeded, match="no answer within 0 s"):
        replay.run("m.keras", [])
    assert not replay.is_alive


def test_a_dead_process_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replay, "_warm", {})
    monkeypatch.setattr(replay_link, "SCRIPT", tmp_path / "nothing.py")
    first = Replay.warm()
    assert isinstance(first._link, Started)
    os.kill(first._link.process.pid, signal.SIGKILL)
    first._link.process.wait()
    second = Replay.warm()
    assert second is not first
    first.close()
    second.close()
    second.close()


def test_imports_are_blocked() -> None:
    code = (
        f"import runpy; m = runpy.run_path({str(SCRIPT)!r}); import sys\n"
        "m['hide'](m['FORBIDDEN'] | {'torch'})\n"
        "for name in ('converter', 'passes.errors', 'onnx', 'onnx_ir', 'onnxscript', 'torch.nn'):\n"
        "    try: __import__(name)\n"
        "    except ModuleNotFoundError as e: assert 'No module named' in str(e), e\n"
        "    else: sys.exit(name)\n"
        "import importlib.util, json\n"
        "assert importlib.util.find_spec('onnx') is None\n"
        "import importlib.metadata; importlib.metadata.version('keras')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
