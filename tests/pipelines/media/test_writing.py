"""What is written of poses: overlays, videos with their sound, rows that COCO's tools read."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from pipelines.media.film import Film
from pipelines.media.frame import Source
from pipelines.media.journal import stem_number
from pipelines.media.sources import open_sources
from pipelines.media.writing import PoseWriter
from pipelines.pictures.people import LEFT
from tests.worlds.clips import grey, make_clip, make_photo, read_clip
from tests.worlds.here import ROOT

COCO = load_skeleton("coco")
SIZE = (160, 120)
ANKLE = COCO.keypoints.index("left_ankle")


def pose(number: int = 1, score: float = 0.9) -> Pose:
    """Keypoints on a slant, the left ankle alone in the middle right; its score is 0.9, others'
    0.1."""
    points = np.column_stack([np.arange(17) * 2.0 + 4, np.arange(17) * 2.0 + 4])
    points[ANKLE] = (120, 60)
    scores = np.where(np.arange(17) == ANKLE, 0.9, 0.1)
    box = (4.0, 4.0, 116.0, 56.0)
    return Pose(points, np.full(17, 2), box, id=number, score=score, keypoint_scores=scores)


def write(folder: Path, sources: Sequence[Source], people: int = 1, **options: Any) -> None:
    with PoseWriter(folder, COCO, threshold=0.2, **options) as writer:
        for source in sources:
            writer.begin(source)
            for frame in source.frames():
                writer.add(frame, [pose(n + 1, 0.9 - 0.2 * n) for n in range(people)])
            writer.end(source)


def album(folder: Path, *names: str) -> list[Source]:
    for name in names:
        make_photo(folder / name, grey(50, SIZE))
    return open_sources([str(folder)])


def rows(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "poses.json").read_text())


def images(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "images.json").read_text())["images"]


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if ".part" in path.name]


def test_a_photo_is_drawn_with_the_keypoints_above_the_threshold_in_their_sides_colours(
    tmp_path: Path,
) -> None:
    write(tmp_path / "out", album(tmp_path / "in", "a.png"))
    drawn = cv2.cvtColor(cv2.imread(str(tmp_path / "out/overlays/a.png")), cv2.COLOR_BGR2RGB)
    assert tuple(drawn[60, 120]) == LEFT
    assert (drawn[:50, :50] == 50).all()  # the others' scores are not above it
    assert drawn.shape == (120, 160, 3)


def test_names_are_written_beside_keypoints_on_request(tmp_path: Path) -> None:
    sources = album(tmp_path / "in", "a.png")
    for names in (False, True):
        write(tmp_path / f"out-{names}", sources, names=names)
    changed = [
        (cv2.imread(str(tmp_path / f"out-{names}/overlays/a.png")) != 50).any(axis=2).sum()
        for names in (False, True)
    ]
    assert changed[1] > 2 * changed[0]


def test_overlays_keep_names_below_the_folder_and_never_overwrite_each_other(
    tmp_path: Path,
) -> None:
    sources = album(tmp_path / "in", "a/x.jpg", "b/x.jpg", "b/x.png", "b/x.webp", "b/ü #1.bmp")
    make_clip(tmp_path / "in" / "b" / "x.mov", [grey(9)] * 2)
    write(tmp_path / "out", [*sources, *open_sources([str(tmp_path / "in/b/x.mov")])])
    overlays = tmp_path / "out" / "overlays"
    found = {path.relative_to(overlays).as_posix() for path in overlays.rglob("*.*")}
    assert found == {"a/x.jpg", "b/x.jpg", "b/x.png", "b/x-2.jpg", "b/ü #1.jpg", "x.mp4"}
    assert {row["file_name"] for row in rows(tmp_path / "out")} == {
        "a/x.jpg", "b/x.jpg", "b/x.png", "b/x.webp", "b/ü #1.bmp", "x.mov",
    }  # fmt: skip


def test_poses_and_images_are_what_pycocotools_reads(tmp_path: Path) -> None:
    from pycocotools.coco import COCO as Api  # noqa: N811

    write(tmp_path / "out", album(tmp_path / "in", "000785.jpg", "x/000000000042.png"), people=2)
    found = Api(str(tmp_path / "out" / "images.json")).loadRes(str(tmp_path / "out" / "poses.json"))
    assert sorted(found.getImgIds()) == [42, 785]
    first = found.loadAnns(found.getAnnIds(imgIds=[785]))
    assert [row["score"] for row in first] == [pytest.approx(0.9), pytest.approx(0.7)]
    assert first[0]["keypoints"][3 * ANKLE : 3 * ANKLE + 3] == [120, 60, pytest.approx(0.9)]
    (category,) = found.loadCats([1])
    assert category["keypoints"] == list(COCO.keypoints)
    a, b = category["skeleton"][0]
    assert (COCO.keypoints[a - 1], COCO.keypoints[b - 1]) == COCO.limbs[0]
    assert not any("bbox" in row or "track_id" in row for row in rows(tmp_path / "out"))
    assert {row["id"]: (row["width"], row["height"]) for row in images(tmp_path / "out")} == {
        785: SIZE, 42: SIZE
    }  # fmt: skip


@pytest.mark.parametrize("names", [("a.jpg", "7.jpg"), ("x/7.jpg", "y/7.jpg"), ("0.jpg",)])
def test_photos_without_a_number_of_their_own_are_counted(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    write(tmp_path / "out", album(tmp_path / "in", *names))
    count = list(range(1, len(names) + 1))
    assert [row["id"] for row in images(tmp_path / "out")] == count
    assert [row["image_id"] for row in rows(tmp_path / "out")] == count


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("val/000785.jpg", 785),
        ("0.jpg", None),
        ("²3.jpg", None),
        ("9" * 19, None),
        ("-3.jpg", None),
    ],
)
def test_the_number_that_a_name_is(name: str, number: int | None) -> None:
    assert stem_number(name) == number


def test_the_table_is_a_row_a_person_with_named_columns(tmp_path: Path) -> None:
    make_clip(tmp_path / "in.mp4", [grey(9, SIZE)] * 3, fps=10)
    sources = [*album(tmp_path / "in", "a, b.jpg"), *open_sources([str(tmp_path / "in.mp4")])]
    write(tmp_path / "out", sources, people=2)
    with (tmp_path / "out" / "poses.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 8 and len(table[0]) == 9 + 3 * 17
    photo, last = table[0], table[-1]
    assert (photo["image"], photo["frame"], photo["track_id"]) == ("a, b.jpg", "", "")
    assert (last["image"], last["frame"], last["seconds"]) == ("in.mp4", "2", "0.2")
    assert (last["track_id"], last["score"], last["box_width"]) == ("2", "0.7", "116.0")
    assert (last["left_ankle_x"], last["left_ankle_score"]) == ("120.0", "0.9")
    assert rows(tmp_path / "out")[-1].items() >= {"frame": 2, "seconds": 0.2, "track_id": 2}.items()


@pytest.mark.parametrize("fps", [Fraction(10), Fraction(24_000, 1001), Fraction(60)])
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_a_video_keeps_rate_times_and_pictures_and_plays_in_browsers(
    tmp_path: Path, fps: Fraction, size: tuple[int, int]
) -> None:
    clip = make_clip(tmp_path / "in.mov", [grey(20 * n, size) for n in range(9)], fps=fps)
    write(tmp_path / "out", open_sources([str(clip)]), people=0)
    stream, times, _ = read_clip(tmp_path / "out" / "overlays" / "in.mp4")
    assert np.allclose(times, [float(n / fps) for n in range(9)], atol=1e-3)
    assert float(stream.average_rate) == pytest.approx(float(fps), rel=1e-3)
    assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
    assert (stream.width, stream.height) == (64, 48)
    (again,) = open_sources([str(tmp_path / "out" / "overlays" / "in.mp4")])
    assert [round(frame.image.mean() / 20) for frame in again.frames()] == list(range(9))
    assert not left_over(tmp_path)


def test_a_video_of_uneven_times_keeps_them(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.0]
    clip = make_clip(tmp_path / "in.mp4", [grey(9)] * 5, times=times)
    write(tmp_path / "out", open_sources([str(clip)]))
    assert np.allclose(read_clip(tmp_path / "out" / "overlays" / "in.mp4")[1], times, atol=1e-3)


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "libmp3lame")])
def test_sound_is_copied(tmp_path: Path, suffix: str, codec: str) -> None:
    import av

    clip = make_clip(tmp_path / f"in.{suffix}", [grey(9)] * 50, sound=codec)
    write(tmp_path / "out", open_sources([str(clip)]))
    kept = tmp_path / "out" / "overlays" / "in.mp4"
    parts = []
    for path in (clip, kept):
        with av.open(str(path)) as each:
            parts.append([bytes(p) for p in each.demux(audio=0) if p.size and p.pts >= 0])
    assert len(parts[0]) > 20 and parts[1] == parts[0][-len(parts[1]) :]
    assert len(parts[0]) - len(parts[1]) <= 2
    with av.open(str(kept)) as each:
        assert each.streams.audio[0].duration * each.streams.audio[0].time_base >= 1.8


@pytest.mark.parametrize(("suffix", "start"), [("mkv", 0), ("mkv", 5), ("avi", 0)])
def test_sound_that_no_mp4_takes_is_coded_again(tmp_path: Path, suffix: str, start: int) -> None:
    clip = tmp_path / f"in.{suffix}"
    make_clip(clip, [grey(9)] * 50, sound="pcm_s16le", start=start)
    write(tmp_path / "out", open_sources([str(clip)]))
    kept = tmp_path / "out" / "overlays" / "in.mp4"
    assert len(read_clip(kept)[1]) == 50
    with av.open(str(kept)) as each:
        voice = each.streams.audio[0]
        assert (voice.codec_context.name, voice.codec_context.sample_rate) == ("aac", 16_000)
        made = [(float(frame.time or 0), frame.to_ndarray()[0]) for frame in each.decode(voice)]
    with av.open(str(clip)) as each:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in each.decode(audio=0)])
    for time, part in made[2:-2]:  # each where it was, and as loud
        at = round(time * 16_000)
        assert np.abs(part - wave[at : at + len(part)] / 2**15).max() < 0.1, time
    assert len(made) == pytest.approx(2 * 16_000 / 1024, abs=2)


def test_sound_that_cannot_be_kept_is_told_in_a_line_and_the_video_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as clip:
        pictures: Any = clip.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = *SIZE, "yuv420p"
        voices = clip.add_stream("pcm_s16le", rate=16_000, layout="hexadecagonal")  # of 16 mouths
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(grey(9, SIZE), format="rgb24")
            clip.mux(pictures.encode(frame))
        clip.mux(pictures.encode())
        samples = np.zeros((1, 16 * 960), np.int16)
        part = av.AudioFrame.from_ndarray(samples, format="s16", layout="hexadecagonal")
        part.sample_rate, part.pts = 16_000, 0
        clip.mux(voices.encode(part))
    write(tmp_path / "out", open_sources([str(tmp_path / "in.mkv")]))
    _, times, sounds = read_clip(tmp_path / "out" / "overlays" / "in.mp4")
    assert len(times) == 10 and not sounds
    assert capsys.readouterr().err.startswith("in.mkv: its sound (pcm_s16le) is not kept")


def test_ids_are_drawn_in_videos_alone(tmp_path: Path) -> None:
    make_clip(tmp_path / "in.mp4", [grey(50, SIZE)] * 2)
    sources = [*album(tmp_path / "in", "a.png"), *open_sources([str(tmp_path / "in.mp4")])]
    drawn = []
    with PoseWriter(tmp_path / "out", COCO, threshold=0.2) as writer:
        for source in sources:
            writer.begin(source)
            drawn.append([writer.add(frame, [pose(8)]) for frame in source.frames()][-1])
    label = [image[35:54, 100:140].max() for image in drawn if image is not None]
    assert label[0] <= 52 and label[1] > 200


def test_several_sources_at_once_and_without_overlays(tmp_path: Path) -> None:
    one, two = album(tmp_path / "in", "a.jpg", "b.jpg")
    with PoseWriter(tmp_path / "out", COCO, threshold=0.2, overlays=False) as writer:
        writer.begin(one)
        writer.begin(two)
        for source in (two, one):
            (frame,) = source.frames()
            assert writer.add(frame, [pose()]) is None
    assert [row["file_name"] for row in rows(tmp_path / "out")] == ["b.jpg", "a.jpg"]
    assert not (tmp_path / "out" / "overlays").exists()


def test_what_an_error_interrupts_is_kept_whole(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", [grey(9)] * 30, sound="aac")
    (source,) = open_sources([str(clip)])
    with (
        pytest.raises(KeyboardInterrupt),
        PoseWriter(tmp_path / "out", COCO, threshold=0.2) as writer,
    ):
        writer.begin(source)
        for frame in source.frames():
            writer.add(frame, [pose()])
            if frame.index == 9:
                raise KeyboardInterrupt
    _, times, sounds = read_clip(tmp_path / "out" / "overlays" / "in.mp4")
    assert len(times) == len(rows(tmp_path / "out")) == len(images(tmp_path / "out")) == 10
    assert sounds == ["aac"] and not left_over(tmp_path)


def test_nobody_anywhere_is_whole_files_too(tmp_path: Path) -> None:
    write(tmp_path / "out", album(tmp_path / "in", "a.jpg"), people=0)
    write(tmp_path / "none", [])
    assert rows(tmp_path / "out") == rows(tmp_path / "none") == images(tmp_path / "none") == []
    assert len(images(tmp_path / "out")) == 1


def test_a_second_run_into_a_folder_takes_the_place_of_the_first_once_it_is_over(
    tmp_path: Path,
) -> None:
    write(tmp_path / "out", album(tmp_path / "in", "a.jpg"))
    with (
        PoseWriter(tmp_path / "out", COCO, threshold=0.2),
        pytest.raises(ValueError, match="another run writes there"),
    ):
        assert len(rows(tmp_path / "out")) == 1
        PoseWriter(tmp_path / "out", COCO, threshold=0.2)
    assert rows(tmp_path / "out") == []


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("words")
    with pytest.raises(ValueError, match=r"cannot be written .*give this user write access"):
        PoseWriter(tmp_path / place, COCO, threshold=0.2)


def test_an_overlay_that_cannot_be_written_is_a_sentence_and_rows_are_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlays").write_text("words")
    clip = make_clip(tmp_path / "in.mp4", [grey(9)] * 2)
    for source in (*album(tmp_path / "in", "a.jpg"), *open_sources([str(clip)])):
        with pytest.raises(ValueError, match=r"overlays.*cannot be written"):
            write(tmp_path / "out", [source])
        assert len(rows(tmp_path / "out")) == 1


@pytest.mark.contract
def test_a_process_that_is_killed_leaves_rows_and_a_video_that_plays(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", [grey(2 * n, SIZE) for n in range(120)])
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from data.ground.sample import Pose\n"
        "from data.ground.skeleton import load_skeleton\n"
        "from pipelines.media.sources import open_sources\n"
        "from pipelines.media.writing import PoseWriter\n"
        "writer = PoseWriter(Path(sys.argv[2]), load_skeleton('coco'), threshold=0.2)\n"
        "(source,) = open_sources([sys.argv[1]])\n"
        "writer.begin(source)\n"
        "for frame in source.frames():\n"
        "    writer.add(frame, [Pose(np.ones((17, 2)), np.full(17, 2), id=1)])\n"
        "print('through', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(clip), str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"through\n"
        os.kill(process.pid, signal.SIGKILL)
    out = tmp_path / "out"
    lines = (out / "poses.jsonl.part").read_text().splitlines()
    assert [json.loads(line)["frame"] for line in lines] == list(range(120))
    with (out / "poses.csv.part").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 120
    stream, times, _ = read_clip(out / "overlays" / "in.part.mp4")
    assert len(times) >= 50 and stream.codec_context.name == "h264"
    assert not (out / "poses.json").exists()


def test_a_real_clip_is_written(tmp_path: Path, real_data: Path) -> None:
    write(tmp_path / "out", open_sources([str(real_data / "clips" / "people.mp4")]), people=2)
    stream, times, _ = read_clip(tmp_path / "out" / "overlays" / "people.mp4")
    assert np.allclose(times, [0, 0.2, 0.4, 0.6, 0.8]) and stream.average_rate == 5
    assert len(rows(tmp_path / "out")) == 10


def test_sound_begins_with_the_pictures_whatever_the_clock_of_its_video(tmp_path: Path) -> None:
    import av

    clip = make_clip(tmp_path / "in.mkv", [grey(9)] * 50, sound="aac", start=5)
    with av.open(str(clip)) as whole:
        assert whole.start_time > 4.9 * av.time_base
    write(tmp_path / "out", open_sources([str(clip)]))
    with av.open(str(tmp_path / "out" / "overlays" / "in.mp4")) as kept:
        times = [float(frame.time) for frame in kept.decode(audio=0)]
    assert -0.1 <= times[0] < 0.1 and times[-1] == pytest.approx(2, abs=0.2)


def test_pictures_hours_apart_make_a_film(tmp_path: Path) -> None:
    film = Film(tmp_path / "slow.mp4", SIZE, 1 / 3600, None)
    for n in range(3):
        film.add(grey(50, SIZE), n * 3600.0)
    film.close()
    with av.open(str(tmp_path / "slow.mp4")) as container:
        assert [float(each.time or 0) for each in container.decode(video=0)] == [0, 3600, 7200]


def test_sound_whose_time_goes_back_ends_no_film(tmp_path: Path) -> None:
    once = make_clip(tmp_path / "once.ts", [grey(50, SIZE)] * 25, sound="aac").read_bytes()
    (tmp_path / "twice.ts").write_bytes(once + once)
    write(tmp_path / "out", open_sources([str(tmp_path / "twice.ts")]))
    assert len(images(tmp_path / "out")) == 50
    assert not left_over(tmp_path / "out")


def test_an_overlay_that_cannot_be_made_is_told_once_and_its_poses_and_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sources = album(tmp_path / "in", "before.jpg", "after.jpg")
    for name in ("before.jpg", "film.mp4"):
        (out / "overlays" / name).mkdir(parents=True)  # stands where the overlay is to be
    sources += open_sources([str(make_clip(tmp_path / "film.mp4", [grey(9)] * 3))])
    with PoseWriter(out, COCO, threshold=0.2) as writer:
        for source in reversed(sources):
            writer.begin(source)
            for frame in source.frames():
                writer.add(frame, [pose()])
            writer.end(source)
        assert list(writer.faults) == ["film.mp4", "before.jpg"]
    told = capsys.readouterr().err
    assert "before.jpg: its overlay cannot be made ([Errno 21] Is a directory" in told
    assert told.count("error: ") == 2
    assert [row["file_name"] for row in images(out)] == [
        "film.mp4", "film.mp4", "film.mp4", "before.jpg", "after.jpg",
    ]  # fmt: skip
    assert (out / "overlays" / "after.jpg").exists()


def test_a_long_name_is_cut_and_stays_its_own(tmp_path: Path) -> None:
    photos = album(tmp_path / "in", f"{'x' * 250}1.jpg", f"{'x' * 250}2.jpg")
    write(tmp_path / "out", photos)
    made = [path.name for path in (tmp_path / "out" / "overlays").iterdir()]
    assert len(set(made)) == len(photos) == 2
    assert all(len(name) == 230 and name.endswith(".jpg") for name in made)


def test_a_film_larger_than_h264_takes_is_smaller_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(tmp_path / "wide.avi", [grey(50, (17_000, 64))] * 2, codec="rawvideo")
    write(tmp_path / "out", open_sources([str(clip)]))
    stream, times, _ = read_clip(tmp_path / "out" / "overlays" / "wide.mp4")
    assert (stream.width, stream.height) == (16_384, 60) and len(times) == 2
    said = "wide.avi: its overlay is of 16384 x 60 pixels, H.264 takes no 17000 x 64"
    assert capsys.readouterr().err.count(said) == 1
    assert images(tmp_path / "out")[0]["width"] == 17_000


def test_a_film_without_a_picture_is_no_file(tmp_path: Path) -> None:
    """As where a signal comes between its beginning and its first picture."""
    Film(tmp_path / "none.mp4", SIZE, 25, None).close()
    assert not list(tmp_path.iterdir())
