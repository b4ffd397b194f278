"""Codecs and skeletons that nobody thought of: written and read back, or refused in a sentence."""

from __future__ import annotations

import pytest
import torch

from data.ground.codec import Codec
from data.ground.sample import Batch, Output, Targets, WholeBatch
from data.ground.skeleton import Skeleton
from data.menus import CODECS
from tests.worlds.skeletons import ODD

SIZE, STRIDE = (192, 256), 4
COCO_ALONE = ("part_affinity_fields",)  # its neck is made of COCO's shoulders


def people_of(skeleton: Skeleton, people: int) -> torch.Tensor:
    """[people, K, 2]: points of each on cells of their own, all apart."""
    count = len(skeleton.keypoints)
    cells = torch.randperm(9 * 12, generator=torch.Generator().manual_seed(count))
    chosen = cells[: people * count].view(people, count)
    return torch.stack([chosen % 9 * 20.0 + 14, chosen // 9 * 20.0 + 14], -1)


def batch_of(codec: Codec, points: torch.Tensor) -> Batch | WholeBatch:
    rest = torch.arange(1), torch.zeros(1, 2, 3).double()
    images = torch.zeros(1, SIZE[1], SIZE[0], 3, dtype=torch.uint8)
    seen = torch.full(points.shape[:-1], 2)
    if not codec.whole_image:
        return Batch(images, points[:1], seen[:1], *rest)
    keep = torch.ones(1, SIZE[1] // 2, SIZE[0] // 2, dtype=torch.uint8)
    return WholeBatch(images, points[None], seen[None], keep, *rest)


def written(codec: Codec, skeleton: Skeleton, points: torch.Tensor) -> list[Targets]:
    outputs = [{name: Output(n, STRIDE) for name, n in codec.channels(skeleton).items()}]
    return codec.encode(batch_of(codec, points), outputs, SIZE)


@pytest.mark.parametrize("skeleton", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("name", sorted(set(CODECS) - set(COCO_ALONE)))
def test_what_is_written_is_read_back(name: str, skeleton: Skeleton) -> None:
    codec = CODECS[name]()
    people = 2 if codec.whole_image else 1
    points = people_of(skeleton, people)
    found = codec.decode(codec.paint(written(codec, skeleton, points)), SIZE)
    assert found.keypoints_input.shape == (people, len(skeleton.keypoints), 2)
    away = (found.keypoints_input[:, None] - points).norm(dim=-1).amax(-1)  # [found, true]
    assert away.amin(0).max() < STRIDE and set(away.argmin(1).tolist()) == set(range(people))
    assert (found.scores > 0.5).all()


@pytest.mark.parametrize("skeleton", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("name", sorted(set(CODECS) - set(COCO_ALONE)))
def test_a_mirrored_image_gives_the_same_fields(name: str, skeleton: Skeleton) -> None:
    codec = CODECS[name]()
    points = people_of(skeleton, 1)
    mirrored = points[:, skeleton.mirror] * torch.tensor([-1.0, 1.0]) + torch.tensor([SIZE[0], 0.0])
    straight = codec.paint(written(codec, skeleton, points))
    back = codec.mirror(codec.paint(written(codec, skeleton, mirrored)), skeleton)
    for k, channel in enumerate(codec.keypoint_channels(skeleton)):
        ours, theirs = (
            each[0]["heatmaps"][0, channel].flatten().argmax() for each in (straight, back)
        )
        width = SIZE[0] // STRIDE
        assert abs(int(ours % width) - int(theirs % width)) <= 1, skeleton.keypoints[k]
        assert ours // width == theirs // width


@pytest.mark.parametrize("skeleton", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("name", COCO_ALONE)
def test_others_are_refused_in_a_sentence(name: str, skeleton: Skeleton) -> None:
    codec = CODECS[name]()
    with pytest.raises(ValueError, match=rf"given {skeleton.name} .* accepted: the 17 .* of coco"):
        codec.channels(skeleton)
