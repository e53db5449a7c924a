"""The nine-parameter model of a three-axis magnetometer, and its derivatives. Pure arithmetic.

Convention (Olsen et al., Earth Planets Space 55 (2003) 11, for Oersted; the parametrisation of Merayo et al.,
Meas. Sci. Technol. 11 (2000) 120): reading = S P B + o, with S = diag(scale), o the offset, and
    P = [[1, 0, 0], [-sin a1, cos a1, 0], [sin a2, sin a3, w]],  w = sqrt(1 - sin^2 a2 - sin^2 a3).
The field B is in the orthogonal frame whose x is the sensor's x axis and whose y lies in the plane of the
sensor's x and y axes. P is lower triangular with rows of length one; a form with an upper triangle is the
same sensor in another frame. A scalar reference cannot tell frames apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class NineParameters:
    """Offset (unit of the readings), scale (1) and non-orthogonality (rad), each of shape [3]."""

    offset: Floats
    scale: Floats
    angle_rad: Floats

    def vector(self) -> Floats:
        """Return all nine in the order offset, scale, angle."""
        return np.concatenate([self.offset, self.scale, self.angle_rad])


def nine_parameters(vector: Floats) -> NineParameters:
    """Return the parameters from a vector of nine in the order offset, scale, angle."""
    return NineParameters(vector[:3], vector[3:6], vector[6:9])


def correct(readings: Floats, p: NineParameters) -> Floats:
    """Return the field [rows, 3] in the unit of the readings [rows, 3]."""
    return np.asarray((readings - p.offset) @ correction_matrix(p).T)


def correction_matrix(p: NineParameters) -> Floats:
    """Return M = inverse(S P), so that field = M (reading - offset)."""
    return np.asarray(np.linalg.inv(projection(p.angle_rad)) / p.scale)


def derivatives(readings: Floats, p: NineParameters) -> Floats:
    """Return d field / d parameter, shape [rows, 3, 9], in the order offset, scale, angle."""
    matrix = correction_matrix(p)
    unprojected = np.linalg.inv(projection(p.angle_rad))
    field = correct(readings, p)
    result = np.empty((len(readings), 3, 9))
    result[:, :, 0:3] = -matrix
    # d/d scale_i of inverse(P) S^-1 (v - o): column i of inverse(P), times -(v_i - o_i) / scale_i^2.
    result[:, :, 3:6] = -unprojected[None] * ((readings - p.offset) / p.scale**2)[:, None, :]
    for index, slope in enumerate(_projection_slopes(p.angle_rad)):
        result[:, :, 6 + index] = -field @ (unprojected @ slope).T
    return result


def projection(angle_rad: Floats) -> Floats:
    """Return P, which turns the orthogonal field into its parts along the three sensor axes."""
    sine = np.sin(angle_rad)
    return np.array([[1.0, 0.0, 0.0],
                     [-sine[0], np.cos(angle_rad[0]), 0.0],
                     [sine[1], sine[2], np.sqrt(1.0 - sine[1]**2 - sine[2]**2)]])


def _projection_slopes(angle_rad: Floats) -> tuple[Floats, Floats, Floats]:
    """Return dP/da for the three angles."""
    sine, cosine = np.sin(angle_rad), np.cos(angle_rad)
    upright = np.sqrt(1.0 - sine[1]**2 - sine[2]**2)
    first, second, third = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    first[1] = [-cosine[0], -sine[0], 0.0]
    second[2] = [cosine[1], 0.0, -sine[1] * cosine[1] / upright]
    third[2] = [0.0, cosine[2], -sine[2] * cosine[2] / upright]
    return first, second, third
