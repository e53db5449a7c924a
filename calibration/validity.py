"""Whether a certificate may be applied to what an instrument delivered now, and if not, why, in words.

An empty answer is a yes. Every other answer names the instrument, its serial number or the date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.certificate import utc

if TYPE_CHECKING:
    from datetime import datetime

    from calibration.certificate import Certificate, Statement
    from drivers.sample import Identity


def why_not(certificate: Certificate | None, device: Identity, wall_s: float, clock_trusted: bool) -> str:  # noqa: FBT001  the caller passes it by name
    """Return why this certificate does not hold for this instrument at this wall time; empty if it does."""
    whose = instrument_name(device)
    if certificate is None:
        return f"{whose} has no calibration certificate"
    statement = certificate.statement
    return _foreign(statement, device, whose) or _out_of_date(statement, whose, wall_s, clock_trusted)


def instrument_name(device: Identity) -> str:
    """Return how to call an instrument in a sentence."""
    name = " ".join(part for part in (device.make, device.model) if part) or "instrument of unknown make"
    return f"{name}, serial {device.serial}" if device.serial else f"{name}, serial number unknown"


def _foreign(statement: Statement, device: Identity, whose: str) -> str:
    subject = statement.instrument
    if not device.serial:
        return f"certificate {statement.id} is for serial {subject.serial}; connected is {whose}"
    if (subject.make, subject.model, subject.serial) == (device.make, device.model, device.serial):
        return ""
    return (f"certificate {statement.id} is for {subject.make} {subject.model}, serial {subject.serial}; "
            f"connected is {whose}")


def _out_of_date(statement: Statement, whose: str, wall_s: float, clock_trusted: bool) -> str:  # noqa: FBT001  one caller, above
    if not clock_trusted:
        return (f"the clock is not trusted, so it is unknown whether certificate {statement.id} of {whose} "
                f"(until {_date(statement.valid_until)}) still holds")
    if wall_s < statement.valid_from.timestamp():
        return (f"certificate {statement.id} of {whose} holds only from {_date(statement.valid_from)}; "
                f"now is {_date(utc(wall_s))}")
    if wall_s >= statement.valid_until.timestamp():
        return (f"certificate {statement.id} of {whose} expired on {_date(statement.valid_until)}; "
                f"now is {_date(utc(wall_s))}")
    return ""


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
