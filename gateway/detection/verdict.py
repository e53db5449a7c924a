"""The answer to a scan, and the evidence for it. Three answers are kept apart everywhere.

Absence of a line, shielding, or a detection limit above the policy is never "clear".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The three answers an officer may see."""

    ALARM = "alarm"
    CLEAR = "clear"                      # for the covered substances only, above the stated limits
    NOT_INSPECTABLE = "not inspectable"


@dataclass(frozen=True, slots=True)
class LineEvidence:
    """One quadrupole line: where it was expected at the fitted temperature, where found, how strong.

    Frequencies in kHz, amplitude in fT at the sensor with its standard uncertainty; `z` is the line's own
    detection statistic (generalised likelihood ratio, 2 ln L).
    """

    transition: str
    expected_khz: float
    found_khz: float
    amplitude_ft: float
    u_amplitude_ft: float
    z: float


@dataclass(frozen=True, slots=True)
class SubstanceScore:
    """What one scan says about one covered substance.

    `glrt` is the likelihood ratio summed over the lines at the best common temperature (kelvin), `p_value`
    its false-alarm probability per scan, `network` the classifier's probability, `limit_kg` the mass that
    would have been detected with probability 0.95 at the scan's noise and standoff (100 % purity). `probability` is
    calibrated, of both together and for the scans that the model card states; None where the classifier was not asked.
    """

    substance: str
    glrt: float
    p_value: float
    network: float
    temperature_k: float
    limit_kg: float
    alarmed: bool
    lines: tuple[LineEvidence, ...]
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one scan. `reasons` say, in words, what made it; never empty unless clear."""

    outcome: Outcome
    reasons: tuple[str, ...]
    scores: tuple[SubstanceScore, ...]
    scan_id: int
    raw_sha256: bytes
    model_sha256: bytes


@dataclass(frozen=True, slots=True)
class Passage:
    """What a pass tells of the object as one dipole on a straight line; `u_` are standard uncertainties (k = 1).

    `closest_at` is the monotonic time of the closest approach in nanoseconds, without the delays of the line.
    `crossing_s` is closest approach over speed: that is measured. Metres and A m^2 come from it by a prior on
    the speed; value and uncertainty are the middle and half the width of the central 68 % interval.
    """

    closest_at: int
    u_closest_at_s: float
    crossing_s: float
    u_crossing_s: float
    closest_m: float
    u_closest_m: float
    moment_am2: float
    u_moment_am2: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A magnetic anomaly in the lane: something ferrous moved past. It never names a substance.

    `energy` is the detection statistic over the window, `threshold` the value it exceeds with probability
    `pfa` in background alone; `peak_t` is the largest deviation in tesla. `passage` is None where the anomaly
    is not one dipole on a straight line.
    """

    energy: float
    threshold: float
    pfa: float
    peak_t: float
    window_s: float
    passage: Passage | None = None
