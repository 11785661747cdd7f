"""A run against an earlier one, and against what was expected of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.zoo.records.entry import Entry
from converter.zoo.records.result import CRASHED, MISMATCH, TIMED_OUT, UNSUPPORTED, VERIFIED, Result
from converter.zoo.results.check import check
from converter.zoo.results.compare_runs import KINDS, compare_runs
from converter.zoo.results.store import ResultStore
from converter.zoo.results.summary import Summary
from passes.errors import UsageError
from tests.zoo_results import entry, failed, verified


def one(name: str, status: str = VERIFIED, *, seconds: float = 10.0, used: float | None = 0.04) -> Summary:
    return Summary(name, status, seconds=seconds, of_allowed=used)


def changes(before: list[Summary], after: list[Summary]) -> dict[str, list[str]]:
    found = compare_runs(before, after)
    assert list(found) == list(KINDS)
    return {kind: [str(change) for change in changed] for kind, changed in found.items() if changed}


def test_statuses_that_changed() -> None:
    before = [one("a", MISMATCH), one("b"), one("c", CRASHED), one("d", TIMED_OUT), one("e"), one("gone")]
    after = [one("new", UNSUPPORTED), one("e"), one("d", TIMED_OUT), one("c", UNSUPPORTED), one("b", CRASHED), one("a")]
    assert changes(before, after) == {
        "fixed": ["a: fixed (mismatch → verified)"],
        "broken": ["b: broken (verified → crashed)"],
        "changed": ["c: changed (crashed → unsupported)"],
        "new": ["new: new (nothing → unsupported)"],
        "gone": ["gone: gone (verified → nothing)"],
    }


@pytest.mark.parametrize(
    ("before", "after", "slower"),
    [
        (10.0, 15.0, True),
        (10.0, 14.9, False),
        (2.0, 6.9, False),
        (2.0, 7.0, True),
        (100.0, 140.0, False),
        (0.0, 5.0, True),
    ],
)
def test_slower_is_half_as_much_again_and_five_seconds(before: float, after: float, slower: bool) -> None:
    assert ("slower" in changes([one("a", seconds=before)], [one("a", seconds=after)])) is slower


@pytest.mark.parametrize(
    ("before", "after", "less"),
    [
        (0.04, 0.08, True),
        (0.04, 0.07, False),
        (0.0, 0.05, True),
        (0.001, 0.04, False),
        (0.2, 0.1, False),
        (None, 0.9, False),
    ],
)
def test_less_exact_is_twice_as_much_of_the_tolerance(before: float | None, after: float, less: bool) -> None:
    assert ("less exact" in changes([one("a", used=before)], [one("a", used=after)])) is less


def test_failures_are_not_slower_and_the_worst_comes_first() -> None:
    before = [one("a", CRASHED), one("b"), one("c"), one("d")]
    after = [
        one("a", CRASHED, seconds=99.0),
        one("b", seconds=20.0),
        one("c", seconds=40.0, used=0.9),
        one("d", seconds=30.0),
    ]
    assert changes(before, after) == {
        "less exact": ["c: less exact (4.0% → 90.0%)"],
        "slower": ["c: slower (10.0 s → 40.0 s)", "d: slower (10.0 s → 30.0 s)", "b: slower (10.0 s → 20.0 s)"],
    }


def make_run(folder: Path, entries: list[Entry], *results: Result) -> Path:
    with ResultStore(folder) as store:
        store.plan(entries, {entry.name: "k" for entry in entries})
        for result in results:
            store.add(result)
        store.write_lines()
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """As its manifest expects it: a good, b bad."""
    entries = [entry("a"), entry("b", expected=UNSUPPORTED)]
    return make_run(tmp_path / "run", entries, verified("a"), failed("b"))


def texts(run: Path, expected: Path | None = None) -> list[str]:
    return [str(change) for change in check(run, expected)]


def test_a_run_as_expected_has_no_changes(run: Path, tmp_path: Path) -> None:
    lists = tmp_path / "list.toml"
    lists.write_text('[expected]\na = "verified"\nb = "unsupported"\n')
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(
        '[[model]]\nname = "a"\nsource = "m:f"\n\n[[model]]\nname = "b"\nsource = "m:g"\nexpected = "unsupported"\n'
    )
    for expected in (None, run, run / "results.jsonl", lists, manifest):
        assert texts(run, expected) == []


def test_fixed_is_a_change_too(tmp_path: Path) -> None:
    entries = [entry("a", expected=MISMATCH), entry("b"), entry("c", expected=CRASHED), entry("d")]
    run = make_run(tmp_path / "run", entries, verified("a"), failed("b"), failed("c", status=TIMED_OUT))
    assert texts(run) == [
        "a: fixed (mismatch → verified)",
        "b: broken (verified → unsupported)",
        "c: changed (crashed → timed-out)",
        "d: missing (verified → nothing)",
    ]


def test_missing_and_unexpected_models_are_changes(run: Path, tmp_path: Path) -> None:
    lists = tmp_path / "list.toml"
    lists.write_text('[expected]\n"x y" = "mismatch"\na = "verified"\n')
    other = make_run(tmp_path / "other", [entry("x y")], failed("x y", status=MISMATCH))
    assert texts(run, lists) == ["x y: missing (mismatch → nothing)", "b: unexpected (nothing → unsupported)"]
    assert texts(run, other) == [
        "x y: missing (mismatch → nothing)",
        "a: unexpected (nothing → verified)",
        "b: unexpected (nothing → unsupported)",
    ]
    assert texts(run, other / "results.jsonl") == texts(run, other)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", '[expected]\na = "fine"\n', "'a' is expected to be 'fine', which is no status"),
        ("a.toml", "[expected]\na = 1\n", "'a' is expected to be 1, which is no status"),
        ("a.toml", "[other]\n", "says nothing about what is expected"),
        ("a.toml", "[expected\n", "Not TOML"),
        ("a.jsonl", '{"name": "a"}\n', "'a' is expected to be None"),
        ("a.jsonl", "no\n", "a.jsonl:1 is not JSON"),
        ("a.txt", None, "cannot be read"),
    ],
)
def test_a_file_that_says_nothing_is_refused(
    run: Path, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        check(run, tmp_path / name)
