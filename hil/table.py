"""Every emulated instrument: one line for each, with the scenes it can replay. Pure.

The counterpart of drivers/table.py; both use the same names, so that whoever knows one knows the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.emulated import Emulated
from hil.instruments import csac, geometrics, lane_plc, nqrduck, qzfm, uncut_gem
from hil.instruments.eurotherm import Eurotherm
from hil.instruments.nqr_head import NqrHead
from hil.instruments.twinleaf import TwinleafDevice
from hil.scene.head import Belt
from hil.scene.lane import Lane, Pass, Sensor, vector_source
from hil.scene.scenario import SCENARIOS, scenario
from hil.scene.tumble import Tumble, tumble_source

if TYPE_CHECKING:
    from hil.emulated import Wish

TROLLEY = (2.0, 0.5, -4.0)     # A m^2: a hand trolley's worth of steel, an assumption
PASS_EVERY_S, PASSES = 40.0, 2160  # for a day


def lane_of(scene: str, seed: int) -> Lane:
    """Return a quiet lane, or one through which a trolley passes every 40 s, the first time after 20 s."""
    passes = tuple(Pass(TROLLEY, PASS_EVERY_S * (n + 0.5), closest_m=0.8) for n in range(PASSES))
    return Lane(seed=seed, passes=passes if scene == "trolley" else ())


def magnetometer(wish: Wish) -> TwinleafDevice:
    """Return a magnetometer in the lane, or one that is turned over by a patient technician."""
    if wish.scene == "tumble":
        source = tumble_source(Tumble(seed=wish.seed))
    else:
        source = vector_source(lane_of(wish.scene, wish.seed), Sensor(key=wish.seed))
    return TwinleafDevice(source, bare=wish.packets)


def head(wish: Wish) -> NqrHead:
    """Return a head in whose bay one scenario lies for ever, or all of them in turn."""
    shown = SCENARIOS if wish.scene == "belt" else (scenario(wish.scene),)
    return NqrHead(Belt(shown, seed=wish.seed), wish.worker, wish.seed, ahead=wish.ahead)


EMULATED = {
    row.name: row
    for row in (
        Emulated("twinleaf", "vector magnetometer", ("quiet", "trolley", "tumble"), make_bytes=magnetometer),
        Emulated(
            "eurotherm-3200", "oven controller", ("oven",), make_registers=lambda wish: Eurotherm(wish.now), baud=9600
        ),
        Emulated(
            "nqr-head",
            "NQR head, register profile of this project",
            ("belt", *(one.name for one in SCENARIOS)),
            make_registers=head,
        ),
        csac.ROW,
        geometrics.ROW,
        qzfm.ROW,
        uncut_gem.ROW,
        lane_plc.ROW,
        nqrduck.ROW,
    )
}
