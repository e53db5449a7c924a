"""spingate nulls: make a signed null set from scans that hold no covered substance, and show one.

It decides each scan by the gateway's own code and signs with the gateway's key. No scan is dropped for its score.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.cli.limits import line, whole_number
from gateway.cli.words import add_json, print_json, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from gateway.detection.null_set import NullSet
    from gateway.evidence.keys import PublicKeys, SigningKey
    from gateway.null_set_making import Offered, Origin

INDEX_MAX = 2**63 - 1  # an SQLite integer
SQLITE_MAGIC = b"SQLite format 3\0"
TOLD_EACH = 25         # scans: some seconds

HELP = """Makes a null set (docs/null-set.md): scan loads that are known to hold none of the covered substances, at
least 99 times for 1 % of false alarms per scan, then name the journal with the first and last record of these scans,
or scan files (docs/scan-format.md)."""
EXCLUDE = """a scan that does not belong, by its number: that of its record, or its place among the files from 1.
Needs its own --why. Both are signed with the set; a scan must never be excluded because its score is high"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate nulls make|show`."""
    parser = subparsers.add_parser("nulls", help="make or show a signed null set of the bay, which bounds false alarms")
    commands = parser.add_subparsers(dest="action", required=True, metavar="make|show")
    make = commands.add_parser("make", help="decide scans that hold nothing and sign their scores", description=HELP)
    make.add_argument("source", type=Path, nargs="+", metavar="JOURNAL|SCAN", help="a journal, or scan files")
    make.add_argument("--from", dest="first", type=whole_number(0, INDEX_MAX), metavar="INDEX", help="first record")
    make.add_argument("--to", dest="last", type=whole_number(0, INDEX_MAX), metavar="INDEX", help="last record")
    make.add_argument("--instrument", default="", metavar="NAME", help="take only this head's scans from the journal")
    make.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write; must not exist")
    make.add_argument("--exclude", type=whole_number(0, INDEX_MAX), action="append", default=[], metavar="INDEX",
                      help=EXCLUDE)
    make.add_argument("--why", type=line, action="append", default=[], metavar="TEXT", help="reason of an --exclude")
    make.add_argument("--key", type=Path, metavar="FILE", help="private key to sign with (the configuration's)")
    make.set_defaults(run=run_make)
    show = commands.add_parser("show", help="print a null set with a histogram and what its figures say")
    show.add_argument("file", type=Path, metavar="FILE", help="null set")
    show.add_argument("--key", type=Path, metavar="PUB.pem", help="public key that must have signed it")
    add_json(show)
    show.set_defaults(run=run_show)
    for command in (make, show):
        command.add_argument("--config", type=Path, metavar="FILE", help="configuration, for model, demands and key")


def run_make(arguments: argparse.Namespace) -> int:
    """Gather, decide, sign, write, show."""
    from gateway import null_set_file
    from gateway.cli.scan_verdict import detector_of
    from gateway.null_set_making import make
    from gateway.whole_file import write_whole

    if arguments.out.exists():
        raise ValueError(f"--out = {arguments.out}: is there already; name another file")
    excludes = exclusions(arguments.exclude, arguments.why)
    key = signing_key(arguments)
    detector = detector_of(arguments.config)
    with offered(arguments, key) as (origin, offers):
        nulls = make(offers, detector, excludes, origin, tell)
    data = null_set_file.sign(nulls, key)
    try:
        write_whole(arguments.out, data)
    except OSError as error:
        raise ValueError(f"--out = {arguments.out}: cannot be written: {error.strerror}") from error
    for said in null_set_words(nulls, data):
        print(printable(said))
    print(f"signed with key {key.kid.hex()}: {arguments.out}, {len(data)} bytes")
    print("name it in the configuration: [detection] null_set")
    return 0


def exclusions(indices: list[int], reasons: list[str]) -> dict[int, str]:
    """Return the reason of each scan to exclude. Raises ValueError where one has none, or is there twice."""
    if len(indices) != len(reasons):
        raise ValueError(f"{len(indices)} --exclude and {len(reasons)} --why: each exclusion needs its own reason")
    for at, index in enumerate(indices):
        if index in indices[:at]:
            raise ValueError(f"--exclude {index}: named twice")
        if not reasons[at].strip():
            raise ValueError(f"--exclude {index}: its --why must say something")
    return dict(zip(indices, reasons, strict=True))


def signing_key(arguments: argparse.Namespace) -> SigningKey:
    """Return the private key to sign with: the one named, or else the gateway's. Raises KeyUnusable."""
    from gateway.assembly import find_key
    from gateway.config import load
    from gateway.evidence import keys

    if arguments.key is not None:
        return keys.load(arguments.key)
    if arguments.config is None:
        raise ValueError("no key to sign with: name the gateway's with --key FILE, or its configuration with --config")
    return find_key(load(arguments.config))


@contextmanager
def offered(arguments: argparse.Namespace, key: SigningKey) -> Iterator[tuple[Origin, Iterator[Offered]]]:
    """Give where the scans come from, and each of them: out of a journal or of scan files."""
    from gateway.evidence.body import clipped
    from gateway.evidence.journal_file import JournalCorrupt, JournalUnavailable
    from gateway.evidence.reader import reader_of
    from gateway.null_set_sources import of_files, of_journal

    first = arguments.source[0]
    with first.open("rb") as file:
        is_journal = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    if not is_journal:
        if (arguments.first, arguments.last, arguments.instrument) != (None, None, ""):
            raise ValueError("--from, --to and --instrument are for a journal, not for scan files")
        source = f"scan files, {len(arguments.source)} in all"
        yield origin_of(gateway_of(arguments), source), of_files(arguments.source)
        return
    if len(arguments.source) > 1 or None in {arguments.first, arguments.last}:
        raise ValueError("of one journal, --from INDEX and --to INDEX name the first and the last record")
    try:
        with reader_of(first) as reader:
            span = (arguments.first, min(arguments.last, reader.size() - 1))
            source = clipped(f"journal {reader.origin()}, records {span[0]} to {span[1]}", 256)
            yield origin_of(reader.gateway(), source), of_journal(reader, span, arguments.instrument, key.public)
    except (JournalUnavailable, JournalCorrupt) as error:
        raise ValueError(str(error)) from error


def origin_of(gateway: str, source: str) -> Origin:
    """Return who makes the set, of what, with this software."""
    from gateway import clock
    from gateway.null_set_making import Origin
    from gateway.software import detection_sha256, software_sha256

    return Origin(gateway, source, f"spingate {__version__}", software_sha256(), detection_sha256(), clock.now())


def gateway_of(arguments: argparse.Namespace) -> str:
    """Return the configured gateway's name, empty without a configuration."""
    from gateway.config import load

    return load(arguments.config).config.gateway.id if arguments.config else ""


def tell(done: int) -> None:
    """Say how far it is, to a person who waits."""
    if done % TOLD_EACH == 0 and sys.stderr.isatty():
        print(f"{done} scans decided", file=sys.stderr, flush=True)


def run_show(arguments: argparse.Namespace) -> int:
    """Show a null set; whoever signed it, where no key is given."""
    from gateway import null_set_file
    from gateway.null_set_figures import histogram

    verified = arguments.key is not None or arguments.config is not None
    nulls, data = null_set_file.load(arguments.file, keys_of(arguments).ed25519 if verified else None)
    if arguments.json:
        print_json({**null_set_tree(nulls, data), "verified": verified})
        return 0
    for said in (*null_set_words(nulls, data), *histogram(nulls.scans)):
        print(printable(said))
    print("signature: holds" if verified else "signature: NOT CHECKED, name the public key with --key")
    return 0


def keys_of(arguments: argparse.Namespace) -> PublicKeys:
    """Return the public keys that may have signed a null set: the one named, or the configured ones.

    A gateway's private key may be out of reach for the person at the keyboard: then only listed keys count.
    """
    from gateway.assembly import find_key
    from gateway.config import load
    from gateway.evidence import keys
    from gateway.null_set_use import listed_keys

    if arguments.key is not None:
        return keys.load_public(arguments.key)
    if arguments.config is None:
        raise ValueError("a null set needs the public key that must have signed it: --key PUB.pem")
    loaded = load(arguments.config)
    try:
        own = find_key(loaded).public.ed25519
    except keys.KeyUnusable:
        own = {}
    return keys.PublicKeys({**own, **listed_keys(loaded)})


def null_set_words(nulls: NullSet, data: bytes) -> tuple[str, ...]:
    """Return a set in words."""
    from gateway.null_set_file import sha256
    from gateway.null_set_words import described

    return described(nulls, sha256(data))


def null_set_tree(nulls: NullSet, data: bytes) -> dict[str, object]:
    """Return a set as JSON: what is in it, and what its figures say."""
    from gateway.null_set_figures import figures_of
    from gateway.null_set_file import sha256
    from gateway.null_set_words import warnings

    found = figures_of(nulls.scans)
    return {
        "sha256": sha256(data).hex(), "gateway": nulls.gateway, "source": nulls.source, "scans": len(nulls.scans),
        "head": asdict(nulls.setting.head), "dwell_s": nulls.setting.dwell_s, "demands": asdict(nulls.demands),
        "model_sha256": nulls.model_sha256.hex(), "detection_sha256": nulls.detection_sha256.hex(),
        "software": nulls.software, "first_ns": nulls.first_ns, "last_ns": nulls.last_ns, "made_ns": nulls.made_ns,
        "smallest_p": 1.0 / (len(nulls.scans) + 1), "ks": found.ks, "ks_p": found.ks_p, "halves_p": found.halves_p,
        "warnings": list(warnings(nulls)), "substances": list(nulls.substances),
        "nulls": [{"index": one.index, "raw_sha256": one.raw_sha256.hex(), "verdict": one.outcome.value,
                   "score": one.score, "substances": list(one.substances), "noise_ft": list(one.noise_ft)}
                  for one in nulls.scans],
        "excluded": [{"index": one.index, "raw_sha256": one.raw_sha256.hex(), "score": one.score, "why": one.why}
                     for one in nulls.excluded]}
