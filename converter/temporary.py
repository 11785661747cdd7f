"""Folders for the time of a task; those of processes that were killed are swept by the next one that needs a folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tempfile
from functools import cache
from pathlib import Path

import psutil

_NAME = re.compile(r"keraport-[a-z]+-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-\w+")


def temporary_folder(kind: str) -> tempfile.TemporaryDirectory[str]:
    """A folder of this process that goes away with the block, for this user only."""
    return tempfile.TemporaryDirectory(prefix=_prefix(kind))


def keep_folder(kind: str) -> Path:
    """The same, for the caller to remove."""
    return Path(tempfile.mkdtemp(prefix=_prefix(kind)))


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
