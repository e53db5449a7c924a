"""A journal with calibrated scans of the emulated head and their verdicts, made by the gateway's own pipeline."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from calibration.certificate import parse_certificate
from calibration.certificate_text import certificate_text
from drivers.nqr_profile import captures_of
from drivers.sample import Identity, ScanCapture
from gateway import clock
from gateway.block import Block
from gateway.claims import NOTHING
from gateway.detection.sequence import LoadSequence
from gateway.drafts import Drafter
from gateway.evidence import keys
from gateway.evidence.act import CalibrationBody
from gateway.evidence.journal import open_journal
from gateway.evidence.record import Provenance
from gateway.evidence.writer import Writer
from gateway.pipeline import Lane, Pipeline
from gateway.series import Series
from hil.certificates import head_certificate
from hil.instruments.nqr_page import page_of
from hil.scene.scenario import scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.detection.detector import Detector
    from gateway.evidence.keys import SigningKey

Result = TypeVar("Result")

HEAD = Identity("Spingate", "emulated NQR-8", "NQR-0001", "1.0")
GAINS = (38.0 * np.exp(1j * np.linspace(0.0, 1.5, 8))).astype(np.complex64)   # what the certificate must undo
BOOT = 77


def captured(name: str, scan_id: int, dwell_s: float = 300.0) -> ScanCapture:
    """Return a named scene as the driver delivers it: int16 pages, and the bands decoded from them.

    A scan of another length is one of several of the same load by the same head, each with noise of its own.
    """
    shown = scenario(name)
    again = replace(shown, bay=replace(shown.bay, head=1))
    felt = shown.scan() if dwell_s == 300.0 else again.scan(dwell_s, seed=scan_id)
    standoff_mm = min(round(felt.standoff_m * 1000), 0xFFFE)
    pages = [page_of((at, scan_id, 29315, standoff_mm), band.plan, band, GAINS)  # type: ignore[arg-type]  # has the same fields
             for at, band in enumerate(felt.bands)]
    raw = b"".join(page.header + struct.pack(">II", page.crc, BOOT) + page.data for page in pages)
    return ScanCapture(HEAD, scan_id, captures_of(raw), felt.dwell_s, 293.15 - 273.15, standoff_mm / 1000.0, 5, raw,
                       ("band 2 read again",))


def journal_of(path: Path, detector: Detector, names: tuple[str, ...], *, certified: bool = True,
               key: SigningKey | None = None, looks_s: float | None = None) -> None:
    """Write a journal: a certificate, and each named scene scanned and decided; with `looks_s` as looks at one load."""
    now = clock.now()
    text = certificate_text(head_certificate(HEAD, GAINS, now.wall_ns / 1e9))
    certificate = parse_certificate(text.encode(), "head.toml")
    journal = open_journal(path, "bay-1", key or keys.generate())
    writer = Writer(journal, clock.monotonic_ns, clock.wall_ns)
    writer.start()
    drafter = Drafter(clock.boot_id(), Provenance("test", bytes(32), bytes(32)))
    writer.submit(drafter.draft(now, CalibrationBody("head", text, accepted=True, reason="")))
    lane = Lane("head", Block(1.0), certificate if certified else None, None, scans=True)

    async def inline(work: Callable[..., Result], *words: object) -> Result:
        return work(*words)

    pipeline = Pipeline(clock.now, drafter, writer.submit, inline, detector.decide, believe_clock=True)

    async def screen() -> None:
        series = Series("test", NOTHING, LoadSequence(detector, len(names))) if looks_s else None
        for number, name in enumerate(names):
            if series is not None:
                series.look, series.scan_id = number + 1, 40 + number
                lane.looks_at(series)
            await pipeline.screen(lane, captured(name, 40 + number, looks_s or 300.0))

    asyncio.run(screen())
    writer.close()
    journal.close()
