"""What a search on a port found, in words and as a block for gateway.toml. Pure.

Rule: what is not certain is said to be so, in the block too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from drivers.probe import Found, Report

HEX_BYTES_SHOWN = 32
TEXT_SHOWN = 64


def heading(report: Report) -> str:
    """Return the line under which a port's findings stand."""
    if report.trouble:
        return f"{report.port}: left alone, {report.trouble}"
    if report.found:
        names = "; ".join(described(found) for found in report.found)
        return f"{report.port}: {names}"
    if report.modbus:
        units = "; ".join(f"unit {unit}{f' ({said})' if said else ''}" for unit, said in report.modbus)
        return f"{report.port}: a Modbus device, {units}; no driver and no shipped map reads it"
    return f"{report.port}: {'something speaks that no driver reads' if report.overheard else 'nothing answers'}"


def described(found: Found) -> str:
    """Return who was found, and how."""
    who = found.identity
    row = found.candidate.row
    told = " ".join(part for part in (who.make, who.model, who.serial and f"serial {who.serial}",
                                      who.firmware and f"firmware {who.firmware}") if part)
    what = f"{row.title}: {told}" if told else row.title
    how = "heard" if found.how == "heard" else "answered"
    doubt = "" if found.sure else "; it answers like one, but its protocol does not tell who it is"
    return f"{what} ({how} at {found.line}{doubt})"


def details(report: Report) -> list[str]:
    """Return what was heard without being understood, and what was sent."""
    lines = []
    if not report.found:
        for one in report.overheard:
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in one.start[:TEXT_SHOWN])
            lines += [f"heard at {one.line}: {one.count} bytes", f"  {one.start[:HEX_BYTES_SHOWN].hex(' ')}"]
            lines.append(f"  {text}")
    lines += [f"sent at {words}" for words in report.sent]
    if not report.sent and not report.trouble:
        lines.append("nothing was sent to it")
    return lines


def blocks(report: Report, taken: set[str]) -> list[str]:
    """Return an [[instrument]] table for each device found; `taken` holds the names in use, and takes these."""
    found = [block(report.port, one, free_name(one.candidate.row.name, taken)) for one in report.found]
    if not report.found:
        found += [unknown_modbus(report.port, unit, said, free_name("modbus", taken)) for unit, said in report.modbus]
    return found


def block(port: str, found: Found, name: str) -> str:
    """Return the table of one instrument, ready for gateway.toml."""
    row, who = found.candidate.row, found.identity
    note = " ".join(part for part in (who.make, who.model, who.serial, who.firmware) if part)
    lines = [f"# {one_line(note)}"] if note else []
    if not found.sure:
        lines.append(f"# It answers like a {row.name}, but its protocol does not tell who it is: make sure.")
    lines += ["[[instrument]]", f"name = {quoted(name)}", f"driver = {quoted(row.name)}", f"port = {quoted(port)}"]
    if row.kind == "registers":
        lines.append(f"unit = {found.unit}")
    if found.candidate.map_name:
        lines.append(f"map = {quoted(found.candidate.map_name)}")
    if not who.serial:
        lines.append('serial = ""  # it does not tell its own: copy it from the label')
    own = row.line
    pairs = (("baud", found.line.baud, own.baud), ("bits", found.line.bits, own.bits),
             ("parity", quoted(found.line.parity), quoted(own.parity)),
             ("stop_bits", found.line.stop_bits, own.stop_bits))
    other = [f"{key} = {value}" for key, value, usual in pairs if value != usual]
    if other:
        lines += ["", "[instrument.line]", *other]
    return "\n".join(lines) + "\n"


def unknown_modbus(port: str, unit: int, said: str, name: str) -> str:
    """Return the table of a Modbus device that a register map has yet to be written for."""
    note = f"# It says: {one_line(said)}\n" if said else ""
    return (f"{note}# A Modbus device that no shipped map reads: write one from its manual, and name the file here.\n"
            f'[[instrument]]\nname = {quoted(name)}\ndriver = "modbus-map"\nport = {quoted(port)}\nunit = {unit}\n'
            'map = "maps/FILL-IN.toml"\n')


def free_name(wanted: str, taken: set[str]) -> str:
    """Return `wanted`, or with a number behind it where it is in use, and take it."""
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return name


def quoted(text: str) -> str:
    """Return a text as TOML writes it; JSON writes basic strings alike."""
    return msgspec.json.encode(text).decode()


def one_line(text: str) -> str:
    """Return a device's own words without anything that could end a comment."""
    return re.sub(r"[^\x20-\x7e]", "?", text)
