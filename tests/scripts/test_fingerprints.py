"""The index of fingerprints is what its script makes, and the script tells apart what weights do not show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converter.sources.fingerprints.index import FILE, read_index
from converter.sources.torchvision_import import import_torchvision
from scripts.fingerprint_kin import kinships
from scripts.fingerprints import fingerprint

MOST_BYTES = 2_000_000


@pytest.mark.parametrize(
    "source",
    [
        "torchvision:squeezenet1_0",
        "torchvision:regnet_y_400mf",
        "torchvision:ssdlite320_mobilenet_v3_large",
        "timm:test_vit",
        "timm:test_nfnet",
        "timm:vit_small_patch14_dinov2",
    ],
)
def test_the_index_is_fresh(source: str) -> None:
    torchvision = import_torchvision()
    import timm

    index = read_index()
    if index.versions != {"torchvision": torchvision.__version__, "timm": timm.__version__}:
        pytest.skip(f"The index is of {index.versions}.")
    built = list(fingerprint(source, {}))
    assert len(built) == (2 if source.startswith("timm:") else 1)
    for architecture, _ in built:
        known = index.architectures[architecture.names]
        assert architecture in [replace(each, kin=None) for each in known]
        assert architecture.headless or architecture.names in index.sketches


def test_it_is_small() -> None:
    assert FILE.stat().st_size < MOST_BYTES


def test_who_computes_the_same() -> None:
    """Norms are not seen; a model that may be quantised computes what the other does, unless its ReLU6 is a ReLU."""
    told: list[str] = []
    norms = ["timm:test_efficientnet_gn", "timm:test_efficientnet_ln"]
    same = ["torchvision:shufflenet_v2_x0_5", "torchvision:quantized_shufflenet_v2_x0_5"]
    clipped = ["torchvision:mobilenet_v2", "torchvision:quantized_mobilenet_v2"]
    assert kinships([norms, same, clipped], told.append) == dict.fromkeys(same, 0)
    assert not told


def test_what_cannot_be_run_is_nobodys_kin() -> None:
    told: list[str] = []
    assert kinships([["torchvision:raft_small", "torchvision:raft_large"]], told.append) == {}
    assert [line.partition(":")[0] for line in told] == ["not run", "not run"]
