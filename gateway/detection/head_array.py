"""Where the sensors of the NQR head sit, and how they should see a load on the axis. Nominal geometry, no data.

Six sensors in two rows look along z at the load; two references stand far off and see only interference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRAY: Final = slice(0, 6)
REFERENCES: Final = slice(6, 8)
CHANNELS: Final = 8
GROUPS: Final = 8
POINTS: Final = 256
# Sensor centres of the array in metres: x across, y up; the array lies at z = 0 (docs/nqr-head-profile.md).
ARRAY_XY_M: Final = np.array([[x, y] for y in (-0.03, 0.03) for x in (-0.06, 0.0, 0.06)])
# Below this a point dipole says nothing about a parcel, and the range finder of the head has its own limit.
STANDOFF_M_MIN: Final = 0.05


def steering(standoff_m: float) -> NDArray[np.float64]:
    """How each array sensor sees a z dipole on the axis, relative to the field on the axis itself; shape [6].

    Point dipole: the z field is (3 cos^2 - 1) / (2 r^3), and 1 / z^3 on the axis.
    """
    z = max(standoff_m, STANDOFF_M_MIN)
    r = np.sqrt(np.sum(ARRAY_XY_M**2, axis=1) + z * z)
    return np.asarray((3.0 * (z / r) ** 2 - 1.0) / 2.0 * (z / r) ** 3)
