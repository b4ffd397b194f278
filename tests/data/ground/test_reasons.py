"""Reasons of many rows: one line for each kind, the most frequent first."""

from __future__ import annotations

from data.ground.reasons import kinds, row_told


def test_each_kind_is_counted_and_its_first_row_named() -> None:
    missing = [(f"no such image below /a: {n}.jpg", f"image {n}, {n}.jpg") for n in range(40)]
    told = kinds([("not finite: box", "person 7"), *missing, ("not finite: area", "person 8")])
    assert told == [
        "40 x no such image below /a (first: image 0, 0.jpg)",
        "2 x not finite (first: person 7: box)",
    ]
    assert kinds([]) == []


def test_an_image_is_named_once() -> None:
    assert row_told("image", "a.jpg", "a.jpg") == "image a.jpg"
    assert row_told("person", "3", "a.jpg") == "person 3, a.jpg"
