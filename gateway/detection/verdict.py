"""The answer to a scan, and the evidence for it. Three answers are kept apart everywhere.

Absence of a line, shielding, or a detection limit above the policy is never "clear".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.detection.drift_state import DriftState
    from gateway.detection.testimony import SubstanceAccount

# More looks than this at one load, and no bay waits that long: ten of 60 s are the longest single scan there is.
LOOKS_MAX: Final = 10
# Looks where somebody wants a load decided and says no number: five of 60 s are the fixed scan of 300 s.
LOOKS_USUAL: Final = 5


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
    would have been detected with probability 0.95 at the scan's noise and standoff (100 % purity). Of an alarm,
    `mass_kg` is the mass of pure substance whose lines these are, with its standard uncertainty (k = 1) while the
    priors hold; None where the distance or, for the uncertainty, the gain is not known. `probability`
    is calibrated, of likelihood ratio and network together and for the scans that the model card states; None where the
    classifier was not asked.
    """

    substance: str
    glrt: float
    p_value: float
    network: float
    temperature_k: float
    limit_kg: float
    alarmed: bool
    lines: tuple[LineEvidence, ...]
    mass_kg: float | None = None
    u_mass_kg: float | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class NullCheck:
    """How a scan compares with the scans of a signed null set, which hold no covered substance.

    `p_value` is (1 + those that score as high or higher) / (`scans` + 1), conformal; `sha256` that of the set's file.
    `score` is the scan's own, the largest of `substances`, which are in the order of the verdict's scores: -ln of
    the false-alarm probability at which each would have been named.
    """

    p_value: float
    scans: int
    sha256: bytes
    score: float
    substances: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SequenceLook:
    """One look at a load that several scans are made of, until it is decided.

    This is look `number` of at most `looks_max`; it rests on all scans so far, whose raw data `raw_sha256s` name in
    their order, and which took `dwell_s` together. `alpha_spent` is the false-alarm probability spent on the load so
    far, this look's share among it. Where `final` is false the load is not decided: a verdict that says "not
    inspectable" then stands for "not yet", and more scans of the same load are to follow.
    """

    number: int
    looks_max: int
    alpha_spent: float
    dwell_s: float
    raw_sha256s: tuple[bytes, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class Resonance:
    """A line too strong for chance that fits no substance in the table.

    `z` is its detection statistic (2 ln L), `p_value` its false-alarm probability per scan over all bands. `t2e_s` is
    how fast it dies away over the train, with its 68 % interval; infinite where a steady tone fits as well. `near` is a
    substance that may have one of its lines there, and of which nothing else was seen; empty where none is near.
    """

    found_khz: float
    amplitude_ft: float
    u_amplitude_ft: float
    z: float
    p_value: float
    t2e_s: float
    low_s: float
    high_s: float
    near: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one scan, or for one load after so many; `reasons` say what made it, never empty unless clear.

    `accounts` explain every alarm; None where nothing alarmed. `null_check` is None where no null set was applied,
    `look` where the answer rests on one scan alone, `resonances` where no line was left unexplained.
    `drift` is the state of the head against what it used to be, None where nobody watched it.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    scores: tuple[SubstanceScore, ...]
    scan_id: int
    raw_sha256: bytes
    model_sha256: bytes
    accounts: tuple[SubstanceAccount, ...] | None = None
    null_check: NullCheck | None = None
    look: SequenceLook | None = None
    resonances: tuple[Resonance, ...] | None = None
    drift: DriftState | None = None


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
class Likeness:
    """How probable it is that an object passed, and not a step, a door, a glitch, a load, a sway or a long vehicle.

    Among as many passes as disturbances; `model_sha256` is the digest of the network's card. It decides nothing.
    """

    passing: float
    model_sha256: bytes


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A magnetic anomaly in the lane: something ferrous moved past. It never names a substance.

    `energy` is the detection statistic over the window, `threshold` the value it exceeds with probability
    `pfa` in background alone; `peak_t` is the largest deviation in tesla. `passage` is None where the anomaly
    is not one dipole on a straight line, `likeness` where no network judged it.
    """

    energy: float
    threshold: float
    pfa: float
    peak_t: float
    window_s: float
    passage: Passage | None = None
    likeness: Likeness | None = None
