"""Whole runs: bad models stop nobody, nothing is lost, nothing is done twice, nothing is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from converter.zoo.records.result import TIMED_OUT, VERIFIED, Result
from converter.zoo.running.run import Settings, has_more_time
from tests.conftest import Keraport
from tests.zoo import needs
from tests.zoo_runs import built_models, descendants, gone, lines, onnx_models, start, timeless, wait_until

needs("distributed", "torchvision")

BAD = {
    "segfault": "crashed",
    "leave": "crashed",
    "devour": "out-of-memory",
    "hang": "timed-out",
    "hang_on": "timed-out",
    "refuse": "bad-source",
    "talk": "verified",
    "leave_a_grandchild": "timed-out",
}
LIMITS = ("--timeout", "20", "--memory", "2")


def test_bad_models_stop_nobody_and_are_named(tmp_path: Path, keraport: Keraport) -> None:
    manifest, run = tmp_path / "zoo.toml", tmp_path / "run"
    manifest.write_text(built_models(tmp_path, BAD | {"good": "verified"}) + onnx_models(tmp_path, 4))
    before = descendants(psutil.Process().pid)
    ran = keraport("zoo", "run", manifest, "--out", run, *LIMITS)
    assert ran.code == 0, ran.out + ran.err
    found = lines(run)
    assert {name: one["status"] for name, one in found.items()} == {
        **BAD,
        "good": "verified",
        **{f"m{place}": "verified" for place in range(4)},
    }
    detail = {name: one["detail"] for name, one in found.items()}
    assert (detail["segfault"]["signal"], found["segfault"]["attempts"]) == ("SIGSEGV", 2)
    assert any("Fatal Python error: Segmentation fault" in line for line in detail["segfault"]["stderr"])
    assert (detail["leave"]["exit_code"], detail["leave"]["stage"]) == (7, "load")
    assert found["devour"]["attempts"] == 2
    assert found["devour"]["peak_memory_bytes"] < 4.5 * 2**30, "twice the limit, and some"
    assert "no such size: 17" in detail["refuse"]["message"]
    assert detail["hang"]["signal"] == detail["hang_on"]["signal"] == "SIGKILL"
    cases = [found[name]["report"]["verification"]["cases"] for name in ("good", "talk")]
    assert cases[0] == cases[1], "one module, built twice, does not draw the same weights"
    assert (run / found["talk"]["files"]["output"]).stat().st_size < 20_000
    assert all((run / path).exists() for one in found.values() for path in one["files"].values())
    assert not psutil.pid_exists(int((tmp_path / "grandchild").read_text()))
    assert set(descendants(psutil.Process().pid)) <= set(before)
    assert (run / "report.html").exists()

    again = keraport("zoo", "run", manifest, "--out", run, *LIMITS)
    assert again.code == 1
    assert "--resume" in again.err


def test_what_is_done_and_unchanged_is_not_done_again(tmp_path: Path, keraport: Keraport) -> None:
    manifest, run = tmp_path / "zoo.toml", tmp_path / "run"
    manifest.write_text(onnx_models(tmp_path, 3))
    arguments = ("zoo", "run", manifest, "--out", run, "--jobs", "1")
    assert keraport(*arguments).code == 0
    first = lines(run)
    assert keraport(*arguments, "--resume").code == 0
    assert lines(run) == first
    (tmp_path / "m1.onnx").write_bytes((tmp_path / "m2.onnx").read_bytes())
    assert keraport(*arguments, "--resume").code == 0
    second = lines(run)
    assert [name for name in first if first[name] != second[name]] == ["m1"]
    assert second["m1"]["report"]["verification"]["cases"] == first["m2"]["report"]["verification"]["cases"]
    assert keraport(*arguments, "--resume", "--timeout", "900").code == 0
    assert lines(run) == second
    assert keraport("zoo", "check", run).code == 0
    assert keraport(*arguments, "--resume", "--filter", "name:m0").code == 0
    checked = keraport("zoo", "check", run)
    assert checked.code == 3 and "m1" in checked.out and "missing" in checked.out


@pytest.mark.slow
def test_a_killed_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """kill -9 of the run in the middle, twice; then it is resumed."""
    manifest, run = tmp_path / "zoo.toml", tmp_path / "run"
    manifest.write_text(onnx_models(tmp_path, 6))
    arguments = (manifest, "--out", run, "--jobs", "2")
    whole = start(*arguments)
    assert whole.communicate()[0] and whole.returncode == 0
    expected = timeless(lines(run))
    (run).rename(tmp_path / "whole")

    for done in (1, 4):
        killed = start(*arguments, *(("--resume",) if done > 1 else ()))
        wait_until(lambda done=done: len(lines_so_far(run)) >= done, "some are done")
        below = descendants(killed.pid)
        killed.kill()
        killed.communicate()
        wait_until(lambda below=below: gone(below), "the children are gone")
    resumed = start(*arguments, "--resume")
    text = resumed.communicate()[0]
    assert resumed.returncode == 0, text
    assert "of them done before" in text
    assert timeless(lines(run)) == expected


def lines_so_far(run: Path) -> list[str]:
    file = run / "results.jsonl"
    return file.read_text().splitlines() if file.exists() else []


def test_what_ran_out_of_time_is_done_again_with_more(tmp_path: Path) -> None:
    settings = Settings(tmp_path, timeout=60)
    late = Result("m", TIMED_OUT, seconds=60.4)
    assert not has_more_time(late, settings)
    assert has_more_time(late, replace(settings, timeout=600))
    assert not has_more_time(Result("m", VERIFIED, seconds=60.4), replace(settings, timeout=600))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_child_and_can_go_on(tmp_path: Path, number: signal.Signals) -> None:
    manifest, run = tmp_path / "zoo.toml", tmp_path / "run"
    manifest.write_text(onnx_models(tmp_path, 2) + built_models(tmp_path, {"hang_on": "timed-out"}))
    arguments = (manifest, "--out", run, "--filter", "-name:hang*")
    stopped = start(manifest, "--out", run)
    wait_until(lambda: len(lines_so_far(run)) == 2, "the good ones are done")
    below = descendants(stopped.pid)
    stopped.send_signal(number)
    text = stopped.communicate()[0]
    assert stopped.returncode == 130, text
    assert "--resume" in text
    assert gone(below)
    resumed = start(*arguments, "--resume")
    assert resumed.communicate()[0] and resumed.returncode == 0
    assert sorted(lines(run)) == ["m0", "m1"]


def test_a_cluster_of_two_workers_one_of_which_is_killed(tmp_path: Path) -> None:
    """Dask started by hand, as a user would: nothing is lost, and nothing is there twice."""
    manifest, run = tmp_path / "zoo.toml", tmp_path / "run"
    manifest.write_text(onnx_models(tmp_path, 8))
    address = tmp_path / "scheduler.json"
    local = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(address))
    processes = [dask("scheduler", "--port", "0", *local)]
    try:
        wait_until(address.exists, "the scheduler is there")
        processes += [dask("worker", "--nthreads", "1", "--no-nanny", "--memory-limit", "0", *local) for _ in range(2)]
        running = start(manifest, "--out", run, "--scheduler", json.loads(address.read_text())["address"])
        wait_until(lambda: running.poll() is not None or lines_so_far(run), "one is done")
        below = descendants(processes[1].pid)
        processes[1].kill()
        text = running.communicate()[0]
        assert running.returncode == 0, text
        wait_until(lambda: gone(below), "the children of the killed worker are gone")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    found = lines(run)
    assert {one["status"] for one in found.values()} == {"verified"}
    assert len(found) == 8


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_remote_sources_and_outputs(tmp_path: Path, keraport: Keraport) -> None:
    import fsspec

    memory, run = fsspec.filesystem("memory"), tmp_path / "run"
    onnx_models(tmp_path, 1)
    memory.pipe("/zoo/m0.onnx", (tmp_path / "m0.onnx").read_bytes())
    manifest = tmp_path / "zoo.toml"
    manifest.write_text(
        '[[model]]\nname = "far"\nsource = "memory://zoo/m0.onnx"\n'
        '[[model]]\nname = "absent"\nsource = "memory://zoo/absent.onnx"\nexpected = "bad-source"\n'
    )
    ran = keraport("zoo", "run", manifest, "--out", run, "--outputs", "memory://made")
    assert ran.code == 0, ran.out + ran.err
    found = lines(run)
    assert found["far"]["files"]["model"] == "memory://made/far/model.keras"
    assert memory.size("/made/far/model.keras") > 1000
    assert "memory://zoo/absent.onnx cannot be read" in found["absent"]["detail"]["message"]
    assert not (run / "models").exists()
