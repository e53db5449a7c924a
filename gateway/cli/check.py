"""spingate check: is this gateway fit to work? One line for each thing it needs, with the remedy.

Exit 0: nothing fails (there may be warnings). 1: something fails. 2: the configuration cannot be read.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from gateway.cli.words import add_config, add_json, coloured, print_json

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate check`."""
    parser = subparsers.add_parser("check", help="try configuration, ports, clock, key, certificates, model, broker")
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print every finding as it comes."""
    from gateway.acquisition import check_drivers
    from gateway.checks import examine
    from gateway.config import load
    from gateway.duties import check_duties
    from gateway.maps import read_maps

    loaded = load(arguments.config)
    maps = read_maps(loaded.config.instrument, loaded.folder)
    check_drivers(loaded.config.instrument, maps)
    check_duties(loaded.config, maps)
    findings = []
    for finding in examine(loaded):
        findings.append(finding)
        if not arguments.json:
            print(f"{coloured(finding.word)} {finding.subject}: {finding.found}", flush=True)
            if finding.fix:
                print(f"     {finding.fix}")
    if arguments.json:
        print_json([asdict(finding) for finding in findings])
    return 1 if any(finding.word == "FAIL" for finding in findings) else 0
