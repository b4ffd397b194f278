"""People from frame to frame: who is who, and keypoints without jitter.

In: poses of one frame after another, with their times. Out: the same with ids that stay with
people, smoothed; where they are expected next. May import host. A change re-runs nothing: only
`predict` asks for it.
"""
