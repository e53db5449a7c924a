"""The panels of the monitor as text: health, trace, spectrum, alerts and faults. Pure.

Rule: what is wrong is said in words as well as in colour; a screen may be grey, and so may a reader's eyes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

from gateway.monitor.canvas import curve, spread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.control import InstrumentStatus, Status
    from gateway.monitor.memory import Told, Trace
    from gateway.monitor.spectrum import Spectrum
    from gateway.publisher.status import Status as PublisherStatus

STYLES = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}
SPECTRUM_DB = (-6.0, 30.0)     # noise is at 0 +- 1 after averaging; a station may be far above, and is cut
TRACE_SPAN_MIN = 1.0           # in the trace's unit: a quiet trace is not blown up to the full height


def health(core: Status | None, publisher: PublisherStatus | None) -> Text:
    """Return one line each for the core and the publisher."""
    text = Text()
    if core is None:
        text.append("FAIL core: no running gateway answers\n", STYLES["FAIL"])
    else:
        word = "FAIL" if core.stalled else "OK"
        text.append(f"{word:<4} ", STYLES[word])
        text.append(f"core {core.gateway}: up {core.running_s:.0f} s, {core.records} records, clock {core.clock}"
                    f"{''.join('; no progress: ' + one for one in core.stalled)}\n")
    if publisher is None:
        text.append("FAIL publisher: never ran", STYLES["FAIL"])
        return text
    word = "OK" if publisher.state == "connected" and not publisher.held else "FAIL"
    text.append(f"{word:<4} ", STYLES[word])
    text.append(f"publisher {publisher.state} to {publisher.broker}: {publisher.published} published,"
                f" {publisher.backlog} to go")
    return text


def instruments(rows: Iterable[tuple[str, InstrumentStatus]]) -> Table:
    """Return the table of instruments, each with its word."""
    table = Table(expand=True, box=None, padding=(0, 1))
    for title, wide in (("", None), ("instrument", None), ("last value", 3), ("age", None), ("last fault", 2)):
        table.add_column(title, ratio=wide, no_wrap=True, overflow="ellipsis")
    for word, one in rows:
        age = "" if one.last_value_age_s is None else f"{one.last_value_age_s:.1f} s"
        value = f"scanning {one.scan_progress:.0%}" if one.scan_progress is not None else one.last_value or "no answer"
        value = f"(learning the lane) {value}" if one.learning else value
        value = f"(drift {one.drift}) {value}" if one.drift.startswith(("degraded", "inhibited")) else value
        table.add_row(Text(word, STYLES[word]), one.name, value, age, one.last_fault)
    return table


def trace_plot(trace: Trace, columns: int, rows: int) -> Text:
    """Return the last minute of a magnetometer as its deviation from the minute's median."""
    values = trace.window()
    seen = values[np.isfinite(values)]
    if not len(seen):
        return Text("nothing measured in the last minute")
    middle = float(np.median(seen))
    reach = max(float(np.abs(seen - middle).max()), TRACE_SPAN_MIN / 2)
    lines = curve(values - middle, columns, rows - 1, -reach, reach)
    word = "" if trace.calibrated else ", uncalibrated"
    foot = f"60 s; ±{reach:.3g} {trace.unit} around {middle:.6g} {trace.unit}{word}"
    return Text("\n".join([*lines, foot]))


def spectrum_plot(spectrum: Spectrum, columns: int, rows: int) -> Text:
    """Return one band with a mark under its pilot tone and under each covered line that it holds."""
    lines = curve(spread(spectrum.db, columns), columns, rows - 3, *SPECTRUM_DB)
    low, high = float(spectrum.khz[0]), float(spectrum.khz[-1])
    marks = [" "] * columns
    for khz, _ in spectrum.lines:
        marks[min(int((khz - low) / (high - low) * columns), columns - 1)] = "▲"
    marks[min(max(int((spectrum.pilot_khz - low) / (high - low) * columns), 0), columns - 1)] = "P"
    names = ", ".join(f"{name} {khz:.1f}" for khz, name in spectrum.lines) or "no covered line"
    peak_khz, peak_db = spectrum.peak
    feet = (f"▲ {names}", f"{low:.1f} to {high:.1f} kHz; P pilot; peak {peak_db:.1f} dB at {peak_khz:.2f} kHz")
    return Text("\n".join([*lines, "".join(marks), *feet]), no_wrap=True, overflow="ellipsis")


def told(lines: Iterable[Told], rows: int) -> Text:
    """Return the newest lines, newest first."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for one in list(reversed(list(lines)))[:rows]:
        text.append(f"{one.at} ", "dim")
        text.append(f"{one.words}\n", STYLES["FAIL"] if one.alarm else "")
    return text if len(text) else Text("none", "dim")
