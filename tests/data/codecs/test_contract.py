"""Every codec on the menu keeps the contract; a new one is tested by standing there."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from data.ground.codec import Codec
from data.ground.sample import Batch, Fields, Output, WholeBatch
from data.ground.skeleton import load_skeleton
from data.menus import CODECS

NAMES = sorted(CODECS)
COCO = load_skeleton("coco")
SIZE = (90, 66)  # width, height: no multiples of the strides


class RoundedUp(Output):
    """Maps that keep the cells which the input does not fill."""

    def shape(self, input_size: tuple[int, int]) -> tuple[int, ...]:
        return self.channels, -(-input_size[1] // self.stride), -(-input_size[0] // self.stride)


def batch_for(codec: Codec, people: int = 3) -> Batch | WholeBatch:
    draw = torch.Generator().manual_seed(0)
    shape = (2, people, 17) if codec.whole_image else (2, 17)
    points = torch.rand(*shape, 2, generator=draw) * torch.tensor(SIZE)
    seen = torch.randint(0, 3, shape, generator=draw)
    images = torch.zeros(2, SIZE[1], SIZE[0], 3, dtype=torch.uint8)
    rest = torch.arange(2), torch.zeros(2, 2, 3).double()
    if not codec.whole_image:
        return Batch(images, points, seen, *rest)
    keep = torch.ones(2, SIZE[1] // 2, SIZE[0] // 2, dtype=torch.uint8)
    return WholeBatch(images, points, seen, keep, *rest)


def outputs_of(codec: Codec, kind: type[Output] = Output) -> list[dict[str, Output]]:
    channels = codec.channels(COCO)
    return [{name: kind(count, stride) for name, count in channels.items()} for stride in (8, 4)]


def ideal(codec: Codec, kind: type[Output] = Output) -> list[Fields]:
    return codec.paint(codec.encode(batch_for(codec), outputs_of(codec, kind), SIZE))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [Output, RoundedUp])
def test_what_is_painted_has_the_shape_that_its_output_says(name: str, kind: type[Output]) -> None:
    codec = CODECS[name]()
    stages, outputs = ideal(codec, kind), outputs_of(codec, kind)
    for stage, stated in zip(stages, outputs, strict=True):
        shapes = {field: tuple(painted.shape) for field, painted in stage.items()}
        assert shapes == {field: (2, *output.shape(SIZE)) for field, output in stated.items()}


@pytest.mark.parametrize("name", NAMES)
def test_each_keypoint_is_written_into_its_channel(name: str) -> None:
    codec = CODECS[name]()
    batch = batch_for(codec, people=1)
    for k, channel in enumerate(codec.keypoint_channels(COCO)):
        seen = torch.zeros_like(batch.visibility)
        seen[..., k] = 2
        inside = torch.full_like(batch.keypoints_input, 40.0)
        alone = batch._replace(keypoints_input=inside, visibility=seen)  # type: ignore[union-attr]
        for stage in codec.paint(codec.encode(alone, outputs_of(codec), SIZE)):
            heights = stage["heatmaps"].amax((2, 3))  # [B, C]; of a background too
            assert (heights[:, channel] > 0.3).all()
            others = [c for c in codec.keypoint_channels(COCO) if c != channel]
            assert (heights[:, others] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_back_is_people_of_the_batch(name: str) -> None:
    decoded = CODECS[name]().decode(ideal(CODECS[name]()), SIZE)
    people = len(decoded.batch_index)
    assert people
    assert decoded.keypoints_input.shape == (people, 17, 2)
    assert decoded.scores.shape == (people, 17)
    assert set(decoded.batch_index.tolist()) <= {0, 1}


@pytest.mark.parametrize("name", NAMES)
def test_one_pass_merged_with_itself_is_read_alike(name: str) -> None:
    codec = CODECS[name]()
    stages = ideal(codec)
    once, twice = codec.decode(stages, SIZE), codec.decode(codec.merge(stages, stages), SIZE)
    away = (twice.keypoints_input - once.keypoints_input).abs()
    assert away.max() <= 1  # between cells of one height, equal but for rounding, either is right
    torch.testing.assert_close(twice.scores, once.scores, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_passes_at_three_scales_are_merged_as_one(name: str) -> None:
    codec = CODECS[name]()
    stages = ideal(codec)
    thrice = [{field: 3 * painted for field, painted in stage.items()} for stage in stages]
    merged = codec.merge(stages, stages, thrice)
    for stage, before in zip(merged, stages, strict=True):
        torch.testing.assert_close(stage["heatmaps"], before["heatmaps"] * (5 / 3))


@pytest.mark.parametrize("name", NAMES)
def test_the_mirror_of_a_mirror_is_the_image(name: str) -> None:
    codec = CODECS[name](**({"flip_shift": False} if name == "heatmap" else {}))
    stages = ideal(codec)
    twice = codec.mirror(codec.mirror(stages, COCO), COCO)
    for stage, before in zip(twice, stages, strict=True):
        assert all(torch.equal(stage[field], before[field]) for field in before)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_its_own_configuration(name: str) -> None:
    codec = CODECS[name]()
    options = dataclasses.asdict(codec)
    assert CODECS[name](**options) == codec
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(codec, next(iter(options)), 1)


def test_a_codec_that_cannot_decode_cannot_be_built() -> None:
    without = {name: value for name, value in vars(Codec).items() if name == "channels"}
    with pytest.raises(TypeError, match=r"abstract.*decode"):
        type("Unfinished", (Codec,), without)()
