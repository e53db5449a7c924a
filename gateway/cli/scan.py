"""spingate scan: have the running gateway's head scan the load in the bay, or stop a scan.

It returns when the scan has begun; the verdict is in the journal, at the broker and in `spingate status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.words import add_config, add_json, print_json

if TYPE_CHECKING:
    import argparse

CLAIMS = {
    "container": ("NUMBER", "container number, ISO 6346, its check digit is checked"),
    "ucr": ("REFERENCE", "unique consignment reference"),
    "mrn": ("NUMBER", "declaration: movement reference number"),
    "lrn": ("NUMBER", "declaration: local reference number"),
    "unlocode": ("CODE", "UN/LOCODE of the place, such as DEHAM"),
    "lane": ("NAME", "lane at that place"),
    "hs6": ("DIGITS", "declared HS heading, six digits"),
    "label": ("TEXT", "what the load is called"),
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate scan start` and `spingate scan stop`."""
    parser = subparsers.add_parser("scan", help="start or stop a scan of the load in the bay")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    start = actions.add_parser("start", help="begin a scan", description="Everything said of the load is kept, signed,"
                               " as a claim of who gave the order; none of it changes the verdict.")
    for name, (word, meaning) in CLAIMS.items():
        start.add_argument(f"--{name}", default="", metavar=word, help=meaning)
    stop = actions.add_parser("stop", help="give up the running scan; it leaves no verdict")
    for action in (start, stop):
        action.add_argument("head", nargs="?", default="", help="name of the head; may be left out where there is one")
        add_config(action)
        add_json(action)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the core over its control socket. A refusal is printed and exits with 2."""
    from gateway.claims import Claims, objection
    from gateway.config import load
    from gateway.control import Ask, ask
    from gateway.places import places

    claims = Claims(**{name: getattr(arguments, name, "") for name in CLAIMS})
    wrong = objection(claims)
    if wrong:
        raise ValueError(wrong)
    answer = ask(places(load(arguments.config)).control, Ask(arguments.action, arguments.head, claims))
    if arguments.json:
        print_json({"scan_id": answer.scan_id})
    elif arguments.action == "start":
        print(f"scan {answer.scan_id} has begun")
    else:
        print("the scan is being stopped")
    return 0
