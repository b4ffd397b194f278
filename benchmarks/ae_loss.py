"""Pull and push loss of a batch of 12, forward and backward: ours beside the loop over people.

    python -m benchmarks.ae_loss

Tags of 17 x 128 x 128 (input 512), one thread, CPU time, median of rounds, both sides alternating;
values and gradients compared, tensor operations counted.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.losses.pull_push import PullPush

BATCH, KEYPOINTS, SIDE = 12, 17, 128


def loop(tags: Tensor, cells: Tensor, weight: Tensor) -> Tensor:
    """Image by image, person by person, keypoint by keypoint, as the official code."""
    losses = []
    for image, people in zip(tags.flatten(2), cells.tolist(), strict=True):
        means, pull = [], image.new_zeros(())
        for person in people:
            found = [image[k][cell] for k, cell in enumerate(person) if cell >= 0]
            if found:
                own = torch.stack(found)
                means.append(own.mean())
                pull = pull + (own - means[-1]).square().mean()
        if not means:
            losses.append(pull)
            continue
        mean, count = torch.stack(means), len(means)
        push = torch.exp(-(mean[:, None] - mean).square()).sum() - count
        losses.append(pull / count + 0.5 * push / max(count * (count - 1), 1))
    return torch.stack(losses).mean()


class Operations(TorchDispatchMode):
    """Counts tensor operations, views included."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def measure(people: int, rounds: int = 9) -> None:
    draw = torch.Generator().manual_seed(people)
    tags = torch.randn(BATCH, KEYPOINTS, SIDE, SIDE, generator=draw, requires_grad=True)
    cells = torch.randint(0, SIDE * SIDE, (BATCH, people, KEYPOINTS), generator=draw)
    cells[torch.rand(cells.shape, generator=draw) < 0.15] = -1
    weight = (cells >= 0).float()
    spent: dict[str, list[float]] = {"loop": [], "ours": []}
    results: dict[str, tuple[float, Tensor]] = {}
    counts: dict[str, int] = {}
    for n in range(rounds + 1):
        for name, loss in (("loop", loop), ("ours", PullPush())):
            tags.grad = None
            if n == 0:
                with Operations() as operations:
                    loss(tags, cells, weight).backward()
                counts[name] = operations.count
                continue
            start = time.process_time()
            value = loss(tags, cells, weight)
            value.backward()
            spent[name].append(1000 * (time.process_time() - start))
            assert tags.grad is not None
            results[name] = float(value.detach()), tags.grad
    taken = {name: statistics.median(times) for name, times in spent.items()}
    away = float((results["loop"][1] - results["ours"][1]).abs().max())
    print(f"{people:3d} people: loop {taken['loop']:8.2f} ms, {counts['loop']} operations; ours "
          f"{taken['ours']:6.2f} ms, {counts['ours']}; ratio {taken['loop'] / taken['ours']:.0f}; "
          f"loss {results['loop'][0]:.6f} and {results['ours'][0]:.6f}, gradients differ by at "
          f"most {away:.1e}")  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    print(f"pull and push, batch {BATCH}, tags {KEYPOINTS} x {SIDE} x {SIDE}, one thread, CPU "
          f"time, torch {torch.__version__}")  # fmt: skip
    for people in (1, 5, 15, 30):
        measure(people)


if __name__ == "__main__":
    main()
