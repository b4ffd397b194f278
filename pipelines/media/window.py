"""A window that shows pictures as they come, where there is a display. With tkinter and Pillow:
the OpenCV that is installed here is built without windows."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from data.ground.refusal import refusal

SHARE = 0.9  # of the screen's sides that a picture may take
CLOSING = ("<Escape>", "q")


class Window:
    """To be made, fed and closed by one and the same thread; also a context manager."""

    def __init__(self, title: str) -> None:
        """ValueError where there is no display, or Python was built without tkinter."""
        self._label: Any = None
        self._picture: Any = None
        self._open = True
        self._root = _root()
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self._leave)
        for key in CLOSING:
            self._root.bind(key, self._leave)

    def show(self, image: np.ndarray) -> bool:
        """image: uint8 [H, W, 3] RGB, made smaller where it is larger than the screen. False once
        the window was closed, by its button, Escape or q; nothing is shown any more then."""
        if self._open:
            self._root.update()  # what was pressed since
        if not self._open:
            return False
        from tkinter import Label

        from PIL import ImageTk

        picture = Image.fromarray(image)
        screen = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        picture.thumbnail((int(screen[0] * SHARE), int(screen[1] * SHARE)))
        if self._label is None:
            self._label = Label(self._root, borderwidth=0)
            self._label.pack()
        self._picture = ImageTk.PhotoImage(picture, master=self._root)  # tkinter keeps no reference
        self._label.configure(image=self._picture)
        self._root.update()
        return self._open

    def close(self) -> None:
        self._leave()
        if self._root is not None:
            self._root.destroy()
            self._root = None

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _leave(self, _: object = None) -> None:
        self._open = False


def _root() -> Any:
    try:
        import tkinter
    except ImportError as error:
        do = (
            "install it (Debian, Ubuntu: python3-tk), or leave --show out: files are written anyway"
        )
        raise refusal("--show", fault=f"{sys.executable} has no tkinter", do=do) from error
    try:
        return tkinter.Tk()
    except tkinter.TclError as error:
        do = "run it where there is a screen, or leave --show out: files are written anyway"
        raise refusal("--show", fault=f"no display ({error})", do=do) from error
