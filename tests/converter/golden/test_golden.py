"""Goldens: what drifts is blamed on the right leg, what is damaged is named, what is killed leaves a sound store."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import converter.golden.golden as golden
from converter.golden.golden import check, record, update
from converter.golden.observe import EXACT, MEMORY, MODULE, ORACLE, reloaded
from converter.golden.store import GoldenStore, digests_of
from converter.options import Options
from passes.errors import BadSource, LimitExceeded, Unsupported, UsageError
from tests.conftest import Keraport
from tests.harness import graph

DIGITS = Options(checkpoint="models/digits.safetensors", inputs=("image=float32[batch,1,8,8]",))
DENSE = "g (float[batch,3] x) => (float[batch,2] y) <float[3,2] w = {1,2,3,4,5,6}> { y = MatMul(x, w) }"


@pytest.fixture
def dense(tmp_path: Path) -> str:
    path = tmp_path / "dense.onnx"
    ir.save(graph(DENSE), path)
    return str(path)


@pytest.fixture
def kept(tmp_path: Path, dense: str) -> GoldenStore:
    store = GoldenStore(tmp_path / "store")
    assert record(store, "dense", dense, Options())["status"] == "verified"
    return store


def test_nothing_has_changed(kept: GoldenStore) -> None:
    found = check(kept, "dense")
    assert (found.outcome, found.findings) == ("ok", [])


def test_a_module_keeps_all_of_its_witnesses(tmp_path: Path) -> None:
    store = GoldenStore(tmp_path)
    entry = record(store, "digits", "models.digits:build", DIGITS)
    assert set(entry["cases"][0]["arrays"]) == {"inputs", MODULE, EXACT, ORACLE, MEMORY, reloaded("tensorflow")}
    assert entry["options"]["inputs"] == ["image=float32[batch,1,8,8]"]
    assert entry["environment"]["keras"]
    assert check(store, "digits").outcome == "ok"


@pytest.mark.parametrize(
    ("who", "leg"),
    [
        (ORACLE, "torch ↔ onnxruntime"),
        (MEMORY, "onnxruntime ↔ Keras in memory"),
        (reloaded("tensorflow"), "Keras in memory ↔ reloaded file on tensorflow"),
    ],
)
def test_a_drift_is_blamed_on_its_leg(kept: GoldenStore, who: str, leg: str) -> None:
    """The record is one of an older version, in which one witness had answered otherwise."""
    entry = kept.read("dense")
    for case in entry["cases"]:
        arrays = [array + np.float32(0.1) for array in kept.get(case["arrays"][who])]
        case["arrays"][who] = kept.put(arrays)
    kept.write("dense", entry)
    found = check(kept, "dense")
    assert found.outcome == "FAIL"
    assert {finding.leg for finding in found.findings} == {leg}


def test_an_error_that_grows_is_told(kept: GoldenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = kept.read("dense")
    right = golden.observe

    def worse(*arguments: object, **told: object) -> object:
        made = right(*arguments, **told)  # type: ignore[arg-type]
        for case in made.cases:
            case.answers[MEMORY] = [array + np.float32(3e-5) * abs(array).max() for array in case.answers[MEMORY]]
            case.answers[reloaded("tensorflow")] = case.answers[MEMORY]
        return made

    monkeypatch.setattr(golden, "observe", worse)
    found = check(kept, "dense")
    assert entry["status"] == "verified"
    assert found.outcome == "ok"
    assert {(finding.level, finding.leg) for finding in found.findings} == {("warn", "onnxruntime ↔ Keras in memory")}


def test_what_failed_and_is_fixed_stops_a_check_too(kept: GoldenStore) -> None:
    entry = kept.read("dense")
    kept.write("dense", {**entry, "status": "unsupported", "cases": []})
    assert check(kept, "dense").outcome == "FIXED"
    update(kept, "dense", agree=lambda found: True)
    assert check(kept, "dense").outcome == "ok"


def test_what_was_verified_and_fails_now(kept: GoldenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **told: object) -> object:
        raise Unsupported("No longer.")

    monkeypatch.setattr(golden, "observe", refuse)
    found = check(kept, "dense")
    assert (found.outcome, found.message) == ("FAIL", "No longer.")


def test_a_model_that_takes_too_much_is_not_kept(tmp_path: Path, dense: str) -> None:
    store = GoldenStore(tmp_path / "small")
    with pytest.raises(LimitExceeded, match="takes"):
        record(store, "dense", dense, Options(), limit=100)
    assert store.names() == []


def test_a_name_stays_with_its_source(kept: GoldenStore, tmp_path: Path) -> None:
    (other := tmp_path / "other.onnx").touch()
    with pytest.raises(UsageError, match="is of"):
        record(kept, "dense", str(other), Options())
    with pytest.raises(BadSource, match="There is no file"):
        record(kept, "dense", str(tmp_path / "mistyped.onnx"), Options())


def test_every_bit_that_flips_is_told(kept: GoldenStore) -> None:
    files = [path for path in kept.folder.rglob("*") if path.is_file()]
    draw = random.Random(0)
    for _ in range(200):
        path = draw.choice(files)
        content = path.read_bytes()
        place, bit = draw.randrange(len(content)), draw.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        with pytest.raises(BadSource) as caught:
            everything(kept)
        assert path.name in caught.value.message
        path.write_bytes(content)
    everything(kept)


def test_a_truncated_file_is_named_and_the_rest_is_checked(kept: GoldenStore, dense: str, keraport: Keraport) -> None:
    record(kept, "other", dense, Options())
    path = kept.folder / "models" / "other.json"
    path.write_bytes(path.read_bytes()[:100])
    ran = keraport("golden", "check", "--store", kept.folder)
    assert ran.code == 3
    assert "ok       dense" in ran.out
    assert "DAMAGED  other" in ran.out


WRITER = """
import sys
import numpy as np
from converter.golden.store import GoldenStore
store = GoldenStore(__import__("pathlib").Path(sys.argv[1]))
print("ready", flush=True)
for i in range(10**6):
    digest = store.put([np.full((50, 50), i, np.float32), np.arange(i % 7)])
    store.write(f"model{i % 5}", {"status": "verified", "cases": [{"arrays": {"inputs": digest}}], "i": i})
"""


def test_writers_that_are_killed_leave_a_sound_store(tmp_path: Path) -> None:
    draw = random.Random(1)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    for _ in range(5):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, env=environment)
            for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(draw.random() / 5)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        everything(GoldenStore(tmp_path))


def everything(store: GoldenStore) -> None:
    for name in store.names():
        for digest in digests_of(store.read(name)):
            store.get(digest)


def test_the_command_line(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    store = tmp_path / "goldens"
    ran = keraport("golden", "record", small_onnx, "--store", store)
    assert (ran.code, ran.err) == (0, "")
    assert "small.onnx: verified, 5 cases" in ran.out
    ran = keraport("golden", "check", "--store", store, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)[0]["outcome"] == "ok"
    assert keraport("golden", "update", "--store", store, "--yes").out == ""
    ran = keraport("golden", "check", "--store", tmp_path / "nowhere")
    assert ran.code == 1
    assert "There are no goldens" in ran.err


def test_another_file_is_blamed_itself(kept: GoldenStore, dense: str) -> None:
    ir.save(graph(DENSE.replace("{1,2,3,4,5,6}", "{1,2,3,4,5,7}")), dense)
    found = check(kept, "dense")
    assert found.outcome == "FAIL"
    assert {finding.leg for finding in found.findings} == {"the source itself"}
    assert "is not the file of which this was recorded" in found.findings[0].message


def test_other_outputs_and_other_inputs_are_told(kept: GoldenStore, dense: str) -> None:
    ir.save(graph(DENSE.replace(" y", " z")), dense)
    assert check(kept, "dense").message == "the outputs are z; recorded were y"
    ir.save(graph(DENSE.replace(" x", " w2").replace("(x", "(w2")), dense)
    assert check(kept, "dense").message == "The source takes w2; recorded were x."


def test_a_drift_comes_with_the_versions(kept: GoldenStore) -> None:
    entry = kept.read("dense")
    entry["environment"]["keras"] = "3.0.0"
    for case in entry["cases"]:
        case["arrays"][MEMORY] = kept.put([array + np.float32(0.1) for array in kept.get(case["arrays"][MEMORY])])
    kept.write("dense", entry)
    assert check(kept, "dense").message.startswith("recorded with keras 3.0.0 (now ")


def test_what_differs_is_recorded_as_such(tmp_path: Path, dense: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = golden.observe

    def wrong(*arguments: object, **told: object) -> object:
        made = right(*arguments, **told)  # type: ignore[arg-type]
        for case in made.cases:
            case.answers[MEMORY] = [array + np.float32(1) for array in case.answers[MEMORY]]
        return made

    monkeypatch.setattr(golden, "observe", wrong)
    store = GoldenStore(tmp_path / "store")
    entry = record(store, "dense", dense, Options())
    assert entry["status"] == "not-equivalent"
    assert "onnxruntime ↔ Keras in memory" in entry["message"]
    assert (check(store, "dense").outcome, check(store, "dense").message) == ("ok", "still not-equivalent")
    monkeypatch.undo()
    assert check(store, "dense").outcome == "FIXED"


def test_what_is_asked_wrongly_is_no_golden(tmp_path: Path, keraport: Keraport, kept: GoldenStore) -> None:
    ran = keraport("golden", "record", tmp_path / "none.onnx", "--store", kept.folder)
    assert ran.code == 1 and "There is no file" in ran.err
    ran = keraport("golden", "record", "torchvision:resnet1", "--random-weights", "0", "--store", kept.folder)
    assert ran.code == 1 and "Error (usage)" in ran.err
    ran = keraport("golden", "check", "danse", "--store", kept.folder)
    assert ran.code == 1 and "There is no golden 'danse'" in ran.err
    assert kept.names() == ["dense"]


def test_an_update_keeps_inputs_of_the_users_own(tmp_path: Path, dense: str) -> None:
    store, own = GoldenStore(tmp_path / "store"), np.array([[1.0, 20.0, 300.0]], np.float32)
    record(store, "dense", dense, Options(), feeds=[{"x": own}])
    ir.save(graph(DENSE.replace("{1,2,3,4,5,6}", "{1,2,3,4,5,7}")), dense)
    assert update(store, "dense", agree=lambda found: True) is not None
    entry = store.read("dense")
    assert [store.get(case["arrays"]["inputs"])[0].tolist() for case in entry["cases"]] == [own.tolist()]
    assert check(store, "dense").outcome == "ok"


def test_a_bug_hides_no_other_model(
    kept: GoldenStore, dense: str, keraport: Keraport, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(kept, "last", dense, Options(layout="source"))
    right = golden.observe

    def breaking(text: str, options: Options, **told: object) -> object:
        if options.layout != "source":
            raise ZeroDivisionError("by nothing")
        return right(text, options, **told)  # type: ignore[arg-type]

    monkeypatch.setattr(golden, "observe", breaking)
    ran = keraport("golden", "check", "--store", kept.folder)
    assert ran.code == 3
    assert "FAIL     dense: bug in keraport: ZeroDivisionError: by nothing" in ran.out
    assert "ok       last" in ran.out
