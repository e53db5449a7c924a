"""Read the telemetry of a Microchip SA.45s: its header, its seventeen fields, its alarms, its checksum. Pure.

Rule: a field is read by the name that the device's own header gives it, and a line with a doubtful field is refused.

Source: Microchip (Microsemi) SA.45s CSAC User Guide, revision D, pages 17 to 28 (tables 6 and 7, modes, checksum).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor

from drivers.sample import Channel

# The answer to !6, firmware 1.09; what a device is believed to send that does not know the question.
HEADER = ("Status", "Alarm", "SN", "Mode", "Contrast", "LaserI", "TCXO", "HeatP", "Sig", "Temp", "Steer", "ATune",
          "Phase", "DiscOK", "TOD", "LTime", "Ver")  # fmt: skip

# The guide: 135 characters at most. Checksum and CR LF come behind them.
LINE_BYTES_MAX = 135 + 3 + 2

STATUS_WORDS = {
    0: "locked", 1: "steering", 2: "microwave frequency stabilisation", 3: "microwave frequency acquisition",
    4: "laser power acquisition", 5: "laser current acquisition", 6: "microwave power acquisition",
    7: "heater equilibration", 8: "warm-up", 9: "asleep",
}  # fmt: skip

ALARM_WORDS = {
    0x0001: "contrast low", 0x0002: "synthesiser tuning limit", 0x0004: "temperature bridge", 0x0010: "light low",
    0x0020: "light high", 0x0040: "heater low", 0x0080: "heater high", 0x0100: "microwave power low",
    0x0200: "microwave power high", 0x0400: "TCXO low", 0x0800: "TCXO high", 0x1000: "laser current low",
    0x2000: "laser current high", 0x4000: "stack",
}  # fmt: skip

MODE_DISCIPLINE = 0x0010

CHANNELS = {
    "Status": Channel("status", "state", "1"),
    "Mode": Channel("mode", "state", "1"),
    "Contrast": Channel("contrast", "signal contrast", "1"),
    "LaserI": Channel("laser_current", "electric current", "mA"),
    "TCXO": Channel("tcxo_tuning", "voltage", "V"),
    "HeatP": Channel("heater_power", "power", "mW"),
    "Sig": Channel("signal", "voltage", "V"),
    "Temp": Channel("temperature", "temperature", "degC"),
    "Steer": Channel("steering", "relative frequency", "1e-12"),
    "ATune": Channel("analogue_tuning", "voltage", "V"),
    "Phase": Channel("phase", "time", "ns"),
    "DiscOK": Channel("discipline", "state", "1"),
    "TOD": Channel("time_of_day", "time", "s"),
    "LTime": Channel("since_lock", "time", "s"),
}

NOT_TOLD = "---"            # analogue tuning, or phase, while its mode is off
NO_REFERENCE = "NEEDREFPPS"  # phase, while no reference 1PPS comes in

NUMBER = re.compile(r"-?\d{1,10}(\.\d{1,6})?")
WORD_16 = re.compile(r"0x[0-9A-Fa-f]{4}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}")
SERIAL = re.compile(r"[0-9A-Za-z-]{1,16}")
FIRMWARE = re.compile(r"[0-9A-Za-z._ -]{1,32}")

NEEDED = ("Status", "Alarm", "SN", "Mode")


class Unreadable(ValueError):
    """A line is no telemetry that can be believed; the message says the field, the value and the rule."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One line of telemetry. `numbers` holds what the device told, as (channel, value); what it left out is absent."""

    serial: str
    firmware: str
    status: int
    mode: int
    alarms: tuple[str, ...]
    numbers: tuple[tuple[Channel, float], ...]
    needs_reference: bool


def checksum(text: str) -> str:
    """Return the two hex digits of a command or a reply: the XOR of its characters, as in NMEA."""
    return f"{reduce(xor, text.encode('ascii'), 0):02X}"


def unsummed(text: str) -> tuple[str, bool]:
    """Return a line without the right checksum at its end, and whether there was one; any other line as it is."""
    bare, star, sent = text.rpartition("*")
    return (bare, True) if star and sent == checksum(bare) else (text, False)


def is_header(text: str) -> bool:
    """Tell the answer to !6 from telemetry, whose first field is a number."""
    return text.startswith("Status,")


def read_header(text: str) -> tuple[str, ...]:
    """Return the names of the fields; raises Unreadable."""
    names = tuple(text.split(","))
    if not all(NAME.fullmatch(name) for name in names) or len(set(names)) != len(names):
        raise Unreadable(f"header {text!r}: must be different names")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise Unreadable(f"header {text!r}: {', '.join(missing)} must be among the names")
    return names


def read_telemetry(text: str, header: tuple[str, ...]) -> Telemetry:
    """Return what a line says, by the names of `header`; raises Unreadable."""
    values = text.split(",")
    if len(values) != len(header):
        raise Unreadable(f"telemetry of {len(values)} fields: must be {len(header)}, as the header has")
    fields = dict(zip(header, values, strict=True))
    status, mode = int(_number("Status", fields["Status"])), _word("Mode", fields["Mode"])
    if status not in STATUS_WORDS:
        raise Unreadable(f"Status = {status}: must be 0 to 9")
    return Telemetry(
        serial=_match("SN", fields["SN"], SERIAL),
        firmware=_match("Ver", fields["Ver"], FIRMWARE) if "Ver" in fields else "",
        status=status,
        mode=mode,
        alarms=alarm_words(_word("Alarm", fields["Alarm"])),
        numbers=tuple(_numbers(fields, status, mode)),
        needs_reference=fields.get("Phase") == NO_REFERENCE,
    )


def alarm_words(bits: int) -> tuple[str, ...]:
    """Return the alarms that are raised, in words; a bit without a meaning keeps its number."""
    raised = (1 << place for place in range(16) if bits >> place & 1)
    return tuple(ALARM_WORDS.get(bit, f"bit 0x{bit:04x}") for bit in raised)


def _numbers(fields: dict[str, str], status: int, mode: int) -> list[tuple[Channel, float]]:
    told: list[tuple[Channel, float]] = []
    for name, channel in CHANNELS.items():
        if name == "Status":
            told.append((channel, float(status)))
        elif name == "Mode":
            told.append((channel, float(mode)))
        elif name == "DiscOK" and not mode & MODE_DISCIPLINE:
            continue    # it says something only while the clock is disciplined
        elif name in fields and fields[name] not in {NOT_TOLD, NO_REFERENCE}:
            told.append((channel, _number(name, fields[name])))
    return told


def _number(name: str, text: str) -> float:
    return float(_match(name, text, NUMBER))


def _word(name: str, text: str) -> int:
    return int(_match(name, text, WORD_16), 16)


def _match(name: str, text: str, rule: re.Pattern[str]) -> str:
    if not rule.fullmatch(text):
        raise Unreadable(f"{name} = {text!r}: must match {rule.pattern}")
    return text
