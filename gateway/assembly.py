"""Put the core together: key, journal, writer, certificates, classifier. Edge: opens files.

Without a key or with a broken journal there is no gateway; without a certificate or a model there is one that says so.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__, clock
from gateway.acquisition import check_drivers
from gateway.clock_watch import ClockWatch
from gateway.drafts import Drafter
from gateway.drift.kept import recall, state_file
from gateway.duties import check_duties
from gateway.evidence import keys
from gateway.evidence.act import ConfigurationBody, KeyAction, KeyAlgorithm, KeyBody, ModelBody, StartBody
from gateway.evidence.body import clipped
from gateway.evidence.journal import last_note_of_the_one_before, open_journal
from gateway.evidence.reader import reader_of
from gateway.evidence.record import Provenance
from gateway.evidence.writer import Writer
from gateway.judgement import Judgement, demands, take_up_model
from gateway.lane.pass_model import LateModel
from gateway.lanes import open_lane
from gateway.maps import read_maps
from gateway.notify import Ringer
from gateway.null_set_use import take_up_nulls
from gateway.places import Places, places
from gateway.software import software_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.clock import Now
    from gateway.config import Loaded
    from gateway.detection.policy import Policy
    from gateway.evidence.journal import Journal
    from gateway.evidence.keys import SigningKey
    from gateway.evidence.layout import Body
    from gateway.lanes import Calibrated
    from gateway.pipeline import Lane

MAP_NAME_BYTES_MAX = 240  # what a record's name holds beside the word map
DECIDING_PACKAGES = ("cbor2", "cryptography", "numpy", "ai-edge-litert", "tflite-runtime")


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything the core works with, opened and checked."""

    loaded: Loaded
    places: Places
    key: SigningKey
    journal: Journal
    writer: Writer
    drafter: Drafter
    judgement: Judgement
    lanes: dict[str, Lane]
    maps: Mapping[str, str]  # the register maps, by how the configuration names them
    ringer: Ringer
    clock_watch: ClockWatch

    def now(self) -> Now:
        """Look at the clocks, with what is believed of them."""
        return self.clock_watch.judge(clock.now())

    def announce(self, lanes: list[Calibrated], model: ModelBody) -> None:
        """Journal the start, the configuration with its maps, the keys of a new journal, certificates and the model."""
        first = self.journal.size == 0
        before = last_note_of_the_one_before(self.places.journal) if first else None
        self.say(start_body(clean=self.journal.was_clean, replaces=before))
        self.say(ConfigurationBody("gateway.toml", self.loaded.text.decode()))
        for name, text in self.maps.items():
            self.say(ConfigurationBody(f"map {clipped(name, MAP_NAME_BYTES_MAX)}", text))
        if first:
            public = self.key.ed25519.public_key().public_bytes_raw()
            self.say(KeyBody(KeyAction.ADDED, KeyAlgorithm.ED25519, public))
        if first and self.key.ml_dsa_44 is not None:
            public = self.key.ml_dsa_44.public_key().public_bytes_raw()
            self.say(KeyBody(KeyAction.ADDED, KeyAlgorithm.ML_DSA_44, public))
        for one in lanes:
            if one.body is not None:
                self.say(one.body, certificate_sha256=one.sha256)
        self.say(model, model_sha256=self.judgement.model_sha256)
        self.take_up_nulls(lanes)
        for one in lanes:
            for fault in one.lane.drift.announced(self.now().monotonic_ns) if one.lane.drift is not None else ():
                self.writer.submit(self.drafter.instrument_fault(self.now(), one.lane.name, fault)).result()

    def take_up_nulls(self, lanes: list[Calibrated]) -> None:
        """Journal the configured null set, whole, or why it was refused, and hold verdicts against it."""
        certified = [one.lane.certificate for one in lanes if one.lane.scans and one.lane.certificate]
        heads = [certificate.statement.instrument for certificate in certified]
        taken = take_up_nulls(self.loaded, self.key.public.ed25519, self.judgement.detector, heads)
        if taken is None:
            return
        raw_sha256 = taken.sha256 if taken.data else None
        draft = self.drafter.draft(self.now(), taken.body, model_sha256=taken.sha256, raw_sha256=raw_sha256)
        self.writer.submit(draft, taken.data).result()
        if not taken.body.accepted:
            self.complain("null set", "refused", taken.body.reason)
        if self.judgement.detector is not None:
            self.judgement.detector.against = taken.against

    def say(self, body: Body, **used: bytes | None) -> None:
        """Journal one thing about the gateway itself, on disk when this returns. Raises JournalFailed.

        One after the other: 64 certificates are more than the shortest queue holds.
        """
        self.writer.submit(self.drafter.draft(self.now(), body, **used)).result()

    def complain(self, component: str, kind: str, detail: str) -> None:
        """Journal a fault of a part of the gateway itself. Raises JournalBehind."""
        self.writer.submit(self.drafter.component_fault(self.now(), component, kind, detail))

    def close(self) -> None:
        """Write what waits, sign the last tree head, let go of the journal."""
        try:
            self.writer.close()
        finally:
            self.journal.close()
            self.ringer.close()


def assemble(loaded: Loaded) -> Assembly:
    """Open everything and journal with what this run measures and decides.

    Raises ValueError, before anything is opened, for what the configuration may not ask for.
    """
    maps = read_maps(loaded.config.instrument, loaded.folder)
    check_drivers(loaded.config.instrument, maps)
    check_duties(loaded.config, maps)
    demands(loaded.config.detection)
    found = places(loaded)
    key = find_key(loaded)
    found.journal.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    found.control.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
    readable = loaded.config.journal.group_readable
    journal = open_journal(found.journal, loaded.config.gateway.id, key, group_readable=readable)
    provenance = Provenance(__version__, software_sha256(), loaded.sha256)
    drafter = Drafter(clock.boot_id(), provenance)
    ringer = Ringer(found.wake)
    writer = Writer(
        journal,
        clock.monotonic_ns,
        clock.wall_ns,
        lambda _size: ringer.ring(),
        queue_records_max=loaded.config.journal.queue_records_max,
    )
    writer.start()
    labeller = LateModel()
    lanes = [open_lane(loaded, instrument, labeller) for instrument in loaded.config.instrument]
    judgement, model = take_up_model(loaded)
    by_name = {one.lane.name: one.lane for one in lanes}
    watch_heads(by_name.values(), found.journal, demands(loaded.config.detection))
    table = loaded.config.clock
    watch = ClockWatch(table.drift_ppm_max, table.holdover_s_max)
    assembly = Assembly(loaded, found, key, journal, writer, drafter, judgement, by_name, maps, ringer, watch)
    assembly.announce(lanes, model)
    return assembly


def watch_heads(lanes: Iterable[Lane], journal: Path, policy: Policy) -> None:
    """Give each head's lane its drift watch as it was left."""
    for lane in lanes:
        if lane.scans:
            with reader_of(journal) as reader:
                lane.drift = recall(state_file(journal, lane.name), reader, lane.name, policy.allowed_kg)


def find_key(loaded: Loaded) -> SigningKey:
    """Return the signing key: the systemd credential where there is one, else the configured file.

    Raises KeyUnusable or KeyTooOpen.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    table = loaded.config.key
    if folder and (Path(folder) / table.credential).exists():
        return keys.load(Path(folder) / table.credential, credential=True)
    if not table.file:
        raise keys.KeyUnusable(
            f"no credential {table.credential!r} from systemd and no key.file in the configuration:"
            " make one with `spingate keys new`"
        )
    return keys.load(loaded.resolve(table.file))


def start_body(*, clean: bool, replaces: str | None) -> StartBody:
    """Return on what this run runs."""
    packages = []
    for name in DECIDING_PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except ModuleNotFoundError:  # importlib's PackageNotFoundError: the other TFLite runtime
            continue
    python = platform.python_version()
    return StartBody(platform.machine(), platform.release(), python, tuple(packages), clean, replaces)
