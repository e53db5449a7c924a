"""The report of a test bench: which instrument was tried, on which port, by which software, and what came of it. Pure.

Rule: it is signed as a record is (COSE_Sign1), over JSON that a person can read; it can never be taken for a record,
which is CBOR and begins with another byte.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from gateway.evidence.cbor import RECORD_BYTES_MAX
from gateway.evidence.cose import SIGNATURE_BYTES

FORMAT: Final = "spingate bench report 1"

# What is left of the largest signed message for the report: its headers and signature take some 100 bytes.
REPORT_BYTES_MAX = RECORD_BYTES_MAX - SIGNATURE_BYTES - 64

# A failure's words are for a person; the faults in full are in the terminal.
TEXT_CHARACTERS_MAX = 300

Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)]
Outcome = Literal["passed", "failed", "not tried"]


class ReportRefused(ValueError):
    """The bytes are no report; the message says what is wrong."""


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured number, its unit, and the rule it was held against; an empty rule: for information."""

    name: Text
    value: float | None
    unit: Text
    rule: Text = ""


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of one promise; `detail` says why it failed, or why it was not tried."""

    name: Text
    outcome: Outcome
    detail: Text
    seconds: float
    figures: tuple[Figure, ...] = ()


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answered, in its own words; what it does not tell is empty."""

    make: Text
    model: Text
    serial: Text
    firmware: Text


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One instrument on one port, through all checks. `emulated` says that no real device was there."""

    instrument: Text
    port: Text
    emulated: bool
    unit: int
    seconds: float
    settings: dict[str, str | int | float | bool]
    device: Device | None
    checks: tuple[Check, ...]


class Software(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ran: our version and the digest of its files, and what it stands on."""

    version: Text
    sha256: Text
    python: Text
    machine: Text
    packages: dict[str, str]


class BenchReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole report. `finished` is UTC, as good as `clock` says; `promises` says what each check holds to."""

    format: Literal["spingate bench report 1"]
    finished: Text
    clock: Text
    software: Software
    promises: dict[str, str]
    trials: tuple[Trial, ...]

    @property
    def passed(self) -> bool:
        """Whether something was tried and nothing failed."""
        outcomes = [check.outcome for trial in self.trials for check in trial.checks]
        return "passed" in outcomes and "failed" not in outcomes


def encode(report: BenchReport) -> bytes:
    """Return the JSON that is signed. Raises ReportRefused where it is too long for one signed message."""
    data = msgspec.json.format(msgspec.json.encode(report), indent=1)
    if len(data) > REPORT_BYTES_MAX:
        data = msgspec.json.encode(report)
    if len(data) > REPORT_BYTES_MAX:
        raise ReportRefused(f"report of {len(data)} bytes: at most {REPORT_BYTES_MAX}; test fewer instruments at once")
    return data


def decode(data: bytes) -> BenchReport:
    """Return the report in the payload of a signed message. Raises ReportRefused."""
    try:
        return msgspec.json.decode(data, type=BenchReport)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise ReportRefused(f"no bench report: {wrong}") from wrong


def describe_report(report: BenchReport) -> tuple[str, ...]:
    """Return what a person reads of it: one line for each trial, and one for each check that failed."""
    lines = [f"bench report of {report.finished} (clock {report.clock}), spingate {report.software.version}"]
    for trial in report.trials:
        counted = {word: sum(check.outcome == word for check in trial.checks) for word in ("passed", "failed")}
        not_tried = len(trial.checks) - sum(counted.values())
        who = f"{trial.device.make} {trial.device.model} {trial.device.serial}".strip() if trial.device else "nobody"
        real = "EMULATED, no real device" if trial.emulated else trial.port
        lines.append(f"{trial.instrument} on {real}: {who}: {counted['passed']} passed, {counted['failed']} failed, "
                     f"{not_tried} not tried")
        lines += [f"  failed: {check.name}: {check.detail}" for check in trial.checks if check.outcome == "failed"]
    return tuple(lines)


def clipped(text: str) -> str:
    """Return a text short enough for the report."""
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[: TEXT_CHARACTERS_MAX - 3] + "..."
