"""The screening bay of the NQR head: sensors, noise, interference. Every default here is an assumption.

What each default rests on stands in `hil.scene.assumptions`; state the tier with every result.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

CHANNELS: Final = 8
ARRAY: Final = 6                 # channels 0-5; 6 and 7 are the references

# Sensor centres in metres: x across, y up, z along the axis towards the load; the array lies at z = 0.
# A reference must see the interference and not the load: 2 m away, a load at 0.2 m is 60 dB weaker.
POSITIONS_M: Final = np.array([
    [-0.06, -0.03, 0.0], [0.0, -0.03, 0.0], [0.06, -0.03, 0.0],
    [-0.06, 0.03, 0.0], [0.0, 0.03, 0.0], [0.06, 0.03, 0.0],
    [-1.5, 1.0, -1.0], [1.5, 1.0, -1.0],
])
POSITIONS_M.setflags(write=False)


class Tier(Enum):
    """One-sided amplitude spectral density of one channel in fT/sqrt(Hz), referred to 0.5-1 MHz."""

    A = 0.3      # laboratory
    B = 1.0      # optimistic field
    C = 5.0      # noisy lane
    D = 130.0    # portable


@dataclass(frozen=True, slots=True)
class Station:
    """A broadcast station: a carrier with two sidebands. `carrier_ft` is its peak field at the bay."""

    frequency_khz: float
    carrier_ft: float
    depth: float = 0.6           # modulation depth, 0 to 1
    audio_hz: float = 1_300.0


@dataclass(frozen=True, slots=True)
class Bay:
    """Everything about a scan that is not the load.

    `edge_hz` and `edge_exponent` colour the sensor noise: density squared = S^2 (1 + (|f| / edge)^exponent)
    at the offset f from the carrier, as the response of a tuned sensor falls. `above_2mhz` multiplies S
    there, where quantum heads are an extrapolation. `city` scales the man-made noise (1: ITU-R city curve,
    0: a screened bay). `coupling_spread`, `gain_error` and `phase_error_rad` are standard deviations over
    channels; `pilot_ft` is the injected tone at -`PILOT_BINS` bins of the window. `head` numbers the head: its chain
    has the same phase in every scan; None draws that phase anew, as if each scan were another head's. `dead` channels
    deliver nothing. `ringdown_ft` is what the array feels of the transmit coil's ringing when a pulse ends, which
    decays with `ringdown_s`. A channel whose field passes `full_scale_ft` is clipped at its converter.
    """

    tier: Tier = Tier.B
    edge_hz: float = 20_000.0
    edge_exponent: float = 2.0
    above_2mhz: float = 1.0
    city: float = 0.5
    temperature_k: float = 295.0
    stations: tuple[Station, ...] = ()
    coupling_spread: float = 0.05
    gain_error: float = 0.01
    phase_error_rad: float = 0.02
    pilot_ft: float = 50.0
    forward_w: float = 400.0
    reflected_idle: float = 0.02     # reflected over forward power with nothing metallic near the coil
    dead: tuple[int, ...] = ()
    ringdown_ft: float = 0.0
    ringdown_s: float = 60e-6
    full_scale_ft: float = 1e6       # 1 nT: thirty times a broadcast carrier of 10 mV/m
    head: int | None = None

    def density_ft(self, carrier_hz: float) -> float:
        """Return the sensor's own noise S at the carrier, fT/sqrt(Hz), one-sided."""
        return self.tier.value * (self.above_2mhz if carrier_hz > 2e6 else 1.0)


# On a bin of the 256-point window, near the lower edge: there a temperature shift brings lines least often.
PILOT_BINS: Final = 120


def city_density_ft(carrier_hz: float) -> float:
    """Return man-made noise of a city, fT/sqrt(Hz): ITU-R P.372, Fa = 76.8 - 27.7 log10(f/MHz), far field."""
    mhz = carrier_hz / 1e6
    dbuv_m = 76.8 - 27.7 * np.log10(mhz) + 20.0 * np.log10(mhz) - 95.5
    return float(10.0 ** (dbuv_m / 20.0) * 1e-6 / 299_792_458.0 * 1e15)
