"""Where each value stands in a record: integer keys, shapes and limits. docs/record.cddl says the same.

A key is never given a second meaning; a new field gets a new key and the record a new version.
"""

from __future__ import annotations

from typing import TypeAlias

from drivers.sample import BandPlan, Channel, Identity
from gateway.detection.drift_state import DriftLevel, DriftState
from gateway.detection.testimony import EchoDecay, LineAccount, Occlusion, RivalAccount, SubstanceAccount
from gateway.detection.verdict import (
    Anomaly,
    Likeness,
    LineEvidence,
    NullCheck,
    Outcome,
    Passage,
    Resonance,
    SequenceLook,
    SubstanceScore,
    Verdict,
)
from gateway.evidence.act import (
    CalibrationBody,
    ConfigurationBody,
    ContextBody,
    DispositionBody,
    Finding,
    KeyAction,
    KeyAlgorithm,
    KeyBody,
    ModelBody,
    PruningBody,
    StartBody,
)
from gateway.evidence.body import (
    DETAIL_BYTES_MAX,
    AnomalyBody,
    BandSummary,
    FaultBody,
    FaultSource,
    ReadingBody,
    ScanBody,
    VerdictBody,
)
from gateway.evidence.kept import Ahead, Kept
from gateway.evidence.shape import Choice, Field, Octets, Real, Several, Struct, Text, Truth, Whole
from gateway.evidence.typed_array import ArrayShape

NAME = Text(256, 1)
WORD = Text(256)                      # like a name, but may be empty: a device that does not tell its maker
PROSE = Text(DETAIL_BYTES_MAX)
DOCUMENT = Text(61_440)               # a configuration or a certificate; leaves 4 KiB of the record for the rest
DIGEST = Octets(32, 32)               # SHA-256
SEQUENCE = Whole(0, 2**63 - 1)         # an SQLite integer
INSTANT = Whole()                     # monotonic nanoseconds
FLAGS = Several(WORD, 64)
CHANNELS_MAX = 256
HEAD_CHANNELS = 8
GROUPS = 8                            # of echoes in a train

IDENTITY = Struct(Identity, Field(1, "make", WORD), Field(2, "model", WORD), Field(3, "serial", WORD),
                  Field(4, "firmware", WORD))
CHANNEL = Struct(Channel, Field(1, "name", WORD), Field(2, "quantity", WORD), Field(3, "unit", WORD))


def reading_disagrees(body: ReadingBody) -> str:
    """Return what is wrong between channels, values and uncertainties, empty where all agree."""
    wanted = len(body.channels)
    if body.values.shape[-1] != wanted:
        return f"values of shape {body.values.shape} for {wanted} channels"
    return "" if body.u.shape == (wanted,) else f"u of shape {body.u.shape} for {wanted} channels"


READING = Struct(
    ReadingBody,
    Field(1, "instrument", NAME),
    Field(2, "device", IDENTITY),
    Field(3, "stream", WORD),
    Field(4, "channels", Kept(Several(CHANNEL, CHANNELS_MAX))),
    Field(5, "values", ArrayShape(2)),
    Field(6, "u", ArrayShape(1)),
    Field(7, "rate_hz", Real(), optional=True),
    Field(8, "first_row", Whole()),
    Field(9, "flags", FLAGS),
    Field(10, "calibrated", Truth()),
    Field(11, "reason", PROSE),
    Field(12, "seen_at", INSTANT),
    check=reading_disagrees,
)


def band_disagrees(band: BandSummary) -> str:
    """Return what is wrong with the number of channels, empty where it is eight."""
    if band.pilot_gain.shape != (HEAD_CHANNELS, 2):
        return f"pilot_gain of shape {band.pilot_gain.shape}: must be (8, 2)"
    return "" if band.noise_ft.shape == (HEAD_CHANNELS,) else f"noise_ft of shape {band.noise_ft.shape}: must be (8,)"


PLAN = Struct(BandPlan, Field(1, "carrier_hz", Real()), Field(2, "rate_hz", Real()),
              Field(3, "echo_spacing_s", Real()), Field(4, "echoes_per_group", Whole()), Field(5, "trains", Whole()))
BAND = Struct(
    BandSummary,
    Field(1, "plan", PLAN),
    Field(2, "pilot_offset_hz", Real()),
    Field(3, "pilot_gain", ArrayShape(2, 32)),
    Field(4, "noise_ft", ArrayShape(1, 32)),
    Field(5, "reflected", Real()),
    Field(6, "u_relative", Real()),
    check=band_disagrees,
)
BANDS = Ahead(Several(BAND, 64))
SCAN = Struct(
    ScanBody,
    Field(1, "instrument", NAME),
    Field(2, "device", IDENTITY),
    Field(3, "scan_id", Whole()),
    Field(4, "bands", BANDS),
    Field(5, "dwell_s", Real()),
    Field(6, "bay_temperature_k", Real()),
    Field(7, "standoff_m", Real()),
    Field(8, "flags", FLAGS),
    Field(9, "calibrated", Truth()),
    Field(10, "reason", PROSE),
    Field(11, "seen_at", INSTANT),
)

LINE = Struct(LineEvidence, Field(1, "transition", WORD), Field(2, "expected_khz", Real()),
              Field(3, "found_khz", Real()), Field(4, "amplitude_ft", Real()),
              Field(5, "u_amplitude_ft", Real()), Field(6, "z", Real()))
SCORE = Struct(
    SubstanceScore,
    Field(1, "substance", NAME),
    Field(2, "glrt", Real()),
    Field(3, "p_value", Real()),
    Field(4, "network", Real()),
    Field(5, "temperature_k", Real()),
    Field(6, "limit_kg", Real()),
    Field(7, "alarmed", Truth()),
    Field(8, "lines", Several(LINE, 32)),
    Field(9, "mass_kg", Real(), optional=True),
    Field(10, "u_mass_kg", Real(), optional=True),
    Field(11, "probability", Real(), optional=True),
)
DECAY = Struct(EchoDecay, Field(1, "t2e_s", Real()), Field(2, "low_s", Real()), Field(3, "high_s", Real()),
               Field(4, "expected_s", Real()), Field(5, "groups_ft", Several(Real(), GROUPS)),
               Field(6, "u_group_ft", Real()), Field(7, "fit_ft", Several(Real(), GROUPS)))
LINE_ACCOUNT = Struct(LineAccount, Field(1, "transition", WORD), Field(2, "decay", DECAY),
                      Field(3, "residual_chi2", Real()), Field(4, "before_chi2", Real()), Field(5, "u_chi2", Real()))
OCCLUSION = Struct(Occlusion, Field(1, "score", Real()), Field(2, "without_lines", Real()),
                   Field(3, "random_mean", Real()), Field(4, "random_lowest", Real()),
                   Field(5, "faithful", Truth(), optional=True), Field(6, "favourite", NAME),
                   Field(7, "favourite_score", Real()))
RIVAL = Struct(
    RivalAccount,
    Field(1, "substance", NAME),
    Field(2, "role", WORD),
    Field(3, "own_khz", Real()),
    Field(4, "found_khz", Real()),
    Field(5, "distance_khz", Real()),
    Field(6, "at_k", Real(), optional=True),
    Field(7, "missing_khz", Real(), optional=True),
    Field(8, "predicted_z", Real()),
    Field(9, "seen_z", Real()),
    Field(10, "excluded", Truth()),
    Field(11, "because", Text(1024)),
)
TESTIMONY = Struct(
    SubstanceAccount,
    Field(1, "substance", NAME),
    Field(2, "lines", Several(LINE_ACCOUNT, 32)),
    Field(3, "occlusion", OCCLUSION, optional=True),
    Field(4, "agrees", Truth(), optional=True),
    Field(5, "rivals", Several(RIVAL, 8)),
    Field(6, "prior_low_kg", Real(), optional=True),
    Field(7, "prior_high_kg", Real(), optional=True),
)
NULL_CHECK = Struct(
    NullCheck,
    Field(1, "p_value", Real()),
    Field(2, "scans", Whole()),
    Field(3, "sha256", DIGEST),
    Field(4, "score", Real()),
    Field(5, "substances", Several(Real(), 64)),
)
SEQUENCE_LOOK = Struct(
    SequenceLook,
    Field(1, "number", Whole(1)),
    Field(2, "looks_max", Whole(1)),
    Field(3, "alpha_spent", Real()),
    Field(4, "dwell_s", Real()),
    Field(5, "raw_sha256s", Several(DIGEST, 16)),
    Field(6, "final", Truth()),
)
RESONANCE = Struct(
    Resonance,
    Field(1, "found_khz", Real()),
    Field(2, "amplitude_ft", Real()),
    Field(3, "u_amplitude_ft", Real()),
    Field(4, "z", Real()),
    Field(5, "p_value", Real()),
    Field(6, "t2e_s", Real()),
    Field(7, "low_s", Real()),
    Field(8, "high_s", Real()),
    Field(9, "near", WORD),
)
DRIFT = Struct(
    DriftState,
    Field(1, "level", Choice(DriftLevel.LEARNING, DriftLevel.OK, DriftLevel.DEGRADED, DriftLevel.INHIBITED)),
    Field(2, "what", Several(PROSE, 16)),
    Field(3, "widened", Real()),
)
JUDGEMENT = Struct(
    Verdict,
    Field(1, "outcome", Choice(Outcome.ALARM, Outcome.CLEAR, Outcome.NOT_INSPECTABLE)),
    Field(2, "reasons", Several(PROSE, 64)),
    Field(3, "scores", Several(SCORE, 64)),
    Field(4, "scan_id", Whole()),
    Field(5, "raw_sha256", DIGEST),
    Field(6, "model_sha256", DIGEST),
    Field(7, "null_check", NULL_CHECK, optional=True),
    Field(8, "look", SEQUENCE_LOOK, optional=True),
    Field(9, "accounts", Several(TESTIMONY, 8), optional=True),
    Field(10, "resonances", Several(RESONANCE, 8), optional=True),
    Field(11, "drift", DRIFT, optional=True),
)
ANSWER = Ahead(JUDGEMENT)
VERDICT = Struct(VerdictBody, Field(1, "instrument", NAME), Field(2, "verdict", ANSWER))

PASSAGE = Struct(
    Passage,
    Field(1, "closest_at", INSTANT),
    Field(2, "u_closest_at_s", Real()),
    Field(3, "crossing_s", Real()),
    Field(4, "u_crossing_s", Real()),
    Field(5, "closest_m", Real()),
    Field(6, "u_closest_m", Real()),
    Field(7, "moment_am2", Real()),
    Field(8, "u_moment_am2", Real()),
)
LIKENESS = Struct(Likeness, Field(1, "passing", Real()), Field(2, "model_sha256", DIGEST))
DEVIATION = Struct(Anomaly, Field(1, "energy", Real()), Field(2, "threshold", Real()), Field(3, "pfa", Real()),
                   Field(4, "peak_t", Real()), Field(5, "window_s", Real()),
                   Field(6, "passage", PASSAGE, optional=True), Field(7, "likeness", LIKENESS, optional=True))
ANOMALY = Struct(AnomalyBody, Field(1, "instrument", NAME), Field(2, "anomaly", DEVIATION),
                 Field(3, "seen_at", INSTANT))
FAULT = Struct(
    FaultBody,
    Field(1, "source", Choice(FaultSource.INSTRUMENT, FaultSource.COMPONENT)),
    Field(2, "name", NAME),
    Field(3, "kind", NAME),
    Field(4, "detail", PROSE),
    Field(5, "seen_at", INSTANT),
)

START = Struct(StartBody, Field(1, "machine", WORD), Field(2, "system", WORD), Field(3, "python", WORD),
               Field(4, "packages", Several(WORD, 64)), Field(5, "clean", Truth()),
               Field(6, "replaces", Text(16_384), optional=True))
CONFIGURATION = Struct(ConfigurationBody, Field(1, "name", NAME), Field(2, "text", DOCUMENT))
CALIBRATION = Struct(CalibrationBody, Field(1, "instrument", NAME), Field(2, "text", DOCUMENT),
                     Field(3, "accepted", Truth()), Field(4, "reason", PROSE))
MODEL = Struct(ModelBody, Field(1, "name", NAME), Field(2, "runtime", WORD), Field(3, "card", Text(49_152)),
               Field(4, "accepted", Truth()), Field(5, "reason", PROSE))
KEY = Struct(KeyBody, Field(1, "action", Choice(KeyAction.ADDED, KeyAction.RETIRED)),
             Field(2, "algorithm", Choice(KeyAlgorithm.ED25519, KeyAlgorithm.ML_DSA_44)),
             Field(3, "public_key", Octets(32, 1312)))
CONTEXT = Struct(
    ContextBody,
    Field(1, "source", NAME),
    Field(2, "received_at", INSTANT),
    Field(3, "scan_id", Whole(), optional=True),
    Field(4, "container", NAME, optional=True),
    Field(5, "ucr", NAME, optional=True),
    Field(6, "mrn", NAME, optional=True),
    Field(7, "lrn", NAME, optional=True),
    Field(8, "unlocode", NAME, optional=True),
    Field(9, "lane", NAME, optional=True),
    Field(10, "hs6", NAME, optional=True),
    Field(11, "event_id", NAME, optional=True),
)
DISPOSITION = Struct(
    DispositionBody,
    Field(1, "officer", NAME),
    Field(2, "role", WORD),
    Field(3, "authentication", WORD),
    Field(4, "verdict_sequence", SEQUENCE),
    Field(5, "finding", Choice(Finding.CONFIRMED, Finding.NOT_FOUND, Finding.NOT_INSPECTED)),
    Field(6, "substance", WORD),
    Field(7, "note", PROSE),
    Field(8, "received_at", INSTANT),
)
PRUNING = Struct(PruningBody, Field(1, "first", SEQUENCE), Field(2, "last", SEQUENCE),
                 Field(3, "raw_only", Truth()), Field(4, "policy", NAME), Field(5, "operator", NAME))

Body: TypeAlias = (
    ReadingBody | ScanBody | VerdictBody | AnomalyBody | FaultBody | StartBody | ConfigurationBody
    | CalibrationBody | ModelBody | KeyBody | ContextBody | DispositionBody | PruningBody
)
