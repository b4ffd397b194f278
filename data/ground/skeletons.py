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

# Sigmas of MPII are COCO's where the point is COCO's, else those of a like one (MPII itself counts
# PCKh, which needs none).
MPII = Skeleton(
    name="mpii",
    keypoints=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "pelvis", "thorax", "upper_neck", "top_head",
        "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist",
    ),
    limbs=(
        ("right_ankle", "right_knee"), ("right_knee", "right_hip"), ("right_hip", "pelvis"),
        ("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("left_hip", "pelvis"),
        ("pelvis", "thorax"), ("thorax", "upper_neck"), ("upper_neck", "top_head"),
        ("right_wrist", "right_elbow"), ("right_elbow", "right_shoulder"),
        ("right_shoulder", "thorax"), ("left_wrist", "left_elbow"),
        ("left_elbow", "left_shoulder"), ("left_shoulder", "thorax"),
    ),
    mirrored=(
        ("left_ankle", "right_ankle"), ("left_knee", "right_knee"), ("left_hip", "right_hip"),
        ("left_wrist", "right_wrist"), ("left_elbow", "right_elbow"),
        ("left_shoulder", "right_shoulder"),
    ),
    sigmas=(
        0.089, 0.087, 0.107, 0.107, 0.087, 0.089, 0.107, 0.079,
        0.079, 0.079, 0.062, 0.072, 0.079, 0.079, 0.072, 0.062,
    ),
    upper_body=(
        "thorax", "upper_neck", "top_head", "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist",
    ),
)  # fmt: skip

CROWDPOSE = Skeleton(
    name="crowdpose",
    keypoints=(
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle", "top_head", "neck",
    ),
    limbs=(
        ("left_ankle", "left_knee"), ("left_knee", "left_hip"),
        ("right_ankle", "right_knee"), ("right_knee", "right_hip"),
        ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
        ("right_shoulder", "right_hip"), ("left_shoulder", "neck"), ("right_shoulder", "neck"),
        ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"),
        ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"), ("top_head", "neck"),
    ),
    mirrored=(
        ("left_shoulder", "right_shoulder"), ("left_elbow", "right_elbow"),
        ("left_wrist", "right_wrist"), ("left_hip", "right_hip"),
        ("left_knee", "right_knee"), ("left_ankle", "right_ankle"),
    ),
    sigmas=(
        0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
        0.087, 0.087, 0.089, 0.089, 0.079, 0.079,
    ),
    upper_body=(
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "top_head", "neck",
    ),
)  # fmt: skip

# Keypoints and limbs in the order of OpenPose's channels; the neck lies between the shoulders.
OPENPOSE18 = Skeleton(
    name="openpose18",
    keypoints=(
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
        "left_shoulder", "left_elbow", "left_wrist",
        "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
        "right_eye", "left_eye", "right_ear", "left_ear",
    ),
    limbs=(
        ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
        ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("neck", "right_shoulder"), ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"), ("right_shoulder", "right_ear"),
        ("neck", "left_shoulder"), ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"), ("left_shoulder", "left_ear"),
        ("neck", "nose"), ("nose", "right_eye"), ("nose", "left_eye"),
        ("right_eye", "right_ear"), ("left_eye", "left_ear"),
    ),
    mirrored=tuple((f"left_{part}", f"right_{part}") for part in (
        "eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle",
    )),
    sigmas=(
        0.026, 0.079, 0.079, 0.072, 0.062, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089,
        0.107, 0.087, 0.089, 0.025, 0.025, 0.035, 0.035,
    ),
    upper_body=(
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
        "left_shoulder", "left_elbow", "left_wrist",
        "right_eye", "left_eye", "right_ear", "left_ear",
    ),
)  # fmt: skip

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO, MPII, CROWDPOSE, OPENPOSE18)}
