"""spingate keys: make the gateway's signing key, and show what others need to check its signatures.

The private half is never printed, and no key is ever overwritten.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.words import add_json, print_json

if TYPE_CHECKING:
    import argparse

    from gateway.evidence.keys import PublicKeys


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate keys new|show`."""
    parser = subparsers.add_parser("keys", help="make the signing key, or show its public half")
    commands = parser.add_subparsers(dest="action", required=True, metavar="new|show")
    new = commands.add_parser("new", help="write FILE (private, 0600) and FILE with .pub.pem beside it")
    new.add_argument("file", type=Path, metavar="FILE", help="private key file to make, for example gateway.key")
    new.set_defaults(run=make)
    show = commands.add_parser("show", help="show the key ids in a private or public key file")
    show.add_argument("file", type=Path, metavar="FILE", help="private or public key file")
    for command in (new, show):
        add_json(command)
    show.set_defaults(run=show_key)


def make(arguments: argparse.Namespace) -> int:
    """Make a key pair."""
    from gateway.evidence import keys

    public = arguments.file.with_suffix(".pub.pem")
    key = keys.create(arguments.file, public)
    report(key.public, arguments, {"private": str(arguments.file), "public": str(public)})
    if not arguments.json:
        print(f"private key: {arguments.file}   keep it; for the service, encrypt it into a credential:")
        print(f"             systemd-creds encrypt --name=gateway.key {arguments.file} gateway.key.cred")
        print(f"public key:  {public}   hand it out: it verifies everything this gateway signs")
    return 0


def show_key(arguments: argparse.Namespace) -> int:
    """Show which keys are in a file."""
    from gateway.evidence import keys

    try:
        public = keys.load_public(arguments.file)
    except keys.KeyUnusable:
        public = keys.load(arguments.file).public
    report(public, arguments, {})
    return 0


def report(public: PublicKeys, arguments: argparse.Namespace, files: dict[str, str]) -> None:
    """Print the ids and algorithms of the public keys."""
    ids = [kid.hex() for kid in public.ed25519]
    if arguments.json:
        print_json({"ed25519": ids, "ml_dsa_44": len(public.ml_dsa_44), **files})
        return
    for kid in ids:
        print(f"Ed25519 key {kid}")
    print(f"ML-DSA-44 on checkpoints: {'yes' if public.ml_dsa_44 else 'no (this crypto backend has none)'}")
