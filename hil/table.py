"""Every emulated instrument: one line for each, with the scenes it can replay. Pure.

The counterpart of drivers/table.py; both use the same names, so that whoever knows one knows the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.emulated import Emulated
from hil.instruments import (
    bdbg,
    csac,
    geometrics,
    gmc,
    lane_plc,
    mecom,
    nqrduck,
    qzfm,
    twinleaf_scenes,
    uncut_gem,
)
from hil.instruments.eurotherm import Eurotherm
from hil.instruments.nqr_drift import AGEINGS, Aged
from hil.instruments.nqr_head import NqrHead
from hil.scene.head import Belt
from hil.scene.scenario import SCENARIOS, scenario

if TYPE_CHECKING:
    from hil.emulated import Wish


def head(wish: Wish) -> NqrHead:
    """Return a head in whose bay one scenario lies for ever, or all of them in turn; or one that ages.

    An ageing head has an empty bay, with the line thermometer in its jig.
    """
    if wish.scene in AGEINGS:
        aged = Aged(Belt((scenario("calibrant"),), seed=wish.seed), AGEINGS[wish.scene], wish.seed)
        return NqrHead(aged, wish.worker, wish.seed, ahead=wish.ahead)
    shown = SCENARIOS if wish.scene == "belt" else (scenario(wish.scene),)
    return NqrHead(Belt(shown, seed=wish.seed), wish.worker, wish.seed, ahead=wish.ahead)


EMULATED = {
    row.name: row
    for row in (
        twinleaf_scenes.ROW,
        Emulated(
            "eurotherm-3200", "oven controller", ("oven",), make_registers=lambda wish: Eurotherm(wish.now), baud=9600
        ),
        Emulated(
            "nqr-head",
            "NQR head, register profile of this project",
            ("belt", *(one.name for one in SCENARIOS), *AGEINGS),
            make_registers=head,
        ),
        csac.ROW,
        mecom.ROW,
        gmc.ROW,
        bdbg.ROW,
        geometrics.ROW,
        qzfm.ROW,
        uncut_gem.ROW,
        lane_plc.ROW,
        nqrduck.ROW,
    )
}
