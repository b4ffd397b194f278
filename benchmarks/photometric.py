"""Photometric changes of a crop by albumentations, as recipes ask for them, beside the same in
plain OpenCV: CPU microseconds, ratio, pixels, and the share of a whole training sample.

    python -m benchmarks.photometric [--images FOLDER] [--rounds 5]

FOLDER has COCO's layout; without it $LIMBER_REAL_DATA/coco_mini, without that drawn people. Crops
of 256x192; both sides draw from the same seed, so pixels can be compared; each change is made every
time but the first, which is what the demo recipes have (half the time). Ours: `Photometric`, as the
loader calls it. Plain: what one would write by hand for these parameters alone, in a function that
draws and changes, nothing checked. One thread, sides taking turns, of five repeats medians.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import versions
from benchmarks.quiet import asked_of_photos, measured, ratios, told, wait_for_quiet
from benchmarks.sample_speed import our_dataset, persons_of, write_tables
from data.datasets.stick_figures import draw_split
from data.ground.plug import Plug
from data.views.photometric import Photometric

SIZE, MOST = (192, 256), 64  # crops
LEVELS = np.arange(256, dtype=np.float32)
Change = Callable[[np.ndarray, int], np.ndarray]


def levels(table: np.ndarray) -> np.ndarray:
    """A table of 256 levels as `cv2.LUT` reads it: cut off, then whole."""
    return np.clip(table, 0, 255).astype(np.uint8)


def brightness_contrast(image: np.ndarray, seed: int) -> np.ndarray:
    draws = random.Random(seed)
    factor, more = 1 + draws.uniform(-0.2, 0.2), draws.uniform(-0.2, 0.2) * 255
    return cv2.LUT(image, levels(LEVELS * factor + more))


def half_the_time(image: np.ndarray, seed: int) -> np.ndarray:
    draws = random.Random(seed)
    if draws.random() >= 0.5:
        return image
    factor, more = 1 + draws.uniform(-0.2, 0.2), draws.uniform(-0.2, 0.2) * 255
    return cv2.LUT(image, levels(LEVELS * factor + more))


def hue_saturation_value(image: np.ndarray, seed: int) -> np.ndarray:
    draws = random.Random(seed)
    hue, saturation, value = (draws.uniform(-most, most) for most in (20, 30, 20))
    tables = np.empty((1, 256, 3), np.uint8)
    tables[0, :, 0] = np.mod(LEVELS + hue, 180)
    tables[0, :, 1] = levels(LEVELS + np.trunc(saturation))
    tables[0, 0, 1] = 0  # grey stays grey
    tables[0, :, 2] = levels(LEVELS + np.trunc(value))
    changed = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), tables)
    return cv2.cvtColor(changed, cv2.COLOR_HSV2RGB)


def color_jitter(image: np.ndarray, seed: int) -> np.ndarray:
    draws, order = random.Random(seed), [0, 1, 2, 3]
    brightness, contrast, saturation = (draws.uniform(0.8, 1.2) for _ in range(3))
    hue = draws.uniform(-0.5, 0.5)
    np.random.default_rng(seed).shuffle(order)
    for which in order:
        if which == 0:
            image = cv2.LUT(image, levels(LEVELS * brightness))
        elif which == 1:
            grey = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
            image = cv2.LUT(image, levels(LEVELS * contrast + grey * (1 - contrast)))
        elif which == 2:
            grey3 = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            image = cv2.addWeighted(image, saturation, grey3, 1 - saturation, 0)
        else:
            tables = np.repeat(LEVELS.astype(np.uint8)[None, :, None], 3, axis=2)
            tables[0, :, 0] = np.mod(LEVELS + 180 * hue, 180)
            changed = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), tables)
            image = cv2.cvtColor(changed, cv2.COLOR_HSV2RGB)
    return image


def gaussian_blur(image: np.ndarray, seed: int) -> np.ndarray:
    sigma = random.Random(seed).uniform(0.5, 3.0)
    side = int(sigma * 3.5) * 2 + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)


CASES: dict[str, tuple[Plug, Change]] = {
    "RandomBrightnessContrast, p 0.5": (
        Plug("RandomBrightnessContrast", {"p": 0.5}), half_the_time,
    ),
    "RandomBrightnessContrast": (Plug("RandomBrightnessContrast", {"p": 1.0}), brightness_contrast),
    "HueSaturationValue": (Plug("HueSaturationValue", {"p": 1.0}), hue_saturation_value),
    "ColorJitter": (Plug("ColorJitter", {"p": 1.0}), color_jitter),
    "GaussianBlur": (Plug("GaussianBlur", {"p": 1.0}), gaussian_blur),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    given = asked_of_photos(__doc__, arguments)
    cv2.setNumThreads(0)
    print(f"{versions(['numpy', 'opencv-python-headless', 'albumentations'])}; "
          f"{wait_for_quiet(given.patience)}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        if given.images is None:
            given.images = Path(folder) / "drawn"
            draw_split(given.images, "train", 32, 1)
        tables = Path(folder) / "tables"
        tables.mkdir()
        write_tables(given.images, persons_of(given.images), tables)
        dataset = our_dataset(given.images, tables, SIZE, pieces=False)
        count = min(MOST, len(dataset))

        def sample(number: int) -> None:
            for row in range(count):
                dataset[number, row]

        sample_s = measured({"sample": sample}, given.rounds)["sample"]
        print(f"a sample without any, file to crop: {told([s / count * 1e6 for s in sample_s], 0)} "
              "microseconds")  # fmt: skip
        crops = [dataset[1, row].image for row in range(count)]
    whole = sorted(sample_s)[len(sample_s) // 2] / count
    for name, (plug, plain) in CASES.items():
        report(name, Photometric([plug]), plain, crops, given.rounds, whole)
    print(wait_for_quiet(0))


def report(
    name: str,
    ours: Photometric,
    plain: Change,
    crops: list[np.ndarray],
    rounds: int,
    sample_s: float,
) -> None:
    def every(change: Change) -> Callable[[int], None]:
        def work(number: int) -> None:
            for row, image in enumerate(crops):
                change(image, number * len(crops) + row)

        return work

    spent = measured({"ours": every(ours), "plain": every(plain)}, rounds)
    micro = {side: [s / len(crops) * 1e6 for s in each] for side, each in spent.items()}
    took = sorted(micro["ours"])[len(micro["ours"]) // 2] / 1e6
    worst, unlike = differences(ours, plain, crops)
    print(f"{name}: albumentations {told(micro['ours'], 0)}, plain {told(micro['plain'], 0)} "
          f"microseconds, ratio {ratios(spent['ours'], spent['plain'])}; "
          f"{took / (took + sample_s):.1%} of a sample; {unlike} of {len(crops)} crops differ, by "
          f"at most {worst} of 255")  # fmt: skip


def differences(ours: Change, plain: Change, crops: list[np.ndarray]) -> tuple[int, int]:
    """(the largest of all pixels, how many crops are not equal to the bit)."""
    worst, unlike = 0, 0
    for seed, image in enumerate(crops):
        away = np.abs(ours(image, seed).astype(int) - plain(image, seed))
        worst, unlike = max(worst, int(away.max())), unlike + bool(away.any())
    return worst, unlike


if __name__ == "__main__":
    main()
