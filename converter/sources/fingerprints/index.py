"""The index of fingerprints: plain data, without weights."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from converter.sources.fingerprints.fingerprint import Free, chosen_number, shapes_digest

FILE = Path(__file__).with_name("index.json.gz")


@dataclass(frozen=True)
class Architecture:
    """What is known of a model of torchvision or timm.

    Attributes:
        source: as on the command line: `timm:resnet18`.
        names: the digest of the names in its state_dict.
        shapes: the digest of their shapes.
        classes: sizes that follow from the number of classes.
        channels: sizes that follow from the number of channels of the image.
        headless: whether it was built with num_classes=0.
        kin: a number that it shares with those that compute the same from the same weights.
    """

    source: str
    names: str
    shapes: str
    classes: tuple[Free, ...] = ()
    channels: tuple[Free, ...] = ()
    headless: bool = False
    kin: int | None = None

    def arguments(self, state: Mapping[str, Any]) -> dict[str, int] | None:
        """What it is built with to have the shapes in `state`; None where it cannot have them."""
        if shapes_digest(state, (*self.classes, *self.channels)) != self.shapes:
            return None
        found = {"num_classes": 0} if self.headless else {}
        for name, free in (("num_classes", self.classes), ("in_chans", self.channels)):
            if free:
                number = chosen_number(state, free)
                if number is None:
                    return None
                found[name] = number
        if found.get("in_chans") == 3:
            del found["in_chans"]
        return found


@dataclass(frozen=True)
class Index:
    """All of them, in the order in which they are preferred among their kin.

    Attributes:
        versions: of the libraries that it was made with.
        architectures: by the digest of their names.
        sketches: of the names, by their digest.
    """

    versions: dict[str, str]
    architectures: dict[str, list[Architecture]]
    sketches: dict[str, list[int]]


@functools.cache
def read_index(path: Path = FILE) -> Index:
    data = json.loads(gzip.decompress(path.read_bytes()))
    architectures: dict[str, list[Architecture]] = {}
    for source, names, shapes, classes, channels, headless, kin in data["architectures"]:
        known = Architecture(source, names, shapes, _free(classes), _free(channels), headless, kin)
        architectures.setdefault(names, []).append(known)
    return Index(data["versions"], architectures, data["sketches"])


def _free(places: Sequence[Sequence[int]]) -> tuple[Free, ...]:
    return tuple(Free(*place) for place in places)


def write_index(
    versions: Mapping[str, str],
    architectures: Sequence[Architecture],
    sketches: Mapping[str, Sequence[int]],
    path: Path = FILE,
) -> None:
    """Write what `read_index` reads; the same bytes for the same content."""
    rows = [list(astuple(architecture)) for architecture in architectures]
    text = json.dumps({"versions": versions, "architectures": rows, "sketches": sketches}, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
