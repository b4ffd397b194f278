"""Sources to frames with people: batches, boxes, ids; a source that fails stops no other."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.media.frame import Source
from pipelines.prediction.frames import Began, Ended, Looking, Seen, watch
from pipelines.prediction.reader import People
from tests.worlds.watched import BoxReader, Shown, SquareDetector, picture

ONE, TWO = picture((20, 30)), picture((20, 30), (90, 40))


def test_events_come_in_order_and_a_broken_source_stops_no_other() -> None:
    sources: list[Source] = [
        Shown("a.jpg", [ONE]),
        Shown("b.jpg", [], fault="no image"),
        Shown("c.mp4", [ONE, TWO], moving=True, fps=10.0, fault="cut off"),
        Shown("d.jpg", [TWO]),
    ]
    told = []
    for event in watch(sources, BoxReader(), Looking(SquareDetector())):
        if isinstance(event, Seen):
            told.append((event.frame.name, event.frame.index, len(event.poses)))
        elif isinstance(event, Ended):
            told.append((event.source.name, "end", str(event.error)))
        else:
            assert isinstance(event, Began)
            told.append((event.source.name, "begin", ""))
    assert told == [
        ("a.jpg", "begin", ""), ("a.jpg", 0, 1), ("a.jpg", "end", "None"),
        ("b.jpg", "begin", ""), ("b.jpg", "end", "b.jpg: no image"),
        ("c.mp4", "begin", ""), ("c.mp4", 0, 1), ("c.mp4", 1, 2),
        ("c.mp4", "end", "c.mp4: cut off"),
        ("d.jpg", "begin", ""), ("d.jpg", 0, 2), ("d.jpg", "end", "None"),
    ]  # fmt: skip


def test_photos_and_frames_go_through_the_network_many_at_once() -> None:
    photos: list[Source] = [Shown(f"{n}.jpg", [ONE]) for n in range(7)]
    reader, detector = BoxReader(), SquareDetector()
    assert len(list(watch(photos, reader, Looking(detector, batch=3)))) == 21
    assert reader.batches == detector.seen == [3, 3, 1]
    reader = BoxReader(needs_boxes=False)
    list(watch([Shown("v", [ONE] * 7, moving=True, fps=25.0)], reader, Looking(batch=4)))
    assert reader.batches == [4, 3]


def test_large_photos_go_through_it_by_their_bytes() -> None:
    large = np.zeros((5000, 6000, 3), np.uint8)  # 90 MB
    reader = BoxReader(needs_boxes=False)
    list(watch([Shown(f"{n}.jpg", [large]) for n in range(7)], reader, Looking(batch=6)))
    assert reader.batches == [3, 3, 1]


def test_a_live_picture_waits_for_no_other() -> None:
    reader = BoxReader(needs_boxes=False)
    list(watch([Shown("0", [ONE] * 3, moving=True, live=True)], reader, Looking(batch=4)))
    assert reader.batches == [1, 1, 1]


def test_ids_stay_through_a_video_and_begin_anew_in_the_next() -> None:
    images = [picture((10 + 4 * n, 30), (130 - 4 * n, 80)) for n in range(12)]
    videos: list[Source] = [Shown(n, images, moving=True, fps=25.0) for n in ("a", "b")]
    ids: dict[str, list[list[int]]] = {"a": [], "b": []}
    for event in watch(videos, BoxReader(), Looking(SquareDetector())):
        if isinstance(event, Seen):
            order = sorted(event.poses, key=lambda pose: pose.box_image[1])
            ids[event.source.name].append([pose.id for pose in order])
    assert ids["a"] == ids["b"] == [ids["a"][0]] * 12
    assert sorted(ids["a"][0]) == [1, 2]


def test_between_detections_people_are_looked_for_where_they_are_expected() -> None:
    images = [picture((10 + 5 * n, 30)) for n in range(9)]
    reader, detector = BoxReader(), SquareDetector()
    looking = Looking(detector, detect_every=4)
    list(watch([Shown("v", images, moving=True, fps=25.0)], reader, looking))
    assert detector.seen == [1, 1, 1], "frames 0, 4 and 8"
    assert [len(boxes) for boxes in reader.boxes] == [1] * 9
    for n, boxes in enumerate(reader.boxes):
        middle = boxes[0, :2] + boxes[0, 2:] / 2
        assert np.abs(middle - [10 + 5 * n + 12, 42]).max() < 12, f"frame {n}"


@pytest.mark.parametrize("given", [True, False])
def test_without_a_detector_boxes_are_given_or_the_whole_image(given: bool) -> None:
    reader = BoxReader()
    box = np.array([[1.0, 2.0, 30.0, 40.0]])

    def boxes(name: str, index: int) -> People | None:
        return People(box, np.ones(1)) if (name, index) == ("a.jpg", 0) else None

    looking = Looking(given=boxes if given else None)
    list(watch([Shown("a.jpg", [ONE]), Shown("b.jpg", [ONE])], reader, looking))
    whole = [[0.0, 0.0, 160.0, 120.0]]
    expected = [box.tolist(), []] if given else [whole, whole]
    assert [each.tolist() for each in reader.boxes] == expected
