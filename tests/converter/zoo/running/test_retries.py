"""What is tried again, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converter.zoo.records.entry import Limits
from converter.zoo.records.result import OUT_OF_MEMORY, STATUSES, Result
from converter.zoo.running.retries import ATTEMPTS, again_alone, again_now
from converter.zoo.running.worker import Task
from tests.zoo_results import entry, failed, verified

TASK = Task(entry("m"), Limits(60, 1 << 30, 2), "key", 1, "/run", "s3://made", ("torch",))


def died(number: str | None) -> Result:
    result = failed("m", status="crashed")
    return replace(result, detail={**result.detail, "signal": number})


def test_a_segfault_is_tried_again_once_as_it_was() -> None:
    retry = again_now(TASK, died("SIGSEGV"))
    assert retry == replace(TASK, attempt=2)
    assert retry is not None and again_now(retry, died("SIGSEGV")) is None
    assert again_alone(TASK, died("SIGSEGV")) is None


def test_out_of_memory_is_tried_again_once_with_the_double() -> None:
    result = failed("m", status=OUT_OF_MEMORY)
    retry = again_alone(TASK, result)
    assert retry == replace(TASK, attempt=2, limits=Limits(60, 2 << 30, 2))
    assert retry is not None and again_alone(retry, result) is None
    assert again_now(TASK, result) is None


def test_without_a_limit_there_is_nothing_to_double() -> None:
    assert again_alone(replace(TASK, limits=Limits(60, None)), failed("m", status=OUT_OF_MEMORY)) is None


@pytest.mark.parametrize("status", sorted(STATUSES.keys() - {OUT_OF_MEMORY, "verified"}))
def test_nothing_else_is_tried_again(status: str) -> None:
    assert again_now(TASK, failed("m", status=status)) is None
    assert again_alone(TASK, failed("m", status=status)) is None


@pytest.mark.parametrize("result", [verified("m"), died("SIGABRT"), died(None)])
def test_no_other_ending_is_tried_again(result: Result) -> None:
    assert again_now(TASK, result) is None
    assert again_alone(TASK, result) is None


def test_a_segfault_and_then_too_little_memory_are_attempts_of_one_model() -> None:
    retry = again_now(TASK, died("SIGSEGV"))
    assert retry is not None and retry.attempt == ATTEMPTS
    assert again_alone(retry, failed("m", status=OUT_OF_MEMORY)) is None
