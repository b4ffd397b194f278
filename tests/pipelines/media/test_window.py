"""The window: shows until somebody closes it; without a display, a sentence."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import ImageGrab

from pipelines.media.window import Window
from tests.worlds.clips import BLUE, RED, grey


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A screen of 400 x 300 that nobody sees."""
    if not shutil.which("Xvfb"):
        pytest.skip("there is no Xvfb")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "400x300x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as screen:
        assert screen.stdout is not None
        monkeypatch.setenv("DISPLAY", f":{screen.stdout.readline().decode().strip()}")
        yield "display"
        screen.terminate()


def test_without_a_display_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ValueError, match=r"^--show: no display .*leave --show out"):
        Window("poses")


@pytest.mark.contract
def test_pictures_are_shown_within_the_screen_until_it_is_closed(display: str) -> None:
    wide = np.concatenate([grey(0, (500, 500)) + RED, grey(0, (500, 500)) + BLUE], axis=1)
    with Window("poses") as window:
        assert window.show(wide.astype(np.uint8)) and window.show(wide.astype(np.uint8))
        screen = np.asarray(ImageGrab.grab())[..., :3]
        seen = [(screen == colour).all(axis=2).sum() for colour in (RED, BLUE)]
        assert seen == [179 * 180, 179 * 180]  # 0.9 of its width; between them they mix
        window._root.event_generate("<Escape>")
        assert not window.show(wide.astype(np.uint8)) and not window.show(wide.astype(np.uint8))
    window.close()
