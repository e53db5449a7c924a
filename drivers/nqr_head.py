"""NQR head over Modbus: who it is, how it is, and whole scans. No I/O and no clock in this file.

Rule: a scan that was begun ends with a capture or with a fault.
Register profile defined by this project. It does not describe a commercial device.

Quantity   magnetic flux density in T, as complex echoes of each band; meanwhile temperatures, standoff and state
Range      bands from 0.3 to 6 MHz as the emulated head tells them; a real one tells its own
Line       Modbus TCP, or Modbus RTU 115200 8N1
Source     docs/nqr-head-profile.md, version 1.0
Faults     "no answer", "foreign device", "device changed", "device restarted", "scan failed", "scan aborted",
           "schedule refused"
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from drivers import nqr_profile as profile
from drivers.complaint import Complaint
from drivers.driver import Instrument, LineSettings, ReadRegisters
from drivers.nqr_scan import Order, ScanLost, ScanRun
from drivers.nqr_talk import Desk, Pause, Refused, rest
from drivers.sample import Channel, Fault, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.driver import DriverOptions, Request
    from drivers.nqr_talk import Conversation
    from drivers.sample import BandPlan, Event, Nanoseconds

CHANNELS = (
    Channel("bay_temperature", "temperature", "K"),
    Channel("electronics_temperature", "temperature", "K"),
    Channel("standoff", "length", "mm"),
    Channel("state", "state", "1"),  # 0 idle, 1 armed, 2 scanning, 3 ready, 4 error
)

# The kinds of fault that end a scan; one of them or the capture follows every `begin`.
SCAN_ENDS = frozenset({"scan failed", "scan aborted", "schedule refused"})

# How soon a device that is not (yet) a head of this profile is asked again.
GREET_AGAIN_S = 1.0

# How long a scan may wait for a head that is away or unknown.
BEGIN_S_MAX = 10.0

# The profile's table has 32 places; the head may take fewer and says so.
BANDS_MAX = 32


class ScanInProgress(Exception):
    """A scan was begun while another one runs: the caller's mistake."""


class NqrHead:
    """Polls the head each `poll_s` and runs one scan at a time."""

    idle_s_max = 0.05

    def __init__(self, poll_s: float = 1.0) -> None:
        self._poll_ns = round(poll_s * 1e9)
        self._desk = Desk()
        self._complaint = Complaint()    # no answer
        self._foreign = Complaint()      # an answer, but not of a head
        self._greeting: profile.Greeting | None = None
        self.capabilities: profile.Capabilities | None = None
        self._order: Order | None = None
        self._order_seen: Nanoseconds | None = None
        self._run: ScanRun | None = None
        self._last_scan_id = 0
        self._sample_due: Nanoseconds = 0
        self._samples = 0
        self._woken = False
        self._life = self._live()
        self._next: Request | Pause | None = None

    @property
    def progress(self) -> float | None:
        """From 0 to 1 while a scan runs, None otherwise."""
        if self._order is None:
            return None
        return self._run.progress if self._run is not None else 0.0

    def begin(self, plans: tuple[BandPlan, ...], dwell_s: float) -> int:
        """Order a scan and return its id; a `ScanCapture` or a fault of `SCAN_ENDS` with that id will follow.

        Raises `ScanInProgress`, or ValueError for a plan that no register can hold.
        """
        if self._order is not None:
            raise ScanInProgress(f"scan {self._order.scan_id} is running")
        _check_plans(plans, dwell_s)
        self._last_scan_id = self._last_scan_id % 0xFFFFFFFF + 1
        self._order = Order(self._last_scan_id, plans, dwell_s)
        self._order_seen = None
        self._desk.aborting = False
        self._woken = True
        return self._last_scan_id

    def abort(self) -> None:
        """Give up the running scan; a fault of kind "scan aborted" follows."""
        if self._order is not None:
            self._desk.aborting = True
            self._woken = True

    def ask(self, now: Nanoseconds) -> Request | None:
        """Return the next request that is due."""
        self._desk.now = now
        if self._order is not None and self._order_seen is None:
            self._order_seen = now
        if self._next is None:
            self._next = next(self._life)
        if isinstance(self._next, Pause) and (self._woken or now >= self._next.until):
            self._woken = False
            self._next = self._life.send(())
        return None if isinstance(self._next, Pause) else self._next

    def answer(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Take an answer of the right length; return what it completed."""
        wanted = self._next.count if isinstance(self._next, ReadRegisters) else 0
        if len(registers) != wanted:
            return self.refuse(f"{len(registers)} registers instead of {wanted}", now)
        self._complaint.settled()
        return self._go_on(registers, now)

    def refuse(self, why: str, now: Nanoseconds) -> list[Event]:
        """Take a failure; return the faults it makes."""
        complaints = self._complaint.failed("no answer", f"NQR head: {why}", now)
        return [*complaints, *self._go_on(Refused(why), now)]

    def _go_on(self, reply: Sequence[int] | Refused, now: Nanoseconds) -> list[Event]:
        self._desk.now = now
        self._next = self._life.send(reply)
        events, self._desk.events = self._desk.events, []
        return events

    def _live(self) -> Conversation[None]:
        """Everything that is ever said to the head."""
        while True:
            greeting = yield from self._greet()
            if greeting is not None:
                yield from self._serve(greeting)
            else:
                self._drop_overdue()
                yield from rest(self._desk, GREET_AGAIN_S)

    def _greet(self) -> Conversation[profile.Greeting | None]:
        """Find out who is there and what it can do; None if that failed."""
        reply = yield profile.IDENTITY
        abilities = reply if isinstance(reply, Refused) else (yield profile.CAPABILITIES)
        if isinstance(reply, Refused) or isinstance(abilities, Refused):
            return None
        greeting, capabilities = profile.greeting(reply), profile.capabilities(abilities)
        if greeting is None or capabilities is None:
            self._desk.events += self._foreign.failed(
                "foreign device", "not an NQR head of register profile 1.x", self._desk.now)
            return None
        self._foreign.settled()
        self._compare(greeting)
        self._greeting, self.capabilities = greeting, capabilities
        return greeting

    def _compare(self, fresh: profile.Greeting) -> None:
        """Report another device in the old one's place, and a restart."""
        known = self._greeting
        if known is not None and known.identity != fresh.identity:
            words = f"{_name(known)} was replaced by {_name(fresh)}"
            self._desk.events.append(Fault("device changed", words, self._desk.now))
        elif known is not None and known.boot_id != fresh.boot_id:
            self._desk.events.append(Fault("device restarted", f"{_name(fresh)} restarted", self._desk.now))

    def _serve(self, greeting: profile.Greeting) -> Conversation[None]:
        """Poll and scan until another boot id shows that this is not the same head any more."""
        while True:
            if self._order is not None:
                yield from self._scan(self._order, greeting)
            status = yield from self._poll()
            if isinstance(status, profile.Status):
                self._last_scan_id = max(self._last_scan_id, status.scan_id)
                if status.boot_id != greeting.boot_id:
                    return
            wait_s = max(self._sample_due - self._desk.now, 0) / 1e9
            yield from rest(self._desk, max(wait_s, self.idle_s_max))

    def _poll(self) -> Conversation[profile.Status | Refused]:
        reply = yield profile.STATUS
        if isinstance(reply, Refused):
            self._sample_due = self._desk.now + self._poll_ns
            return reply
        status = profile.status(reply)
        # While a scan runs the status is asked for more often than a sample is wanted.
        if self._desk.now >= self._sample_due and self._greeting is not None:
            self._sample_due = max(self._sample_due + self._poll_ns, self._desk.now + self._poll_ns // 2)
            if status.boot_id == self._greeting.boot_id:
                self._desk.events.append(self._sample(status, self._greeting, reply))
        return status

    def _sample(self, status: profile.Status, greeting: profile.Greeting, reply: Sequence[int]) -> Sample:
        values = np.array([[status.bay_k, status.electronics_k, status.standoff_mm, float(status.state)]])
        missing = tuple(f"no {channel.name.replace('_', ' ')}" for channel, value in
                        zip(CHANNELS, values[0], strict=True) if np.isnan(value))
        self._samples += 1
        return Sample(greeting.identity, "head", CHANNELS, values, None, self._samples - 1, self._desk.now,
                      struct.pack(f">{len(reply)}H", *reply), status.faults + missing)

    def _scan(self, order: Order, greeting: profile.Greeting) -> Conversation[None]:
        self._run = ScanRun(order, greeting.identity, greeting.boot_id, self._desk, self._poll)
        try:
            capture = yield from self._run.talk()  # before the list is looked up: each answer replaces it
            self._desk.events.append(capture)
            self._order = self._run = None
        except ScanLost as lost:
            self._lose(order, str(lost), lost.kind)
            # Whatever was wrong, no transmitter is left on; a head that does not answer stops by itself.
            yield profile.command(profile.ABORT, order.scan_id)

    def _drop_overdue(self) -> None:
        """Give up an order that waits for a head that is not there."""
        if self._order is None or self._order_seen is None:
            return
        if self._desk.aborting:
            self._lose(self._order, "aborted on request", "scan aborted")
        elif self._desk.now - self._order_seen > BEGIN_S_MAX * 1e9:
            self._lose(self._order, f"no head answered for {BEGIN_S_MAX:.0f} s", "scan failed")

    def _lose(self, order: Order, why: str, kind: str) -> None:
        self._desk.events.append(Fault(kind, f"scan {order.scan_id}: {why}", self._desk.now))
        self._order = self._run = None


def _check_plans(plans: tuple[BandPlan, ...], dwell_s: float) -> None:
    """Refuse what does not fit the registers; what the head can do is the head's to say."""
    if not 1 <= len(plans) <= BANDS_MAX:
        raise ValueError(f"plans: {len(plans)} bands: must be 1 to {BANDS_MAX}")
    if not 0.001 <= dwell_s <= 4_000_000.0:
        raise ValueError(f"dwell_s = {dwell_s}: must be 0.001 to 4000000")
    for band, plan in enumerate(plans):
        limits = (("carrier_hz", plan.carrier_hz, 4e9), ("rate_hz", plan.rate_hz, 4e9),
                  ("echo_spacing_s", plan.echo_spacing_s * 1e6, 4e9),
                  ("echoes_per_group", plan.echoes_per_group, 0xFFFF), ("trains", plan.trains, 0xFFFF))
        for key, value, most in limits:
            if not 0 < value <= most:
                raise ValueError(f"plans[{band}].{key} = {getattr(plan, key)}: must be above 0 and fit its register")


def _name(greeting: profile.Greeting) -> str:
    identity = greeting.identity
    return f"{identity.make} {identity.model} serial {identity.serial}"


def _make(options: DriverOptions) -> NqrHead:
    return NqrHead(options.poll_s)


INSTRUMENT = Instrument(
    name="nqr-head",
    title="NQR head (register profile defined by this project, not a commercial device)",
    quantity="magnetic flux density",
    unit="T",
    line=LineSettings(baud=115200),
    source="docs/nqr-head-profile.md 1.0",
    make=_make,
    kind="registers",
    uncertainty="by the pilot tone of each band and its certificate",
)
