"""spingate scan: have the running gateway's head scan the load in the bay now.

It returns when the scan has begun; the verdict is in the journal, at the broker and in `spingate status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.words import add_config, add_json, print_json

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate scan`."""
    parser = subparsers.add_parser("scan", help="begin a scan of the load in the bay")
    parser.add_argument("head", nargs="?", default="", help="name of the head; may be left out where there is one")
    parser.add_argument("--label", default="", metavar="TEXT", help="what the load is called: kept as a claim, signed")
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the core over its control socket. A refusal is printed and exits with 2."""
    from gateway.config import load
    from gateway.control import Ask, ask
    from gateway.places import places

    answer = ask(places(load(arguments.config)).control, Ask("scan", arguments.head, arguments.label))
    if arguments.json:
        print_json({"scan_id": answer.scan_id})
    else:
        print(f"scan {answer.scan_id} has begun")
    return 0
