"""The three ways an instrument's own numbers become a field or a temperature, as typed parameters.

Every number is limited and finite, and has its standard uncertainty (k = 1) beside it. No arithmetic here.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

# Far beyond any instrument of ours, far inside what a float64 squares without overflow; refuses inf and nan.
NUMBER_MAX = 1e18
CHANNELS_MAX = 64       # more than any instrument delivers in one stream
FREQUENCIES_MAX = 256   # a head has tens of bands; a gain is smooth between a few points
HEAD_CHANNELS = 8

Number: TypeAlias = Annotated[float, Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]
Positive: TypeAlias = Annotated[float, Meta(gt=0.0, le=NUMBER_MAX)]
Uncertainty: TypeAlias = Annotated[float, Meta(ge=0.0, le=NUMBER_MAX)]
Relative: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
# Radians. 0.5 rad is 29 degrees: an axis further off is wired to the wrong channel, not misaligned.
Misalignment: TypeAlias = Annotated[float, Meta(ge=-0.5, le=0.5)]
Angle: TypeAlias = Annotated[float, Meta(ge=-100.0, le=100.0)]
Correlation: TypeAlias = Annotated[float, Meta(ge=-1.0, le=1.0)]
Line: TypeAlias = Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]

Axes: TypeAlias = tuple[Number, Number, Number]
AxesPositive: TypeAlias = tuple[Positive, Positive, Positive]
AxesUncertainty: TypeAlias = tuple[Uncertainty, Uncertainty, Uncertainty]
Row9: TypeAlias = Annotated[tuple[Correlation, ...], Meta(min_length=9, max_length=9)]
EIGHT = Meta(min_length=HEAD_CHANNELS, max_length=HEAD_CHANNELS)  # one for each head channel


class ChannelLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One channel of a scalar instrument: out = scale * in + offset.

    `scale` is in unit_out per unit_in, `offset` in unit_out, `u_noise` in unit_in: the spread of a single
    reading. `correlation` is that of scale and offset.
    """

    channel: Line
    scale: Positive
    u_scale: Uncertainty
    offset: Number
    u_offset: Uncertainty
    u_noise: Uncertainty
    correlation: Correlation = 0.0


class ScaleOffset(Struct, frozen=True, forbid_unknown_fields=True, tag="scale-offset", tag_field="kind"):
    """A straight line for each channel. A channel of the instrument that is not named stays uncalibrated."""

    channels: Annotated[tuple[ChannelLine, ...], Meta(min_length=1, max_length=CHANNELS_MAX)]


class VectorMagnetometer(Struct, frozen=True, forbid_unknown_fields=True, tag="vector-magnetometer",
                         tag_field="kind"):
    """Nine parameters of a three-axis magnetometer; the convention stands in `vector_field.py`.

    `offset`, `u_offset` and `u_noise` (one row, each axis) are in unit_in; `scale` is the reading over the
    true field, without unit; `angle_rad` the three non-orthogonalities. `correlation` is 9 x 9 in the order
    offset, scale, angle; without it the parameters count as independent.
    """

    channels: tuple[Line, Line, Line]
    offset: Axes
    u_offset: AxesUncertainty
    scale: AxesPositive
    u_scale: AxesUncertainty
    angle_rad: tuple[Misalignment, Misalignment, Misalignment]
    u_angle_rad: AxesUncertainty
    u_noise: AxesUncertainty
    correlation: Annotated[tuple[Row9, ...], Meta(min_length=9, max_length=9)] | None = None


class GainPoint(Struct, frozen=True, forbid_unknown_fields=True):
    """The complex gain of the eight channels at one frequency: counts per fT, and phase."""

    frequency_khz: Annotated[float, Meta(gt=0.0, le=1e6)]
    magnitude: Annotated[tuple[Positive, ...], EIGHT]
    u_magnitude_relative: Annotated[tuple[Relative, ...], EIGHT]
    phase_rad: Annotated[tuple[Angle, ...], EIGHT]
    u_phase_rad: Annotated[tuple[Relative, ...], EIGHT]


class NqrHead(Struct, frozen=True, forbid_unknown_fields=True, tag="nqr-head", tag_field="kind"):
    """Gain against frequency, straight lines between the points and nothing beyond them.

    `u_repeatability_relative` is the spread of the gain from one day to the next.
    """

    u_repeatability_relative: Relative
    points: Annotated[tuple[GainPoint, ...], Meta(min_length=2, max_length=FREQUENCIES_MAX)]


Correction: TypeAlias = ScaleOffset | VectorMagnetometer | NqrHead
