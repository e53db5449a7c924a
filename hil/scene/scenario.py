"""Named bays and loads to show and to test with. A scenario and a seed fix every sample of a scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import schedule
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, Load
from hil.scene.scan import scan

if TYPE_CHECKING:
    from hil.scene.scan import SceneScan


class NoSuchScenario(KeyError):
    """The name belongs to no scenario."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A bay with a load in it, as a person would describe it, and the seed used unless another is given."""

    name: str
    title: str
    bay: Bay
    load: Load
    seed: int

    def scan(self, dwell_s: float = 300.0, seed: int | None = None) -> SceneScan:
        """Return one scan with the default band plan."""
        rng = np.random.default_rng(self.seed if seed is None else seed)
        return scan(schedule(dwell_s), self.bay, self.load, rng, dwell_s)


_BAY: Final = Bay(tier=Tier.B)
_NITRATE: Final = Load((Content("ammonium nitrate", 2.0),), standoff_m=0.15, temperature_k=291.0)

SCENARIOS: Final = (
    Scenario("empty", "Empty bay", _BAY, Load(), 1001),
    Scenario("benign", "Parcel of sugar, a weak AM station on the air",
             replace(_BAY, stations=(Station(846.0, 300.0),)),
             Load((Content("sugar", 5.0),), standoff_m=0.2, temperature_k=293.0), 1002),
    Scenario("nitrate", "Parcel with 2 kg of ammonium nitrate at 0.15 m", _BAY, _NITRATE, 1003),
    Scenario("rdx", "Parcel with 1 kg of RDX at 0.20 m", _BAY,
             Load((Content("RDX (alpha)", 1.0),), standoff_m=0.2, temperature_k=293.0), 1004),
    Scenario("shielded", "The ammonium nitrate parcel wrapped in metal (60 dB)", _BAY,
             replace(_NITRATE, shield_db=60.0), 1005),
    Scenario("urea", "Parcel of urea: crystalline and harmless, its lines lie in no band", _BAY,
             Load((Content("urea", 5.0),), standoff_m=0.2, temperature_k=293.0), 1006),
    Scenario("carbamazepine", "Warm parcel of carbamazepine: a line in the cocaine base band", _BAY,
             Load((Content("carbamazepine form III", 3.0),), standoff_m=0.2, temperature_k=318.0), 1007),
    Scenario("ringing", "Parcel of quartz sand: it rings at every carrier", _BAY,
             Load((Content("sand", 5.0),), standoff_m=0.2, temperature_k=293.0, ringing_ft=100.0), 1008),
    Scenario("calibrant", "Empty bay with 0.3 kg of hexamethylenetetramine, the line thermometer, in its jig", _BAY,
             Load(calibrant=Content("hexamethylenetetramine", 0.3)), 1009),
)


def scenario(name: str) -> Scenario:
    """Return the scenario of that name. Raises `NoSuchScenario`."""
    for known in SCENARIOS:
        if known.name == name:
            return known
    raise NoSuchScenario(f"{name!r}: must be one of {[s.name for s in SCENARIOS]}")
