"""What a run shows while it runs."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from converter.zoo.records.result import Result
from converter.zoo.running.progress import Progress
from tests.zoo_results import failed, verified

STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NAME = "[red]a:cat:[/red] [/]\\"
"""Markup, an emoji, a closing tag without an opening one, and a backslash, to whom they mean that."""


def progress(*, is_terminal: bool = False) -> tuple[Progress, io.StringIO]:
    text = io.StringIO()
    return Progress(Console(file=text, force_terminal=is_terminal, width=160, highlight=False)), text


def lines(text: io.StringIO) -> list[str]:
    return STYLES.sub("", text.getvalue()).splitlines()


def table(shown: Progress) -> list[str]:
    """The live table, as it is now."""
    text = io.StringIO()
    Console(file=text, width=160).print(shown._table())
    return [line.rstrip() for line in text.getvalue().splitlines()]


def event(name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "worker": "host:1", "attempt": 1, **values}


def feed(shown: Progress, results: Sequence[Result]) -> None:
    for result in results:
        shown.finished(result)


def test_elsewhere_every_model_has_a_plain_line() -> None:
    shown, text = progress()
    shown.begin(3, [verified("before")])
    with shown:
        shown.event(event("m", stage="load", ok=None))
        shown.finished(verified("m", seconds=2.04))
        shown.finished(failed("n", "No Foo.\nAnd more."))
    assert text.getvalue() == (
        "3 models, 1 of them done before\n✓ 2/3 m verified 2.0 s\n✗ 3/3 n unsupported 1.0 s: No Foo.\n"
    )


def test_a_run_that_is_new_says_nothing_of_an_earlier_one() -> None:
    shown, text = progress()
    shown.begin(2, [])
    assert lines(text) == ["2 models"]


def test_a_terminal_has_a_live_table_and_lines_for_what_went_wrong_only() -> None:
    shown, text = progress(is_terminal=True)
    shown.begin(3, [])
    with shown:
        shown.event(event("m", stage="load", ok=None))
        shown.event(event("m", memory=3 << 29))
        row = next(line for line in table(shown) if line.startswith("m "))
        assert re.fullmatch(r"m\s+load\s+\d+\s+1\.5 GB\s+host:1", row)
        shown.event(event("n", stage="passes", ok=None))
        shown.finished(verified("m"))
        shown.finished(failed("n", "No Foo."))
        assert table(shown)[-1].startswith("2 of 3 done · 1 verified · 1 unsupported")
    found = "\n".join(lines(text))
    assert "Running" in found
    assert "✗ 2/3 n unsupported 1.0 s, 2 s left: No Foo." in found
    assert "✓" not in found
    assert "2 of 3 done" in found
    assert "\x1b[?25h" in text.getvalue(), "the cursor is shown again"


def test_a_table_is_left_as_it_was_when_a_run_is_stopped() -> None:
    shown, text = progress(is_terminal=True)
    shown.begin(1, [])
    with pytest.raises(KeyboardInterrupt), shown:
        shown.event(event("m", stage="load", ok=None))
        raise KeyboardInterrupt
    assert "0 of 1 done" in "\n".join(lines(text))
    assert text.getvalue().count("\x1b[?25l") == text.getvalue().count("\x1b[?25h") == 1


def test_what_is_done_runs_no_more_whatever_is_told_late() -> None:
    shown, _ = progress()
    shown.begin(2, [])
    shown.event(event("m", stage="save", ok=None))
    shown.finished(verified("m"))
    shown.event(event("m", memory=1 << 30))
    shown.event(event("n", stage="load", ok=None))
    assert [line.split()[0] for line in table(shown)[1:-1]] == ["n"]


def test_what_is_tried_again_begins_anew() -> None:
    shown, _ = progress()
    shown.begin(1, [])
    shown.event(event("m", stage="save", ok=None, memory=2 << 30))
    shown.event(event("m", memory=1 << 30, attempt=2, worker="host:2"))
    (row,) = table(shown)[1:-1]
    assert re.fullmatch(r"m\s+0\s+1\.0 GB\s+host:2", row)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_names_and_messages_are_shown_as_they_are(is_terminal: bool) -> None:
    shown, text = progress(is_terminal=is_terminal)
    shown.begin(2, [])
    with shown:
        shown.event(event(NAME, stage=NAME, worker=NAME))
        assert any(line.startswith(NAME) and line.endswith(NAME) and line.count(NAME) == 3 for line in table(shown))
        shown.finished(failed(NAME, f"It said {NAME}"))
    assert f"✗ 1/2 {NAME} unsupported 1.0 s: It said {NAME}" in [line.rstrip() for line in lines(text)]


def test_the_time_left_is_told_when_enough_is_known_and_something_is_left() -> None:
    shown, text = progress()
    shown.slots = 2
    shown.begin(8, [verified("before", seconds=1000.0)])
    feed(shown, [verified(f"m{place}", seconds=10.0) for place in range(7)])
    found = [line.partition(", ")[2] for line in lines(text)[1:]]
    assert found == ["", "", "", "15 s left", "10 s left", "5 s left", ""]


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(1.0, "89 s left"), (60.0, "89 min left"), (600.0, "14.8 h left")],
)
def test_the_time_left_has_a_unit_that_fits(seconds: float, left: str) -> None:
    shown, text = progress()
    shown.begin(91, [])
    feed(shown, [verified(f"m{place}", seconds=seconds) for place in range(2)])
    assert lines(text)[-1].partition(", ")[2] == left
    assert table(shown)[-1].endswith(f" · {left}")


def test_the_commonest_statuses_come_first_after_what_is_verified() -> None:
    shown, _ = progress()
    shown.begin(4, [])
    feed(shown, [failed("a", status="crashed"), failed("b"), failed("c"), verified("d")])
    assert table(shown)[-1].startswith("4 of 4 done · 1 verified · 2 unsupported · 1 crashed")
