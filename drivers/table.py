"""Every instrument there is a driver for: one file beside this one, one line in this table. Nothing else to touch.

A driver that stands here is walked by the conformance tests, shown by `spingate hil --list` and named in the README.
"""

from __future__ import annotations

from drivers import (
    bdbg,
    csac,
    eurotherm,
    geometrics,
    gmc,
    mecom,
    modbus_map,
    nqr_head,
    nqrduck,
    qzfm,
    twinleaf,
    uncut_gem,
)

DRIVERS = {
    row.name: row
    for row in (
        twinleaf.INSTRUMENT,
        eurotherm.INSTRUMENT,
        nqr_head.INSTRUMENT,
        csac.INSTRUMENT,
        mecom.INSTRUMENT,
        gmc.INSTRUMENT,
        bdbg.INSTRUMENT,
        geometrics.INSTRUMENT,
        qzfm.INSTRUMENT,
        uncut_gem.INSTRUMENT,
        modbus_map.INSTRUMENT,
        nqrduck.INSTRUMENT,
    )
}
