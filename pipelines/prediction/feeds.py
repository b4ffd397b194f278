"""The menu of feeds: crops or whole images, as a codec asks for. Nobody else forks on that."""

from __future__ import annotations

from data.ground.codec import Codec
from pipelines.prediction.crop_feed import CropFeed
from pipelines.prediction.feed import Feed
from pipelines.prediction.image_feed import ImageFeed

FEEDS: dict[bool, type[Feed]] = {False: CropFeed, True: ImageFeed}  # by `codec.whole_image`


def feed_kind(codec: Codec) -> type[Feed]:
    return FEEDS[codec.whole_image]
