"""Builders for manifests: a good small model, and models that do everything to their process that a model can do.

Copied beside a test's manifest, where its entries find it.
"""

import ctypes
import os
import signal
import sys
import time

import torch


def good() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.nn.ReLU())


def segfault() -> torch.nn.Module:
    ctypes.string_at(0)
    return good()


def leave() -> torch.nn.Module:
    os._exit(7)


def devour() -> torch.nn.Module:
    held = []
    while True:
        held.append(bytearray(64 << 20))


def hang() -> torch.nn.Module:
    while True:
        time.sleep(1)


def hang_on() -> torch.nn.Module:
    """A loop that ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        continue


def refuse() -> torch.nn.Module:
    raise RuntimeError("no such size: 17")


def talk() -> torch.nn.Module:
    """100 MB on each stream, and a good model."""
    for _ in range(1600):
        sys.stdout.write("x" * 65535 + "\n")
        sys.stderr.write("y" * 65535 + "\n")
    return good()


def leave_a_grandchild() -> torch.nn.Module:
    """A grandchild in a session of its own; its number goes to the file that GRANDCHILD names. Both hang."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        with open(os.path.join(os.path.dirname(__file__), "grandchild"), "w") as file:
            file.write(str(os.getpid()))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)


def be_slow() -> torch.nn.Module:
    time.sleep(float(os.environ.get("KERAPORT_TEST_SECONDS", "0.5")))
    return good()
