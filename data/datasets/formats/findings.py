"""What a reader collects on its way through a file: images, and notes of what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.datasets.formats.labels import LabelledImage, Labels, Note
from data.datasets.formats.values import shown
from data.ground.reasons import kinds, row_told
from data.ground.refusal import refusal


class Findings:
    """Of one file or folder of labels. An image's file is there once; the second becomes a note."""

    def __init__(self, path: Path) -> None:
        self.path, self.images = path, list[LabelledImage]()
        self._notes, self._files = list[Note](), dict[str, str]()

    def note(self, kind: str, row: str, image: str, reason: str) -> None:
        """kind: "image" or "person"; row, image: as the file names them."""
        self._notes.append(Note(kind, row, image, reason))

    def add(self, image: LabelledImage) -> None:
        if image.file in self._files:
            reason = f"the same file as image {self._files[image.file]}"
            self.note("image", image.id, image.file, reason)
            return
        self._files[image.file] = image.id
        self.images.append(image)

    def labels(
        self,
        category: str,
        keypoints: Sequence[str],
        limbs: Sequence[tuple[str, str]] = (),
        mirrored: Sequence[tuple[str, str]] = (),
    ) -> Labels:
        """Raises ValueError where no person has a labelled keypoint, saying what was found."""
        people = [person for image in self.images for person in image.people]
        if not any(person.visibility.any() and not person.is_crowd for person in people):
            raise refusal(
                self.path,
                fault=f"no person with a labelled keypoint in {len(self.images)} images with "
                f"{len(people)} people called {category!r}{self._why()}",
                do="check format, category and folder of images",
            )
        return Labels(
            category,
            tuple(keypoints),
            tuple(self.images),
            tuple(limbs),
            tuple(mirrored),
            tuple(self._notes),
        )

    def _why(self) -> str:
        """The most frequent reasons, each with the first row that it met."""
        if not self._notes:
            return ""
        told = kinds((n.reason, row_told(n.kind, n.id, n.image)) for n in self._notes)
        return f"; {len(self._notes)} rows left out: {shown(told[:3])}"
