"""Prepared tables in, views around one person after another out, with everyone in sight.

What networks of limbs are trained on: which people, and how they are seen, says `person_crops`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.feeds.image_people import ImagePeople
from data.feeds.whole_images import WholeImageDataset, WholeItem
from data.ground.resize import Resize
from data.ground.sample import MOST_PEOPLE
from data.ground.skeleton import Skeleton
from data.views.draws import Index, sample_generator, turn_of
from data.views.person_views import draw_person_view, people_to_view
from data.views.photometric import Photometric
from data.views.settings import PersonCropAugmentation

GREY = Resize("height", multiple=8, fill=128)


class PersonViewDataset(WholeImageDataset):
    """Random views around the main people of a split; by row, (epoch, row) or `Turn`.

    Items are those of whole images: all people of the image, a mask over crowds and people without
    labels. Outside the image it is grey, and background that losses count (Osokin's code).
    """

    def __init__(
        self,
        prepared: Path,
        raw: Path,
        split: str,
        input_size: tuple[int, int],
        skeleton: Skeleton,
        *,
        augmentation: PersonCropAugmentation,
        seed: int = 0,
        tiles: Path | None = None,
    ) -> None:
        place = prepared, raw, split
        super().__init__(*place, input_size, skeleton, seed=seed, resize=GREY, tiles=tiles)
        self.around, self.count_outside = augmentation, True
        self.photometric = Photometric(augmentation.photometric)
        self.rows = main_people(self.people)  # of the person table

    def __getitem__(self, index: Index) -> WholeItem:
        epoch, place, again = turn_of(index)
        person, persons = int(self.rows[place]), self.people.persons
        rng = sample_generator(self.seed, epoch, int(persons["person_id"][person]), again)
        box = persons["box_image"][person]
        view = draw_person_view(rng, box, self.input_size, self.around)
        seed = int(rng.integers(1 << 31))
        return self._cut(place, int(persons["image_row"][person]), view, seed)


def main_people(people: ImagePeople) -> np.ndarray:
    """Rows [M] of the person table that views are drawn around, image by image."""
    persons, found = people.persons, []
    keypoints = persons["visibility"].shape[-1]
    for image in range(len(people.images)):
        rows = people.person_rows(image)[:MOST_PEOPLE]
        given = people.counted(rows), persons["area"][rows], persons["box_image"][rows]
        found.append(rows[people_to_view(*given, keypoints)])
    return np.concatenate([np.zeros(0, np.int64), *found])
