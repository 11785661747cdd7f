"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from converter.atomic_output import Output, write_text
from passes.errors import UsageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_committed_file_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out.keras"
    target.write_text("old")
    with Output(target, suffix=".keras") as output:
        assert output.temporary.suffix == ".keras"
        output.temporary.write_text("new")
        assert target.read_text() == "old"
        assert output.commit() == target
    assert (target.read_text(), names(tmp_path)) == ("new", ["out.keras"])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_without_commit_nothing_is_left_and_the_old_file_stays(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out.keras"
    target.write_text("old")
    with pytest.raises(error), Output(target) as output:
        output.temporary.write_text("half")
        raise error
    assert (target.read_text(), names(tmp_path)) == ("old", ["out.keras"])


def test_an_unverified_file_is_kept_under_another_name(tmp_path: Path) -> None:
    target = tmp_path / "out.keras"
    target.write_text("old")
    with Output(target) as output:
        output.temporary.write_text("wrong")
        assert output.keep_unverified() == tmp_path / "out.unverified.keras"
    assert target.read_text() == "old"
    assert (tmp_path / "out.unverified.keras").read_text() == "wrong"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(UsageError, match=r"The disk is full: .*out.keras' was not written"),
        Output(tmp_path / "out.keras") as output,
    ):
        output.temporary.write_text("half")
        raise OSError(code, os.strerror(code))
    assert names(tmp_path) == []


def test_a_full_disk_is_seen_behind_the_error_of_a_writer(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The disk is full"), Output(tmp_path / "out.keras"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("Can't write data") from error
    with pytest.raises(UsageError, match="The disk is full"), Output(tmp_path / "out.keras"):
        raise RuntimeError("Unable to synchronously write (errno = 28, error message = 'No space left on device')")


def test_other_errors_come_through_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Output(tmp_path / "out.keras"):
        (tmp_path / "weights").read_bytes()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"The directory '.*nowhere' does not exist") as caught:
        Output(tmp_path / "nowhere" / "out.keras")
    assert caught.value.hint is not None
    assert "mkdir -p" in caught.value.hint
    with pytest.raises(UsageError, match=r"must end in \.keras"):
        Output(tmp_path / "out.h5", suffix=".keras")
    (tmp_path / "dir.keras").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        Output(tmp_path / "dir.keras", suffix=".keras")
    with pytest.raises(UsageError, match="cannot be written"), Output("/proc/out.keras"):
        pytest.fail("claimed a place in /proc")


def test_text_is_written_whole(tmp_path: Path) -> None:
    assert write_text(tmp_path / "r.json", "{}").read_text() == "{}"
    assert names(tmp_path) == ["r.json"]
