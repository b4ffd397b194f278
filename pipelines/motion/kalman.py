"""A Kalman filter of where a body is: it goes on at its speed, until it does not.

Kalman, 1960, for a point of constant velocity whose speed wanders (white noise of acceleration).
Both axes have the same variances, so three numbers are the whole covariance. Lengths are in units
of the person's size: people near and far, in 4K and 320p, are filtered alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOISE = 0.03  # sizes: how exactly a body's place is read from one image
SPEED = 0.8  # sizes/s: of somebody just seen; people walk at 0.8 of their heights
WANDER = 1.0  # sizes^2/s^3: how fast speed changes; by 1 size/s in a second


@dataclass(frozen=True)
class Motion:
    """place [2] in pixels, speed [2] in pixels/s; variances of either axis, in sizes."""

    place: np.ndarray
    speed: np.ndarray
    place_variance: float = NOISE**2
    covariance: float = 0.0
    speed_variance: float = SPEED**2

    def after(self, seconds: float) -> Motion:
        """What is expected `seconds`, 0 or more, later."""
        p, c, s = self.place_variance, self.covariance, self.speed_variance
        return Motion(
            self.place + self.speed * seconds,
            self.speed,
            p + 2 * c * seconds + s * seconds**2 + WANDER * seconds**3 / 3,
            c + s * seconds + WANDER * seconds**2 / 2,
            s + WANDER * seconds,
        )

    def seen(self, away: np.ndarray) -> Motion:
        """Corrected by a look that found it `away` [2] pixels from where it was expected."""
        total = self.place_variance + NOISE**2
        gain, speed_gain = self.place_variance / total, self.covariance / total
        return Motion(
            self.place + gain * away,
            self.speed + speed_gain * away,
            (1 - gain) * self.place_variance,
            (1 - gain) * self.covariance,
            self.speed_variance - speed_gain * self.covariance,
        )
