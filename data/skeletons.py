"""Skeletons: the keypoints of a person by name, their limbs, mirror pairs and OKS sigmas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """Everything that depends on which keypoints a data set labels.

    `mirrored` holds (left, right) pairs; `sigmas` are OKS fall-offs in units of sqrt(area),
    one per keypoint (COCO keypoint evaluation); `upper_body` is used by half-body augmentation.
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    mirrored: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    upper_body: tuple[str, ...]

    def __post_init__(self) -> None:
        known = set(self.keypoints)
        named = {n for pair in (*self.limbs, *self.mirrored) for n in pair} | set(self.upper_body)
        if unknown := sorted(named - known):
            raise ValueError(f"skeleton {self.name}: {unknown} are no keypoints of it")
        if len(self.sigmas) != len(self.keypoints) or len(known) != len(self.keypoints):
            raise ValueError(f"skeleton {self.name}: one sigma and one name per keypoint")

    @property
    def mirror(self) -> list[int]:
        """Index of each keypoint's mirror image (its own index on the body's axis)."""
        other = {a: b for left, right in self.mirrored for a, b in ((left, right), (right, left))}
        return [self.keypoints.index(other.get(name, name)) for name in self.keypoints]

    @property
    def limb_indices(self) -> list[tuple[int, int]]:
        return [(self.keypoints.index(a), self.keypoints.index(b)) for a, b in self.limbs]

    @property
    def upper_body_indices(self) -> list[int]:
        return [self.keypoints.index(name) for name in self.upper_body]


COCO = Skeleton(
    name="coco",
    keypoints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    limbs=(
        ("left_ankle", "left_knee"), ("left_knee", "left_hip"),
        ("right_ankle", "right_knee"), ("right_knee", "right_hip"),
        ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
        ("right_shoulder", "right_hip"), ("left_shoulder", "right_shoulder"),
        ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"),
        ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"),
        ("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye"),
        ("left_eye", "left_ear"), ("right_eye", "right_ear"),
        ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"),
    ),
    mirrored=(
        ("left_eye", "right_eye"), ("left_ear", "right_ear"),
        ("left_shoulder", "right_shoulder"), ("left_elbow", "right_elbow"),
        ("left_wrist", "right_wrist"), ("left_hip", "right_hip"),
        ("left_knee", "right_knee"), ("left_ankle", "right_ankle"),
    ),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072,
        0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
    ),
    upper_body=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist",
    ),
)  # fmt: skip

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO,)}
