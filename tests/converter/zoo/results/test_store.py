"""The results of a run: nothing is lost, nothing is twice, and who may write."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from converter.zoo.records.result import CRASHED, MISMATCH
from converter.zoo.results import database
from converter.zoo.results.lines import read
from converter.zoo.results.runs import summaries_of
from converter.zoo.results.store import ResultStore, RunningStage
from converter.zoo.results.summary import summarise
from passes.errors import UsageError
from tests.zoo_results import entry, failed, verified

ENTRIES = [entry("b", tags=("cnn",)), entry("a"), entry("c", expected=MISMATCH)]
KEYS = dict.fromkeys("abc", "k")


def planned(folder: Path) -> ResultStore:
    store = ResultStore(folder)
    store.plan(ENTRIES, KEYS)
    return store


def test_what_was_added_is_read_again_in_the_order_of_the_plan(tmp_path: Path) -> None:
    good = verified("a", files={"report": "a/report.json"})
    bad = failed("b", tags=("cnn",))
    with planned(tmp_path / "run") as store:
        store.add(good)
        store.add(bad)
        assert list(store.results()) == [bad, good]
    with ResultStore(tmp_path / "run") as store:
        assert list(store.results()) == [bad, good]
        assert list(store.summaries()) == [summarise(bad), summarise(good)]
        assert store.done() == {"b": bad, "a": replace(good, report=None)}
        assert store.planned() == {"b": "verified", "a": "verified", "c": "mismatch"}


def test_a_second_result_replaces_the_first(tmp_path: Path) -> None:
    with planned(tmp_path) as store:
        store.add(failed("a", "The operator Foo is not supported.\nThe operator Bar is not supported."))
        store.add(failed("a", status=CRASHED, attempts=2))
        (result,) = store.results()
        (summary,) = store.summaries()
    assert (result.status, result.attempts) == (CRASHED, 2)
    assert len(summary.signatures) == 1
    assert [line["status"] for line in read(tmp_path / "results.jsonl")] == ["unsupported", CRASHED]


def test_another_key_is_not_done_until_the_plan_comes_back_to_it(tmp_path: Path) -> None:
    with planned(tmp_path) as store:
        store.add(verified("a"))
        store.add(verified("b"))
        store.plan(ENTRIES, {**KEYS, "a": "other"})
        assert list(store.done()) == ["b"]
        store.plan(ENTRIES, KEYS)
        assert list(store.done()) == ["b", "a"]


def test_models_that_are_no_longer_planned_stay_out(tmp_path: Path) -> None:
    with planned(tmp_path) as store:
        store.add(verified("a"))
        store.add(verified("b"))
        store.plan([entry("c"), entry("a", tags=("new",), expected=MISMATCH)], KEYS)
        (result,) = store.results()
    assert (result.name, result.tags, result.expected) == ("a", ("new",), MISMATCH)
    assert [line["name"] for line in read(tmp_path / "results.jsonl")] == ["a"]


@pytest.mark.parametrize("result", [verified("z"), verified("a", key="other")])
def test_a_result_that_would_not_be_seen_again_is_refused(tmp_path: Path, result: object) -> None:
    with planned(tmp_path) as store:
        with pytest.raises(ValueError, match="is planned"):
            store.add(result)  # type: ignore[arg-type]
        assert not list(store.results())


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with ResultStore(tmp_path) as store, pytest.raises(ValueError, match="same name"):
        store.plan([entry("a"), entry("a")], KEYS)


def test_the_lines_are_the_same_bytes_whatever_the_order_of_the_results(tmp_path: Path) -> None:
    results = [verified("a"), failed("b", tags=("cnn",)), verified("c", expected=MISMATCH)]
    for folder, order in (("one", results), ("two", results[::-1])):
        with planned(tmp_path / folder) as store:
            for result in order:
                store.add(result)
            store.write_lines()
    one, two = ((tmp_path / folder / "results.jsonl").read_bytes() for folder in ("one", "two"))
    assert one == two
    lines = [json.loads(line) for line in one.splitlines()]
    assert [line["name"] for line in lines] == ["b", "a", "c"]
    assert lines[1]["report"]["operators"] == {"nhwc::Conv": 20, "Relu": 17}
    assert summaries_of(tmp_path / "one" / "results.jsonl") == summaries_of(tmp_path / "one")


def test_what_was_running_is_known_after_the_end(tmp_path: Path) -> None:
    with planned(tmp_path) as store:
        store.stage_started("a", 1, "load", "w1")
        store.stage_ended("a", 1, "load", True, 0.5)
        store.stage_started("a", 1, "verify", "w1")
        store.stage_started("b", 2, "load", "w2")
        store.stage_started("c", 1, "emit", "w3")
        store.add(failed("c", expected=MISMATCH))
    with ResultStore(tmp_path) as store:
        assert store.running() == [RunningStage("a", 1, "verify", "w1"), RunningStage("b", 2, "load", "w2")]
        store.plan(ENTRIES, KEYS)
        assert store.running() == []
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        assert connection.execute("SELECT name, stage, ok FROM stages").fetchall() == [("c", "emit", None)]


def test_halves_of_characters_are_kept_out(tmp_path: Path) -> None:
    with planned(tmp_path) as store:
        store.add(failed("a", "broken \udce4 text", worker="host\udce4"))
        (result,) = store.results()
        (summary,) = store.summaries()
        with pytest.raises(UsageError, match="Unicode"):
            store.plan([entry("a\udce4")], {"a\udce4": "k"})
    assert result.detail["message"] == "broken \udce4 text"
    assert summary.signatures == ("unsupported: broken ? text",)


@pytest.mark.parametrize("torn", ['{"name": "a", "sta', "", "x" * 200_000])
def test_a_torn_last_line_does_no_harm(tmp_path: Path, torn: str) -> None:
    with planned(tmp_path) as store:
        store.add(verified("a"))
    path = tmp_path / "results.jsonl"
    with path.open("a") as file:
        file.write(torn)
    assert [line["name"] for line in read(path)] == ["a"]
    with ResultStore(tmp_path) as store:
        store.add(verified("b"))
    assert [line["name"] for line in read(path)] == ["a", "b"]


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"name": "a", "status": "verified"}\nno\n{}\n')
    with pytest.raises(UsageError, match=r"results.jsonl:2 is not JSON"):
        summaries_of(tmp_path / "results.jsonl")
    (tmp_path / "results.jsonl").write_text('{"name": "a"}\n')
    with pytest.raises(UsageError, match=r"results.jsonl:1 is no result"):
        summaries_of(tmp_path / "results.jsonl")


def test_threads_may_share_one(tmp_path: Path) -> None:
    names = [f"m{i}" for i in range(120)]
    with ResultStore(tmp_path) as store:
        store.plan([entry(name) for name in names], dict.fromkeys(names, "k"))
        problems: list[BaseException] = []

        def work(part: list[str]) -> None:
            try:
                for name in part:
                    store.stage_started(name, 1, "load", "w")
                    store.add(verified(name))
                    list(store.results())
            except BaseException as error:  # noqa: BLE001 - told to the test's own thread
                problems.append(error)

        threads = [threading.Thread(target=work, args=(names[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        assert [result.name for result in store.results()] == names
    assert sorted(line["name"] for line in read(tmp_path / "results.jsonl")) == sorted(names)


MANY = [f"m{i}" for i in range(1500)]


def write_many(folder: Path, told: int | None = None) -> None:
    """A run of MANY, or the rest of it; tells a pipe what is done."""
    with ResultStore(folder) as store:
        store.plan([entry(name) for name in MANY], dict.fromkeys(MANY, "k"))
        done = store.done()
        for place, name in enumerate(MANY):
            if name not in done:
                store.stage_started(name, 1, "load", "w")
                store.stage_ended(name, 1, "load", True, 0.5)
                store.add(verified(name, seconds=float(place)))
                if told is not None:
                    os.write(told, f"{name}\n".encode())
        store.write_lines()


def test_killed_at_random_moments_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    """After every kill -9 all that was told as done is there, once; the last run completes the rest."""
    seed = random.Random(3)
    told: set[str] = set()
    killed = 0
    for _ in range(12):
        reading, writing = os.pipe()
        child = multiprocessing.get_context("fork").Process(target=write_many, args=(tmp_path / "run", writing))
        child.start()
        os.close(writing)
        patience = seed.randrange(1, 100)
        with open(reading) as lines:
            for count, line in enumerate(lines):
                told.add(line.strip())
                if count == patience:
                    # It goes on meanwhile: the kill meets it anywhere in a stage, a transaction or a line.
                    child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        with ResultStore(tmp_path / "run", read_only=True) as store:
            names = [result.name for result in store.results()]
        assert len(names) == len(set(names))
        assert told <= set(names)
    assert killed == 12
    write_many(tmp_path / "run")
    write_many(tmp_path / "whole")
    assert (tmp_path / "run" / "results.jsonl").read_bytes() == (tmp_path / "whole" / "results.jsonl").read_bytes()


def test_a_run_has_one_writer_and_many_readers(tmp_path: Path) -> None:
    code = (
        "import sys; from converter.zoo.results.store import ResultStore; "
        "ResultStore(sys.argv[1]); print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with planned(tmp_path) as store:
        store.add(verified("a"))
        with pytest.raises(UsageError, match="being written to by process"):
            ResultStore(tmp_path)
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "UsageError: The run" in other.stderr
        with ResultStore(tmp_path, read_only=True) as reader:
            assert list(reader.done()) == ["a"]
            store.add(verified("b"))
            assert list(reader.done()) == ["b", "a"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(UsageError, match=f"process {child.pid}") as refused:
            ResultStore(tmp_path)
        assert "--out" in (refused.value.hint or "")
        child.kill()
    with ResultStore(tmp_path) as store:
        assert len(store.done()) == 2


def test_a_closed_run_is_one_file_that_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    with planned(tmp_path / "run") as store:
        store.add(verified("a"))
    store.close()
    files = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert files == ["lock", "results.jsonl", "results.sqlite"]
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "results.sqlite").write_bytes((tmp_path / "run" / "results.sqlite").read_bytes())
    (tmp_path / "copy").chmod(0o500)
    try:
        assert [summary.name for summary in summaries_of(tmp_path / "copy")] == ["a"]
    finally:
        (tmp_path / "copy").chmod(0o700)


def damaged(path: Path) -> None:
    """The tables are gone: what follows the first page, which says what the file is."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def text(path: Path) -> None:
    path.write_text("This is not a database, and longer than the header of one is, which has a hundred bytes. " * 20)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE models (name TEXT)")
    connection.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    ("harm", "message"),
    [(damaged, "is damaged"), (text, "is damaged"), (foreign, "of another program"), (newer, "has version 99")],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_run_is_explained(tmp_path: Path, harm: object, message: str, read_only: bool) -> None:
    with planned(tmp_path) as store:
        store.add(verified("a"))
    harm(tmp_path / "results.sqlite")  # type: ignore[operator]
    with pytest.raises(UsageError, match=message) as refused, ResultStore(tmp_path, read_only=read_only) as store:
        list(store.results())
    assert refused.value.hint
    # What was refused holds no lock.
    (tmp_path / "results.sqlite").unlink()
    ResultStore(tmp_path).close()


def test_a_locked_file_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.0)
    planned(tmp_path).close()
    other = sqlite3.connect(tmp_path / "results.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UsageError, match="is locked by another program"):
        ResultStore(tmp_path)
    other.close()
    ResultStore(tmp_path).close()


def test_what_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        ResultStore(tmp_path, read_only=True)
    with pytest.raises(UsageError, match="is not a run"):
        ResultStore(tmp_path / "none", read_only=True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        ResultStore(tmp_path / "file")
