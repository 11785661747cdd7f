"""torchvision's operators in plain PyTorch, for where its compiled ones do not load: so that models run and export.

Arithmetic of torchvision 0.28: boxes are (x1, y1, x2, y2), places outside of an image are zeros.
"""

from __future__ import annotations

import sys

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, "
    "SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, "
    "SymInt offset_groups, bool use_mask) -> Tensor",
)


def define(library: torch.library.Library) -> None:
    """The schemas, with kernels where models call them; before torchvision is imported."""
    for schema in SCHEMAS:
        library.define(schema)
    library.impl("nms", nms, "CPU")
    library.impl("roi_align", roi_align, "CPU")
    library.impl("deform_conv2d", deform_conv2d, "CPU")
    torch.library.register_fake("torchvision::roi_align", _fake_roi_align, lib=library)
    torch.library.register_fake("torchvision::deform_conv2d", _fake_deform_conv2d, lib=library)


def say_that_they_are_there() -> None:
    """torchvision asks before it calls them; once it is imported. Its modules have the question by name."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "torchvision" and hasattr(module, "_has_ops"):
            module._has_ops = lambda: True  # type: ignore[attr-defined]


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """[n, 4], [n] → which boxes are kept, best first: none that overlaps a better one by more than the threshold."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left, kept = scores.argsort(descending=True, stable=True), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low, high = torch.maximum(boxes[best, :2], boxes[left, :2]), torch.minimum(boxes[best, 2:], boxes[left, 2:])
        common = (high - low).clamp(min=0).prod(1)
        left = left[common / (areas[best] + areas[left] - common) <= iou_threshold]
    return torch.stack(kept) if kept else scores.new_empty(0, dtype=torch.int64)


def roi_align(
    x: torch.Tensor, rois: torch.Tensor, scale: float, rows: int, columns: int, sampling_ratio: int, aligned: bool
) -> torch.Tensor:
    """Regions (image, x1, y1, x2, y2) of x [N, C, H, W] → [R, C, rows, columns], as the compiled operator has it.

    torchvision's own form in Python takes the border for what lies outside of the image; the operator takes 0.
    """
    images, corners = rois[:, 0].to(torch.int64), rois[:, 1:] * scale - (0.5 if aligned else 0.0)
    down = _weights_of_pixels(corners[:, 1], corners[:, 3], rows, sampling_ratio, x.shape[2], aligned)
    across = _weights_of_pixels(corners[:, 0], corners[:, 2], columns, sampling_ratio, x.shape[3], aligned)
    cells = x.new_empty(len(rois), x.shape[1], rows, columns)
    for image in images.unique():
        of_it = images == image
        cells[of_it] = torch.einsum("rph,chw,rqw->rcpq", down[of_it], x[image], across[of_it])
    return cells


def _weights_of_pixels(
    start: torch.Tensor, end: torch.Tensor, cells: int, sampling_ratio: int, size: int, aligned: bool
) -> torch.Tensor:
    """What each pixel along an axis weighs in each cell of each region: [R, cells, pixels]."""
    length = (end - start if aligned else (end - start).clamp(min=1.0))[:, None, None] / cells
    count = torch.full_like(length, sampling_ratio) if sampling_ratio > 0 else length.ceil().clamp(min=0.0)
    sample = torch.arange(int(count.max()) if len(count) else 0)
    place = start[:, None, None] + length * (torch.arange(cells)[:, None] + (sample + 0.5) / count.clamp(min=1.0))
    is_there = (sample < count) & (place >= -1.0) & (place <= size)
    near = 1.0 - (place.clamp(0.0, size - 1.0)[..., None] - torch.arange(size)).abs()
    return (near.clamp(min=0.0) * is_there[..., None]).sum(2) / count.clamp(min=1.0)


def deform_conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    bias: torch.Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> torch.Tensor:
    """A convolution whose windows look elsewhere: at k·l places of x, each moved by its offset (Dai et al., 2017)."""
    n, channels, height, width = x.shape
    k, m = weight.shape[-2:]
    rows, columns = offset.shape[-2:]
    moves = offset.view(n, offset_groups, k, m, 2, rows, columns)
    y = torch.arange(rows).view(-1, 1) * stride_h - pad_h + torch.arange(k).view(k, 1, 1, 1) * dilation_h
    z = torch.arange(columns) * stride_w - pad_w + torch.arange(m).view(m, 1, 1) * dilation_w
    y, z = y + moves[..., 0, :, :], z + moves[..., 1, :, :]
    grid = torch.stack([(2 * z + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    looked_at = torch.nn.functional.grid_sample(
        x.reshape(n * offset_groups, -1, height, width),
        grid.reshape(n * offset_groups, -1, columns, 2).to(x.dtype),
        align_corners=False,
    ).view(n, offset_groups, -1, k, m, rows, columns)
    if use_mask:
        looked_at = looked_at * mask.view(n, offset_groups, 1, k, m, rows, columns)
    per_group = looked_at.reshape(n, groups, channels // groups, k, m, rows, columns)
    kernels = weight.view(groups, -1, *weight.shape[1:])
    result = torch.einsum("ngcklyx,gockl->ngoyx", per_group, kernels).reshape(n, -1, rows, columns)
    return result + bias.view(-1, 1, 1)


def _fake_roi_align(x, rois, scale, rows, columns, sampling_ratio, aligned):  # type: ignore[no-untyped-def]
    return x.new_empty(rois.shape[0], x.shape[1], rows, columns)


def _fake_deform_conv2d(x, weight, offset, *others):  # type: ignore[no-untyped-def]
    return x.new_empty(x.shape[0], weight.shape[0], *offset.shape[-2:])
