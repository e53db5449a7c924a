"""What the core says of itself when it is asked. Pure: it looks at the lanes and writes words.

The last datum and the last fault are both kept, with their ages: a fault that is over is still told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.nqr_head import NqrHead
from drivers.table import DRIVERS
from gateway import __version__
from gateway.control import InstrumentStatus, Status
from gateway.progress import SECOND
from gateway.words import values

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds
    from gateway.acquisition import Acquisition
    from gateway.assembly import Assembly
    from gateway.clock import Now
    from gateway.config_tables import InstrumentTable
    from gateway.detection.drift_state import DriftState

SILENT_S_MIN = 10.0  # a line that was lost is opened again and speaks within this


class StatusDesk:
    """Knows where to look."""

    def __init__(self, assembly: Assembly, acquisition: Acquisition, started_at: Nanoseconds) -> None:
        self._assembly = assembly
        self._acquisition = acquisition
        self._started_at = started_at

    def line(self) -> str:
        """Return one line for systemctl status."""
        lanes = self._assembly.lanes.values()
        readings, faults = sum(lane.readings for lane in lanes), sum(lane.faults for lane in lanes)
        return f"{readings} readings, {faults} faults, {self._assembly.journal.size} records"

    def status(self, now: Now, stalled: list[str]) -> Status:
        """Return everything an operator asks for first."""
        assembly = self._assembly
        told = [(lane.last_verdict, lane.last_scan_record) for lane in assembly.lanes.values() if lane.last_verdict]
        verdict, record = told[-1] if told else (None, None)
        return Status(
            gateway=assembly.loaded.config.gateway.id,
            version=__version__,
            running_s=(now.monotonic_ns - self._started_at) / SECOND,
            records=assembly.journal.size,
            stalled=stalled,
            clock=now.state,
            key_id=assembly.key.kid.hex(),
            model_sha256=assembly.judgement.model_sha256.hex(),
            last_verdict=f"{verdict.outcome}: {'; '.join(verdict.reasons)}" if verdict else "",
            instruments=[self.instrument(row, now.monotonic_ns) for row in assembly.loaded.config.instrument],
            last_scan_record=record,
        )

    def instrument(self, row: InstrumentTable, now: Nanoseconds) -> InstrumentStatus:
        """Return the state of one instrument."""
        lane = self._assembly.lanes[row.name]
        reading, fault, driver = lane.last_reading, lane.last_fault, self._acquisition.drivers[row.name]
        return InstrumentStatus(
            name=row.name,
            driver=row.driver,
            port=row.port,
            device=" ".join(filter(None, (reading.device.make, reading.device.model, reading.device.serial)))
            if reading else "",
            calibrated=lane.trust is not None and lane.trust.calibrated,
            calibration=lane.trust.reason if lane.trust else "nothing measured yet",
            last_value=values(reading) if reading else "",
            last_value_age_s=(now - reading.seen_at) / SECOND if reading else None,
            last_fault=f"{fault.kind}: {fault.detail}" if fault else "",
            last_fault_age_s=(now - fault.seen_at) / SECOND if fault else None,
            readings=lane.readings,
            faults=lane.faults,
            scan_progress=driver.progress if isinstance(driver, NqrHead) else None,
            silent_s_max=silent_s_max(row),
            drift=drift_words(lane.drift.watch.state) if lane.drift else "",
            look=lane.series.where if lane.series else "",
            learning=lane.watch.learning if lane.watch else (),
        )


def drift_words(state: DriftState) -> str:
    """Return the state of a head's drift watch: its word first."""
    return f"{state.level}: {'; '.join(state.what)}" if state.what else str(state.level)


def silent_s_max(row: InstrumentTable) -> float:
    """Return after how long without a reading an instrument is not well: three of its own, and never less than 10 s."""
    period_ms = row.poll_ms if DRIVERS[row.driver].kind == "registers" else row.block_ms
    return max(SILENT_S_MIN, 3 * period_ms / 1000)
