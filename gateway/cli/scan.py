"""spingate scan: have the running gateway's head scan the load in the bay, or stop a scan.

It returns when the scan has begun; the verdict is in the journal, at the broker and in `spingate status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.words import add_config, add_json, print_json
from gateway.detection.verdict import LOOKS_MAX, LOOKS_USUAL

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
    start.add_argument("--until-decided", action="store_true",
                       help="scan the load again and again until it is an alarm or clear, or no look is left")
    start.add_argument("--looks", type=int, choices=range(2, LOOKS_MAX + 1), metavar="K",
                       help=f"with --until-decided: at most so many scans (scan.looks_max, or {LOOKS_USUAL})")
    stop = actions.add_parser("stop", help="give up the running scan, and those that would follow it; no verdict")
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
    loaded = load(arguments.config)
    looks = looks_of(arguments, loaded.config.scan.looks_max)
    answer = ask(places(loaded).control, Ask(arguments.action, arguments.head, claims, looks))
    if arguments.json:
        print_json({"scan_id": answer.scan_id})
    elif arguments.action == "start":
        print(f"scan {answer.scan_id} has begun" + (f", the first of at most {looks} of this load" if looks else ""))
    else:
        print("the scan is being stopped")
    return 0


def looks_of(arguments: argparse.Namespace, configured: int) -> int:
    """Return how many scans of the load are asked for; 0: as the gateway is configured. Raises ValueError."""
    if not getattr(arguments, "until_decided", False):
        if getattr(arguments, "looks", None):
            raise ValueError(f"--looks {arguments.looks}: must come with --until-decided")
        return 0
    return arguments.looks or (configured if configured > 1 else LOOKS_USUAL)
