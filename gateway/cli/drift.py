"""spingate drift: read the line thermometer of a head, or take a head as it is now for what it should be.

How a head is stands in `spingate status`; every change of it and every reset is a signed record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.words import add_config, add_json, print_json

if TYPE_CHECKING:
    import argparse

WHY_CHARACTERS_MAX = 300  # as the control socket takes it


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate drift thermometer` and `spingate drift reset`."""
    parser = subparsers.add_parser("drift", help="read the line thermometer, or accept the head as it is now")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    read = actions.add_parser("thermometer", help="scan the calibrant in its jig, for a minute; its verdict tells")
    reset = actions.add_parser("reset", help="accept the head as it is; lifts an inhibition and learns anew",
                               description="What the head was held against is forgotten, and learnt from its next"
                               " scans. The reason is signed, with who gave it. Loss of gain against the certificate"
                               " goes on to widen detection limits: only a calibration ends that.")
    reset.add_argument("--why", required=True, metavar="TEXT",
                       help=f"why it may be taken as it is, at most {WHY_CHARACTERS_MAX} characters")
    for action in (read, reset):
        action.add_argument("head", nargs="?", default="", help="name of the head; may be left out where there is one")
        add_config(action)
        add_json(action)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the core over its control socket. A refusal is printed and exits with 2."""
    from gateway.config import load
    from gateway.control import Ask, ask
    from gateway.places import places

    socket = places(load(arguments.config)).control
    if arguments.action == "reset" and not 0 < len(arguments.why.strip()) <= WHY_CHARACTERS_MAX:
        raise ValueError(f"--why of {len(arguments.why)} characters: must be 1 to {WHY_CHARACTERS_MAX}, and say why")
    if arguments.action == "thermometer":
        answer = ask(socket, Ask("thermometer", arguments.head))
        said, found = f"scan {answer.scan_id} of the calibrant has begun", {"scan_id": answer.scan_id}
    else:
        ask(socket, Ask("reset", arguments.head, because=arguments.why))
        said, found = "the head is taken as it is; its next scans are learnt", {"scan_id": None}
    if arguments.json:
        print_json(found)
    else:
        print(said)
    return 0
