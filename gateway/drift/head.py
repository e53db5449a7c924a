"""One head under watch: every quantity's reference and charts, and how far each has gone. Pure.

Rule: a drift ends by itself when the head is as it was; an inhibition ends by a new certificate or by a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.thermometer import u_kelvin_absolute
from gateway.detection.drift_state import DriftLevel
from gateway.detection.head_array import CHANNELS
from gateway.drift.betting import Bets, Ranks
from gateway.drift.bounds import (
    EVIDENCE_INHIBIT,
    LEARNT_CALIBRANTS,
    LEARNT_SCANS,
    REFLECTED_SCANS,
    Quantity,
)
from gateway.drift.charted import Charted, band_names
from gateway.drift.reference import Reference, wrapped

if TYPE_CHECKING:
    from gateway.drift.look import Look

# In units of the gain, so they begin anew where a certificate does.
CERTIFIED: Final = (Quantity.NOISE, Quantity.GAIN, Quantity.PHASE)
# Coverage factor of about 95 %.
COVERAGE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of one quantity with this scan."""

    quantity: Quantity
    before: DriftLevel
    after: DriftLevel
    words: str


@dataclass(slots=True)
class HeadWatch:
    """What is known of one head, by the name it gives itself.

    `certificate` is the digest of the one that its gain is held against, None where it never had a valid one;
    `accepted`: a person took the gain as it is, so it is held against itself.
    `latched` holds the quantities that inhibit, with the words of when they did.
    """

    head: str
    certificate: bytes | None
    accepted: bool = False
    carriers_hz: tuple[float, ...] = ()
    charted: dict[Quantity, Charted] = field(default_factory=dict)
    chance: Bets = field(default_factory=Bets)
    energy: Bets = field(default_factory=Bets)
    ranks: Ranks = field(default_factory=Ranks)
    reflected: list[list[float]] = field(default_factory=list)
    drifted: dict[Quantity, str] = field(default_factory=dict)
    latched: dict[Quantity, str] = field(default_factory=dict)

    def take(self, look: Look) -> list[Change]:
        """Take one scan; return what changed by it. Never raises for anything that a scan may hold."""
        before = {quantity: self.level_of(quantity) for quantity in Quantity}
        if look.calibrant:
            self._take_thermometer(look)
        else:
            self._take_scan(look)
        self._settle()
        return [Change(quantity, before[quantity], self.level_of(quantity), self.words_of(quantity))
                for quantity in Quantity if self.level_of(quantity) is not before[quantity]]

    def begin(self, carriers_hz: tuple[float, ...]) -> None:
        """Lay out the charts of a band plan. Drifts end with their charts; inhibitions do not."""
        self.carriers_hz, self.reflected = carriers_hz, []
        for quantity in (*CERTIFIED, Quantity.REFLECTED):
            self.drifted.pop(quantity, None)
        shape = (len(carriers_hz), CHANNELS)
        for quantity in CERTIFIED:
            self.charted[quantity] = Charted.by_channel_and_band(quantity, carriers_hz)
        if self.certificate is not None and not self.accepted:
            self.charted[Quantity.GAIN].certified(shape)
            self.charted[Quantity.PHASE].certified(shape)
        self.charted[Quantity.REFLECTED] = Charted.of(
            Quantity.REFLECTED, band_names(carriers_hz), Reference(LEARNT_SCANS))

    def certify(self, certificate: bytes) -> None:
        """Begin gain, phase and noise anew with another certificate; what they inhibited is over."""
        self.certificate, self.accepted = certificate, False
        for quantity in CERTIFIED:
            self.latched.pop(quantity, None)
        self.begin(self.carriers_hz)

    def accept(self) -> None:
        """Take the head as it is now for what it should be: everything is learnt anew, also what was certified."""
        self.charted, self.carriers_hz = {}, ()
        self.chance, self.energy, self.ranks, self.reflected = Bets(), Bets(), Ranks(), []
        self.drifted, self.latched = {}, {}
        self.accepted = True

    @property
    def learning(self) -> bool:
        """Tell whether the noise has no reference yet."""
        charted = self.charted.get(Quantity.NOISE)
        return charted is None or charted.reference.value is None

    def level_of(self, quantity: Quantity) -> DriftLevel:
        """Return how far one quantity has gone."""
        if quantity in self.latched:
            return DriftLevel.INHIBITED
        return DriftLevel.DEGRADED if quantity in self.drifted else DriftLevel.OK

    def words_of(self, quantity: Quantity) -> str:
        """Say how it has gone: as it is now, or as it was when it inhibited."""
        return self.drifted.get(quantity) or self.latched.get(quantity) or f"{quantity}: as it was"

    def _take_scan(self, look: Look) -> None:
        if look.certificate_sha256 == self.certificate:  # in the same units as the references
            with np.errstate(invalid="ignore", divide="ignore"):
                cells = {Quantity.NOISE: look.noise_db, Quantity.GAIN: np.log(np.abs(look.gain)),
                         Quantity.PHASE: wrapped(np.angle(look.gain))}
            for quantity, values in cells.items():
                self.charted[quantity].take(values, accepted=True)
        self._take_reflected(look)
        self.chance.take(look.p_value)
        if np.isfinite(look.energy):
            if len(self.ranks.known) >= LEARNT_SCANS:
                self.energy.take(self.ranks.p_value(look.energy))
            if not self.energy.drifted:
                self.ranks.learn(look.energy)

    def _take_reflected(self, look: Look) -> None:
        """The least of the last loads is the coil's own; single loads may hold metal."""
        self.reflected = [*self.reflected, [float(one) for one in look.reflected]][-REFLECTED_SCANS:]
        if len(self.reflected) == REFLECTED_SCANS:
            least = np.ma.masked_invalid(np.array(self.reflected)).min(axis=0).filled(np.nan)
            self.charted[Quantity.REFLECTED].take(least, accepted=True)

    def _take_thermometer(self, look: Look) -> None:
        if look.thermometer is None:
            return
        charted = self.charted.setdefault(Quantity.THERMOMETER, Charted.of(
            Quantity.THERMOMETER, ("bay sensor less line",), Reference(LEARNT_CALIBRANTS)))
        new = charted.reference.value is None
        charted.take(np.array([look.thermometer.sensor_k - look.thermometer.line_k]), accepted=True)
        if new and charted.reference.value is not None:
            # What the line table cannot vouch for may be learnt; what is beyond it is a wrong sensor from the start.
            most = COVERAGE * u_kelvin_absolute(look.thermometer.line_k)
            charted.reference.value = np.clip(charted.reference.value, -most, most)

    def _settle(self) -> None:
        """Note what has drifted now, and what inhibits from now on."""
        for quantity, charted in self.charted.items():
            self._note(quantity, charted.words, inhibits=charted.inhibits)
        said = f"{self.chance.mean_surprise:.2f} is the mean of -ln p, at most 1 was expected"
        self._note(Quantity.CHANCE, f"{Quantity.CHANCE}: {said}" if self.chance.drifted else "",
                   inhibits=self.chance.drifted and self.chance.evidence >= EVIDENCE_INHIBIT)
        self._note(Quantity.ENERGY, f"{Quantity.ENERGY}: unlike that of known scans" if self.energy.drifted else "",
                   inhibits=False)

    def _note(self, quantity: Quantity, words: str, *, inhibits: bool) -> None:
        if not words:
            self.drifted.pop(quantity, None)
            return
        self.drifted[quantity] = words
        if inhibits:
            self.latched.setdefault(quantity, words)
