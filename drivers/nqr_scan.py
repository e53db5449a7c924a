"""One scan of the NQR head: write the schedule, start, follow the status, read and check every page.

It ends with a whole capture or with `ScanLost`, whose words say why; never with a part of a scan.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers import nqr_profile as profile
from drivers.driver import WriteRegisters
from drivers.nqr_talk import Refused, rest
from drivers.sample import Fault, ScanCapture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.driver import Request
    from drivers.nqr_talk import Conversation, Desk
    from drivers.sample import BandCapture, BandPlan, Identity

# A page that is wrong three times in a row is not a disturbance.
PAGE_ATTEMPTS = 3

# The head may be unplugged for a moment: a scan outlives 10 s without an answer (the head itself gives up
# after 30 s, section 3.2 of the profile).
SILENCE_S_MAX = 10.0

# How soon a failed request is tried again, and how often the status is asked for while waiting.
RETRY_S = 0.25
STATUS_S = 0.25

# The head needs 200 ms to check a schedule (section 3.1); four times that is a broken head.
CHECK_S_MAX = 0.8
CHECK_PAUSE_S = 0.05

START_ATTEMPTS = 3

# How long a scan may take at most: its dwell with a margin for a slow head, and the pages on the slowest line
# (8 s for a band at 115200 baud, section 5.1, with one attempt repeated).
DWELL_MARGIN = 1.2
START_S = 30.0
BAND_S = 20.0

# Exponents the profile allows (section 2.6).
EXPONENT_MAX = 24

# A parcel that moved during the scan: more than the range finder's own wander.
STANDOFF_CHANGE_MM_MAX = 20.0

KELVIN = 273.15


class ScanLost(Exception):
    """The scan will not be completed. `kind` is the kind of the fault to report."""

    def __init__(self, why: str, kind: str = "scan failed") -> None:
        super().__init__(why)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    scan_id: int
    plans: tuple[BandPlan, ...]
    dwell_s: float


class ScanRun:
    """The conversation of one scan.

    `poll` reads the status, emits it as a sample where one is due, and returns it or why it failed.
    """

    def __init__(self, order: Order, device: Identity, boot_id: int, desk: Desk,
                 poll: Callable[[], Conversation[profile.Status | Refused]]) -> None:
        self._order = order
        self._device = device
        self._boot_id = boot_id
        self._desk = desk
        self._poll = poll
        self._flags: list[str] = []
        self._pages: list[bytes] = []
        self._headers: list[profile.Header] = []
        self._started = False
        self._per_mille = 0
        self._reads_done = 0
        seconds = order.dwell_s * DWELL_MARGIN + START_S + BAND_S * len(order.plans)
        self._deadline = desk.now + round(seconds * 1e9)
        self._status_due = desk.now

    @property
    def progress(self) -> float:
        """From 0 to 1: half of it the measuring, half of it the reading."""
        reads = len(self._order.plans) * len(profile.data_reads())
        return 0.5 * self._per_mille / 1000.0 + 0.5 * min(self._reads_done / reads, 1.0)

    def talk(self) -> Conversation[ScanCapture]:
        """Run the scan and return it; raises `ScanLost`."""
        yield from self._arm()
        yield from self._start()
        bands: list[BandCapture] = []
        for band in range(len(self._order.plans)):
            yield from self._wait_for(band)
            bands.append((yield from self._band(band)))
        return self._capture(tuple(bands))

    def _arm(self) -> Conversation[None]:
        for write in profile.schedule_writes(self._order.plans, self._order.dwell_s):
            yield from self._ask(write)
        until = self._desk.now + round(CHECK_S_MAX * 1e9)
        while self._desk.now <= until:
            status = yield from self._status()
            if status.state == profile.ARMED:
                return
            if status.state == profile.ERROR:
                raise ScanLost(f"the head refused the schedule: {status.error}", "schedule refused")
            yield from rest(self._desk, CHECK_PAUSE_S)
        raise ScanLost(f"the head is {_state(status)} {CHECK_S_MAX} s after the schedule, not armed")

    def _start(self) -> Conversation[None]:
        """Start, and believe the status alone: the answer to a start may be lost while the head obeyed."""
        why = ""
        for _ in range(START_ATTEMPTS):
            reply = yield profile.command(profile.START, self._order.scan_id)
            status = yield from self._status()
            if status.scan_id == self._order.scan_id and status.state in {profile.SCANNING, profile.READY}:
                self._started = True
                return
            if status.state == profile.ERROR:
                raise ScanLost(status.error)
            why = reply.why if isinstance(reply, Refused) else f"the head is {_state(status)}"
        raise ScanLost(f"the head does not start: {why}")

    def _wait_for(self, band: int) -> Conversation[None]:
        while True:
            status = yield from self._checked_status()
            if status.bands_ready > band:
                return
            yield from rest(self._desk, STATUS_S)

    def _checked_status(self) -> Conversation[profile.Status]:
        status = yield from self._status()
        if status.state == profile.ERROR:
            raise ScanLost(f"the head stopped: {status.error}")
        if status.state not in {profile.SCANNING, profile.READY} or status.scan_id != self._order.scan_id:
            raise ScanLost(f"the head is {_state(status)} with scan {status.scan_id}")
        self._status_due = self._desk.now + round(4 * STATUS_S * 1e9)
        return status

    def _status(self) -> Conversation[profile.Status]:
        began = self._desk.now
        while True:
            self._check_wishes()
            status = yield from self._poll()
            if isinstance(status, profile.Status):
                break
            yield from self._wait_after(status, began)
        if status.boot_id != self._boot_id:
            raise ScanLost("the head restarted or was exchanged during the scan")
        self._per_mille = min(status.per_mille, 1000)
        return status

    def _ask(self, request: Request) -> Conversation[Sequence[int]]:
        """Return the answer; a request that fails is repeated (every one here may be).

        In between the status is asked for: a head that restarted refuses every page, and its status says why.
        """
        began = self._desk.now
        while True:
            self._check_wishes()
            reply = yield request
            if not isinstance(reply, Refused):
                return reply
            yield from self._wait_after(reply, began)
            yield from (self._checked_status() if self._started else self._status())

    def _wait_after(self, refused: Refused, began: int) -> Conversation[None]:
        if self._desk.now - began > SILENCE_S_MAX * 1e9:
            raise ScanLost(f"no good answer for {SILENCE_S_MAX:.0f} s: {refused.why}")
        yield from rest(self._desk, RETRY_S)

    def _check_wishes(self) -> None:
        if self._desk.aborting:
            raise ScanLost("aborted on request", "scan aborted")
        if self._desk.now > self._deadline:
            raise ScanLost("it takes longer than its dwell and the pages can explain")

    def _band(self, band: int) -> Conversation[BandCapture]:
        reads_before = self._reads_done
        for attempt in range(1, PAGE_ATTEMPTS + 1):
            self._reads_done = reads_before
            head = yield from self._select(band)
            data = yield from self._data()
            again = profile.header((yield from self._ask(profile.HEADER)))
            if again == head and profile.page_is_sound(head, data):
                self._refuse_other_settings(head)
                return self._taken(head, data)
            why = "checksum wrong" if again == head else "header changed while its page was read"
            self._desk.events.append(Fault("bad page", self._about(band, f"{why}, attempt {attempt}"), self._desk.now))
            self._flags.append(f"band {band} read again")
            yield from self._checked_status()
        raise ScanLost(f"band {band}: no sound page in {PAGE_ATTEMPTS} attempts")

    def _select(self, band: int) -> Conversation[profile.Header]:
        yield from self._ask(WriteRegisters(profile.BAND_SELECT, (band,)))
        head = profile.header((yield from self._ask(profile.HEADER)))
        if head.boot_id != self._boot_id and head.readable:
            raise ScanLost("the head restarted or was exchanged during the scan")
        if not head.readable or (head.band, head.scan_id) != (band, self._order.scan_id):
            raise ScanLost(f"band {band}: the head shows band {head.band} of scan {head.scan_id}")
        if any(abs(exponent) > EXPONENT_MAX for exponent in head.exponents):
            raise ScanLost(f"band {band}: exponents {head.exponents} outside ±{EXPONENT_MAX}")
        return head

    def _data(self) -> Conversation[bytes]:
        pieces: list[bytes] = []
        for read in profile.data_reads():
            registers = yield from self._ask(read)
            pieces.append(struct.pack(f">{read.count}H", *registers))
            self._reads_done += 1
            if self._desk.now >= self._status_due:
                yield from self._checked_status()
        return b"".join(pieces)

    def _refuse_other_settings(self, head: profile.Header) -> None:
        """Refuse points that are not spaced as ordered, or of no train: nothing behind could tell what they are."""
        told, ordered = head.plan, self._order.plans[head.band]
        for name, is_told, was_ordered in (
            ("rate", told.rate_hz, float(round(ordered.rate_hz))),
            ("echo spacing", round(told.echo_spacing_s * 1e6), round(ordered.echo_spacing_s * 1e6)),
            ("echoes per group", told.echoes_per_group, ordered.echoes_per_group),
        ):
            if is_told != was_ordered:
                raise ScanLost(f"band {head.band}: {name} {is_told:g} instead of {was_ordered:g}")
        if not told.trains:
            raise ScanLost(f"band {head.band}: no train was done")

    def _taken(self, head: profile.Header, data: bytes) -> BandCapture:
        plan = self._order.plans[head.band]
        if head.plan.trains != plan.trains:
            self._flags.append(f"band {head.band}: {head.plan.trains} trains of {plan.trains}")
        if abs(head.plan.carrier_hz - plan.carrier_hz) > 1.0:
            self._flags.append(f"band {head.band}: carrier {head.plan.carrier_hz:.0f} Hz")
        self._flags += [f"band {head.band}: channel {channel} clipped" for channel in range(profile.CHANNELS)
                        if head.clipped >> channel & 1]
        self._headers.append(head)
        self._pages += (head.block, data)
        return profile.capture(head, data)

    def _capture(self, bands: tuple[BandCapture, ...]) -> ScanCapture:
        last = self._headers[-1]
        standoffs = [head.standoff_mm for head in self._headers]
        if max(standoffs) - min(standoffs) > STANDOFF_CHANGE_MM_MAX:
            self._flags.append(f"standoff changed from {min(standoffs):.0f} to {max(standoffs):.0f} mm")
        return ScanCapture(self._device, self._order.scan_id, bands, self._order.dwell_s, last.bay_k - KELVIN,
                           last.standoff_mm / 1000.0, self._desk.now, b"".join(self._pages), tuple(self._flags))

    def _about(self, band: int, words: str) -> str:
        return f"scan {self._order.scan_id}, band {band}: {words}"


def _state(status: profile.Status) -> str:
    return profile.STATES[status.state] if status.state < len(profile.STATES) else f"in state {status.state}"
