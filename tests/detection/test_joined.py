"""Scans of one load are joined into what one longer scan would have been, and nothing else is joined."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from calibration.priors import properties
from calibration.reading import Trust
from calibration.schedule import repetition_s, schedule, train_s
from gateway.detection.beam import Beam, form_beam
from gateway.detection.detector import Detector, Policy, beams_of
from gateway.detection.glrt import Scene, best_fit
from gateway.detection.hypotheses import grids
from gateway.detection.joined import JoinRefused, join, joined, start
from gateway.detection.sensitivity import ft_per_kg
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from gateway.detection.hypotheses import Grid

WHITE = Bay(tier=Tier.B, edge_hz=math.inf, city=0.0, coupling_spread=0.0, gain_error=0.0, phase_error_rad=0.0, head=7)
EMPTY = Load(standoff_m=0.15)
M = 0.15


def scanned(seed: int, load: Load = EMPTY, bay: Bay = WHITE, dwell_s: float = 60.0) -> CalibratedScan:
    """A scan of a load at a known distance, with a digest of its own."""
    made = calibrated(scan(schedule(dwell_s), bay, load, np.random.default_rng(seed), dwell_s), seed)
    digest = hashlib.sha256(made.bands[0].field_ft.tobytes()).digest()
    return replace(made, raw_sha256=digest, standoff_m=load.standoff_m)


@cache
def empty(count: int) -> tuple[CalibratedScan, ...]:
    """So many scans of nothing."""
    return tuple(scanned(seed) for seed in range(count))


def grid_of(substance: str) -> Grid:
    """The hypotheses of a substance."""
    return next(grid for grid in grids(schedule(60.0), 253.0, 323.0) if grid.substance.name == substance)


def strength(beams: tuple[Beam, ...], dwell_s: float, substance: str) -> float:
    """The statistic of a substance, a measure of d squared."""
    return best_fit(Scene(beams, dwell_s, M), grid_of(substance), 1).statistic


def test_five_scans_of_60_s_see_what_one_of_300_s_sees() -> None:
    """The deflection of cocaine base, of which neither schedule leaves trains unused, within 0.3 dB."""
    load = replace(EMPTY, contents=(Content("cocaine base", 1.0),))
    energy = []
    for seeds, dwell_s in ((range(1, 2), 300.0), (range(5), 60.0)):
        held, bare = (joined((scanned(seed, what, dwell_s=dwell_s), M) for seed in seeds).beams()
                      for what in (load, EMPTY))
        # The same noise with the load and without: what differs is the load's, over the floor without it.
        energy.append(sum(float(np.sum(np.abs(one.spectra - other.spectra) ** 2 / other.floor))
                          for one, other in zip(held, bare, strict=True)))
    assert abs(10.0 * math.log10(energy[1] / energy[0])) < 0.3


def test_the_echoes_of_joined_scans_have_recovered_as_far_as_in_each_of_them() -> None:
    """Time and trains are summed alike: with T1 of half a minute a longer rest would promise a lower limit."""
    whole = joined((one, M) for one in empty(3))
    assert whole.scan.dwell_s == pytest.approx(3 * empty(1)[0].dwell_s)
    for grid in grids(schedule(60.0), 253.0, 323.0):
        for placed in grid.lines:
            for plan, band in zip(schedule(60.0), whole.scan.bands, strict=True):
                alone = ft_per_kg(placed, plan, 60.0, M, 295.0)
                assert ft_per_kg(placed, band.plan, whole.scan.dwell_s, M, 295.0) == pytest.approx(alone)


def test_limits_fall_with_the_root_of_the_time_and_as_theory_says_of_slow_substances() -> None:
    """PETN rests 60 s between two trains of a short scan and 43 s in the long one: it gains and loses, exactly."""
    detector = Detector(Policy())
    whole = joined((one, M) for one in empty(5))
    joint = detector.limits_kg(whole.scan, whole.beams())
    first = detector.limits_kg(empty(1)[0], beams_of(empty(1)[0], M))
    for name, kg in joint.items():
        assert kg / first[name] == pytest.approx(1 / math.sqrt(5), rel=0.08), name
    fixed = detector.limits_kg(long := scanned(1, dwell_s=300.0), beams_of(long, M))
    plans = [{plan.carrier_hz: plan for plan in schedule(dwell_s)} for dwell_s in (60.0, 300.0)]
    line = grid_of("PETN").lines[0].line
    gained = []
    for carrier_hz in (495_500.0, 890_500.0):
        short, slow = (plan[carrier_hz] for plan in plans)
        rest = [repetition_s(plan, dwell) - train_s(plan) for plan, dwell in ((short, 60.0), (slow, 300.0))]
        recovered = [-math.expm1(-one / properties(line).t1_s.value) for one in rest]
        gained.append(5 * short.trains * recovered[0] ** 2 / (slow.trains * recovered[1] ** 2))
    assert joint["PETN"] / fixed["PETN"] == pytest.approx(1 / math.sqrt(np.mean(gained)), rel=0.06)


def test_a_bin_that_a_station_holds_in_one_scan_is_read_from_the_others() -> None:
    """The station is on the air during one of three scans; where it stands in all of them, the bin stays marked."""
    loud = replace(WHITE, stations=(Station(846.0, 20_000.0, depth=0.3),))
    scans = (*empty(2), scanned(9, bay=loud))
    at = next(i for i, band in enumerate(scans[0].bands) if band.plan.carrier_hz == 842_500.0)
    marked = form_beam(scans[2].bands[at], M).tones
    assert marked.any()
    mixed = joined((one, M) for one in scans).beams()[at]
    quiet = joined((one, M) for one in empty(2)).beams()[at]
    assert not mixed.tones[marked].any()
    assert np.allclose(mixed.spectra[:, marked], quiet.spectra[:, marked], atol=1e-3 * np.sqrt(quiet.floor.max()))
    assert mixed.floor[marked].mean() > 1.3 * mixed.floor[~marked].mean()
    always = joined((scanned(seed, bay=loud), M) for seed in (9, 10)).beams()[at]
    assert always.tones.any()
    assert np.isfinite(always.floor).all()
    assert always.floor.max() < 3.0 * always.floor.min()


def test_a_dead_channel_in_one_scan_costs_its_share_and_is_told() -> None:
    """The beam of five channels has more noise and counts for less; the joined beam names the channel as dead."""
    dead = calibrated(scan(schedule(60.0), WHITE, EMPTY, np.random.default_rng(3), 60.0), dead=(2,))
    dead = replace(dead, raw_sha256=b"d" * 32, standoff_m=M)
    whole = joined((one, M) for one in (*empty(1), dead)).beams()
    assert not any(beam.alive[2] for beam in whole)
    alone = [beams_of(one, M) for one in (empty(1)[0], dead)]
    for beam, healthy, worse in zip(whole, *alone, strict=True):
        expected = 1.0 / (1.0 / healthy.floor + 1.0 / worse.floor)
        assert np.median(beam.floor / expected) == pytest.approx(1.0, abs=0.1)


def test_noise_that_is_the_same_in_every_scan_does_not_average_down() -> None:
    """A spur locked to the carrier: the floor is what is measured on the mean, not what independent scans promise."""
    rng = np.random.default_rng(5)
    shape = empty(1)[0].bands[0].field_ft.shape
    sd_ft = 2.0 * empty(1)[0].bands[0].field_ft.std()
    locked = (sd_ft * (rng.standard_normal(shape[1:]) + 1j * rng.standard_normal(shape[1:])) / math.sqrt(2.0))
    scans = [replace(one, bands=(replace(one.bands[0], field_ft=(one.bands[0].field_ft + locked).astype(np.complex64)),
                                 *one.bands[1:])) for one in empty(4)]
    beam, honest = joined((one, M) for one in scans).beams()[0], joined((one, M) for one in empty(4)).beams()[0]
    power = np.mean(np.abs(beam.spectra) ** 2, axis=0)
    assert np.median(power / beam.floor) < 1.1
    assert np.median(beam.floor) > 3.0 * np.median(honest.floor)


def turned(one: CalibratedScan, radians: float, bands: slice = slice(None)) -> CalibratedScan:
    """The scan of a head whose receivers have turned: echoes and pilot tone alike."""
    turn = np.complex64(np.exp(1j * radians))
    chosen = range(len(one.bands))[bands]
    return replace(one, bands=tuple(
        replace(band, field_ft=band.field_ft * turn, pilot_gain=band.pilot_gain * turn) if at in chosen else band
        for at, band in enumerate(one.bands)))


def test_a_band_whose_pilot_has_turned_is_left_out_of_that_scan_and_told() -> None:
    """Half a radian is taken, half a turn would take the line away; the other bands are joined."""
    scans = (empty(2)[0], turned(empty(2)[1], math.pi, slice(1, 2)))
    whole = joined((one, M) for one in scans)
    assert [band.scans for band in whole.sums if band] == [2, 1, *[2] * 12]
    assert whole.left_out[0].startswith("495.5 kHz of scan 2 left out: the pilot tone has turned")
    most = joined((one, M) for one in (scans[0], turned(empty(2)[1], math.pi)))
    assert len(most.left_out) == 1
    beam, alone = whole.beams()[1], beams_of(scans[0], M)[1]
    assert np.allclose(beam.spectra, alone.spectra)
    slightly = joined((one, M) for one in (scans[0], turned(empty(2)[1], 0.3)))
    assert slightly.left_out == ()


def test_a_load_that_warms_a_little_loses_a_little() -> None:
    """RDX, 400 Hz/K and the steepest there is: half a kelvin over three scans costs less than 0.8 dB."""
    def three(step_k: float) -> float:
        loads = [replace(EMPTY, contents=(Content("RDX (alpha)", 1.5),), temperature_k=293.0 + at * step_k)
                 for at in range(3)]
        whole = joined((scanned(at, load), M) for at, load in enumerate(loads))
        return strength(whole.beams(), whole.scan.dwell_s, "RDX (alpha)")

    assert 10.0 * math.log10(three(0.0) / three(0.25)) < 0.8


def altered(what: str) -> CalibratedScan:
    """A second scan that is something else than the first."""
    one = scanned(77, dwell_s=120.0 if what == "schedule" else 60.0)
    changes: dict[str, Any] = {
        "digest": {"raw_sha256": empty(1)[0].raw_sha256},
        "head": {"device": replace(one.device, serial="2")},
        "schedule": {},
        "bands": {"bands": one.bands[1:]},
        "certificate": {"trust": Trust(calibrated=True, certificate_sha256=b"c" * 32)},
        "moved": {"standoff_m": M + 0.012},
        "unknown range": {"standoff_m": math.nan},
    }
    return replace(one, **changes[what])


@pytest.mark.parametrize(("what", "words"), [
    ("digest", "scan 2 is scan 1 again"), ("head", "of another head"), ("schedule", "another schedule"),
    ("bands", "another schedule"), ("certificate", "another certificate"), ("moved", "the load has moved"),
    ("unknown range", "the load has moved"),
])
def test_what_is_not_another_look_at_the_same_load_is_refused(what: str, words: str) -> None:
    """In words that name what differs."""
    first = start(empty(1)[0], M)
    with pytest.raises(JoinRefused, match=words):
        join(first, altered(what), M)


def test_a_range_finder_that_wanders_does_not_move_the_load() -> None:
    """2 mm, as its prior says, and the joined scan has the mean."""
    whole = joined(((replace(one, standoff_m=M + off), M) for one, off in zip(empty(3), (0.0, 0.004, -0.004),
                                                                                  strict=True)))
    assert whole.scan.standoff_m == pytest.approx(M)


def test_what_speaks_against_one_scan_speaks_against_all() -> None:
    """Metal, a fault bit, a missing certificate: the joined scan is no better than its worst."""
    first, second = empty(2)
    shielded = replace(second, flags=("fault 3",), bands=tuple(replace(band, reflected=0.4) for band in second.bands))
    for scans in ((first, shielded), (shielded, first)):
        whole = joined((one, M) for one in scans).scan
        assert whole.flags == ("fault 3",)
        assert {band.reflected for band in whole.bands} == {0.4}
