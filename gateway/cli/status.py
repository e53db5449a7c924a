"""spingate status: how the core, the publisher and every instrument are.

Exit 0: all is well. 1: something stands still, is uncalibrated, has drifted or is not connected. 2: no gateway answers.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import msgspec

from gateway.cli.words import add_config, add_json, coloured, print_json

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from gateway.control import InstrumentStatus, Status
    from gateway.publisher.status import Status as PublisherStatus


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate status`."""
    parser = subparsers.add_parser("status", help="how the core, the publisher and every instrument are")
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the core, read what the publisher wrote, and print both."""
    from gateway.config import load
    from gateway.control import Ask, ask
    from gateway.places import places
    from gateway.publisher.status import read_status

    found = places(load(arguments.config))
    core = ask(found.control, Ask("status")).status
    publisher = read_status(found.publisher_state)
    if publisher is not None and not listens(found.wake):
        publisher = msgspec.structs.replace(publisher, state="stopped", last_error="its process does not run")
    if core is None:
        return 2
    if arguments.json:
        print_json({"core": msgspec.to_builtins(core), "publisher": msgspec.to_builtins(publisher)})
    else:
        print_core(core)
        print_publisher(publisher)
    return 0 if well(core, publisher) else 1


def listens(wake: Path) -> bool:
    """Tell whether a publisher has its wake-up socket open: what it wrote last may be old."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        try:
            line.connect(str(wake))
        except OSError as error:
            return isinstance(error, PermissionError)  # somebody's; who may not ask cannot know better
    return True


def well(core: Status, publisher: PublisherStatus | None) -> bool:
    """Tell whether nothing here needs a technician."""
    connected = publisher is not None and publisher.state == "connected" and not publisher.held
    return not core.stalled and connected and all(verdict_of(one) == "OK" for one in core.instruments)


def verdict_of(instrument: InstrumentStatus) -> str:
    """Return OK, WARN (uncalibrated, or drifted) or FAIL (silent) for one instrument."""
    if instrument.last_value_age_s is None or instrument.last_value_age_s > instrument.silent_s_max:
        return "FAIL"
    return "OK" if instrument.calibrated and not instrument.drift.startswith(("degraded", "inhibited")) else "WARN"


def print_core(core: Status) -> None:
    """Print the core's state, a line for each instrument."""
    print(f"{coloured('FAIL' if core.stalled else 'OK')} core {core.gateway}, version {core.version}, up"
          f" {core.running_s:.0f} s, {core.records} records, clock {core.clock}, key {core.key_id}")
    for stall in core.stalled:
        print(f"     no progress: {stall}")
    for one in core.instruments:
        state = one.device or "no answer"
        if one.scan_progress is not None:
            state += f", scanning {one.scan_progress:.0%}"
        if one.look:
            state += f", {one.look}"
        print(f"{coloured(verdict_of(one))} {one.name} ({one.driver}) on {one.port}: {state}")
        if one.last_value:
            print(f"     {one.last_value}  {one.last_value_age_s:.1f} s ago")
        background = f"{', '.join(one.learning)}: no passage would be noticed yet" if one.learning else ""
        for word, said in (("uncalibrated:", one.calibration), ("drift watch:", one.drift),
                           ("learning the background of", background)):
            if said:
                print(f"     {word} {said}")
        if one.last_fault:
            print(f"     last fault, {one.last_fault_age_s:.0f} s ago: {one.last_fault}")
    if core.last_verdict:
        print(f"     last verdict: {core.last_verdict}")
        print(f"     why: spingate explain {core.last_scan_record}")


def print_publisher(publisher: PublisherStatus | None) -> None:
    """Print how far the publisher is."""
    if publisher is None:
        print(f"{coloured('FAIL')} publisher: never ran; start spingate-publish.service")
        return
    word = "OK" if publisher.state == "connected" and not publisher.held else "FAIL"
    print(f"{coloured(word)} publisher {publisher.state} to {publisher.broker} ({publisher.protocol}):"
          f" {publisher.published} published, {publisher.backlog} to go, {publisher.refused} refused")
    for trouble in (*publisher.held.values(), *publisher.incidents, publisher.last_error):
        if trouble:
            print(f"     {trouble}")
