"""The monitor's screen: five panels that follow the gateway. Edge: textual's loop and the terminal.

Rule: looking never waits for the gateway: what does not answer is shown as not answering.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widgets import Footer, Header, Static

from gateway.monitor import panels
from gateway.monitor.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.control import InstrumentStatus, Status
    from gateway.monitor.source import Source

RECORDS_S = 0.25   # how often the journal is looked at: an eye sees no more
READS_MAX = 10     # of the journal in one turn: the keys stay alive where much is to be caught up on
STATUS_S = 1.0     # how often the core is asked
TITLES = {"health": "gateway", "instruments": "instruments", "trace": "magnetometer", "spectrum": "spectrum",
          "alerts": "verdicts and anomalies", "faults": "faults"}


class Monitor(App[None]):
    """Follows one gateway until it is told to quit."""

    CSS = """
    .panel { border: round $secondary; padding: 0 1; }
    #health { height: 4; }
    #instruments { height: auto; max-height: 12; }
    .row { height: 1fr; min-height: 8; }
    .row .panel { width: 1fr; height: 1fr; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [  # textual's own type is wider than it needs to be
        ("q", "quit", "quit"), ("m", "magnetometer", "next magnetometer"),
        ("left", "band(-1)", "band below"), ("right", "band(1)", "band above"), ("b", "band(0)", "highest peak"),
        ("p", "pause", "pause"),
    ]

    def __init__(self, source: Source, name: str, judge: Callable[[InstrumentStatus], str]) -> None:
        """Follow `source`, the gateway `name`; `judge` says OK, WARN or FAIL of an instrument."""
        super().__init__()
        self.title = f"spingate monitor: {name}"
        self.source, self.judge = source, judge
        self.memory = Memory()
        self.shown = 0                   # which magnetometer, by its place
        self.band: int | None = None     # which band; None: that with the highest peak
        self.paused = False

    def compose(self) -> ComposeResult:
        """Lay out the panels."""
        yield Header(show_clock=True)
        yield Static(id="health", classes="panel", markup=False)
        yield Static(id="instruments", classes="panel", markup=False)
        with Horizontal(classes="row"):
            yield Static(id="trace", classes="panel", markup=False)
            yield Static(id="spectrum", classes="panel", markup=False)
        with Horizontal(classes="row"):
            yield Static(id="alerts", classes="panel", markup=False)
            yield Static(id="faults", classes="panel", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        for name, title in TITLES.items():
            self.panel(name).border_title = title
        self.look_at_records()
        self.set_interval(RECORDS_S, self.look_at_records)
        self.run_worker(self.follow_status())

    def panel(self, name: str) -> Static:
        """Return one panel."""
        return self.query_one(f"#{name}", Static)

    async def follow_status(self) -> None:
        """Ask the core and the publisher again and again, in a thread: a core that hangs answers after seconds."""
        while True:
            if not self.paused:
                self.draw_status(await asyncio.to_thread(self.source.core))
            await asyncio.sleep(STATUS_S)

    def draw_status(self, core: Status | None) -> None:
        """Draw what the core and the publisher say of themselves."""
        self.panel("health").update(panels.health(core, self.source.publisher()))
        rows = [(self.judge(one), one) for one in core.instruments] if core else []
        self.panel("instruments").update(panels.instruments(rows))

    def look_at_records(self) -> None:
        """Take in what is new and draw it."""
        if self.paused:
            return
        for _ in range(READS_MAX):
            records = self.source.records()
            for record in records:
                self.memory.take(record, self.source.raw)
            if not records:
                break
        self.draw()

    def draw(self) -> None:
        """Draw everything that comes from records."""
        self.draw_trace()
        self.draw_spectrum()
        for name, lines in (("alerts", self.memory.alerts), ("faults", self.memory.faults)):
            panel = self.panel(name)
            panel.update(panels.told(lines, panel.content_size.height))
        self.panel("faults").border_subtitle = self.source.trouble

    def draw_trace(self) -> None:
        """Draw the chosen magnetometer."""
        panel, names = self.panel("trace"), sorted(self.memory.traces)
        if not names:
            panel.update("no magnetometer was heard yet")
            return
        name = names[self.shown % len(names)]
        panel.border_title = f"magnetometer {name} ({self.shown % len(names) + 1} of {len(names)})"
        width, height = panel.content_size
        if width > 0 and height > 1:
            panel.update(panels.trace_plot(self.memory.traces[name], width, height))

    def draw_spectrum(self) -> None:
        """Draw the chosen band of the newest scan."""
        panel, spectra = self.panel("spectrum"), self.memory.spectra
        if not spectra:
            panel.update("no scan yet")
            return
        place = self.band if self.band is not None else max(range(len(spectra)), key=lambda one: spectra[one].peak[1])
        place %= len(spectra)
        panel.border_title = f"{self.memory.scan}: band {place + 1} of {len(spectra)}"
        width, height = panel.content_size
        if width > 0 and height > 3:
            panel.update(panels.spectrum_plot(spectra[place], width, height))

    def action_magnetometer(self) -> None:
        """Show the next magnetometer."""
        self.shown += 1
        self.draw_trace()

    def action_band(self, step: int) -> None:
        """Show the next band, or (0) that with the highest peak."""
        spectra = self.memory.spectra
        if not step or not spectra:
            self.band = None
        else:
            now = self.band if self.band is not None else max(
                range(len(spectra)), key=lambda one: spectra[one].peak[1])
            self.band = (now + step) % len(spectra)
        self.draw_spectrum()

    def action_pause(self) -> None:
        """Hold the picture still, or go on."""
        self.paused = not self.paused
        self.sub_title = "paused" if self.paused else ""
