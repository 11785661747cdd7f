"""Folders for the time of a task, and names beside an output while it is made.

What killed processes have left is swept by the next one that needs such a folder, or writes to that output.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
from functools import cache
from pathlib import Path

import psutil

_NAME = re.compile(r"keraport-[a-z]+-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-\w+")


_BESIDE = re.compile(r"(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}")


def temporary_folder(kind: str) -> tempfile.TemporaryDirectory[str]:
    """A folder of this process that goes away with the block, for this user only."""
    return tempfile.TemporaryDirectory(prefix=_prefix(kind))


def keep_folder(kind: str) -> Path:
    """The same, for the caller to remove."""
    return Path(tempfile.mkdtemp(prefix=_prefix(kind)))


def beside(target: Path, ending: str = "") -> Path:
    """A hidden name in the folder of an output, for what is to become it: with its ending last, which Keras goes by."""
    name = target.name.removesuffix(ending)
    return target.with_name(f".{name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}{ending}")


def sweep_beside(target: Path, ending: str = "") -> None:
    """Remove what processes that are gone have left of this output."""
    start = f".{target.name.removesuffix(ending)}."
    try:
        with os.scandir(target.parent) as entries:
            left = [entry for entry in entries if entry.name.startswith(start) and entry.name.endswith(ending)]
    except OSError:  # a folder may be written, and not be read
        return
    for entry in left:
        match = _BESIDE.fullmatch(entry.name.removeprefix(start).removesuffix(ending))
        if match is None or match["host"] != _host() or psutil.pid_exists(int(match["pid"])):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # another process was faster
                os.unlink(entry.path)


def sweep(folder: Path) -> list[str]:
    """Remove the folders of ours whose processes are gone; their names."""
    swept = []
    for path in folder.glob("keraport-*"):
        match = _NAME.fullmatch(path.name)
        if match is None or match["host"] != _host() or psutil.pid_exists(int(match["pid"])):
            continue
        try:
            found = path.lstat()
        except OSError:  # another process was faster
            continue
        if path.is_symlink() or not path.is_dir() or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
            continue
        shutil.rmtree(path, ignore_errors=True)
        swept.append(path.name)
    return swept


def _prefix(kind: str) -> str:
    _sweep_once()
    return f"keraport-{kind}-{_host()}-{os.getpid()}-"


@cache
def _sweep_once() -> None:
    sweep(Path(tempfile.gettempdir()))


@cache
def _host() -> str:
    """Containers may share a folder, but not their processes."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
