"""Train models/digits.py and write its checkpoint: some fifteen seconds on one core.

python -m scripts.train_digits [--epochs 20] [--output models/digits.safetensors]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import safetensors.torch
import torch
from torch.nn import functional as F

from models import digits

BATCH_SIZE = 64
SEED = 0


def train(epochs: int) -> digits.DigitNet:
    """Train on all but the held-out digits, shifted by up to one pixel; the same on every run of one machine."""
    torch.set_num_threads(1)  # the layers are too small for a second thread to help
    torch.manual_seed(SEED)
    images, labels = (torch.from_numpy(array) for array in digits.training())
    model = digits.build().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = epochs * (len(labels) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=6e-3, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for start in range(0, len(labels) - BATCH_SIZE + 1, BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            loss = F.cross_entropy(model(shift(images[chosen])), labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def shift(images: torch.Tensor) -> torch.Tensor:
    """Each image moved by -1, 0 or 1 pixels along both axes, zeros coming in."""
    padded = F.pad(images, (1, 1, 1, 1))
    offsets = torch.randint(0, 3, (len(images), 2)).tolist()
    return torch.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in zip(padded, offsets, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=digits.CHECKPOINT)
    options = parser.parse_args()
    start = time.perf_counter()
    model = train(options.epochs)
    images, labels = digits.held_out()
    with torch.no_grad():
        scores = model(torch.from_numpy(images)).numpy()
    # The count of training steps is an integer that nothing reads in evaluation.
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    safetensors.torch.save_file(state, options.output)
    print(
        f"{options.output}: {options.output.stat().st_size:,} bytes, "
        f"{digits.accuracy(scores, labels):.2%} of {len(labels)} held-out digits, {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
