"""What the drift watch tells of a head, and when: steps, slow drifts, their end, another head, another certificate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.detection.drift_state import DriftLevel
from gateway.drift.bounds import CALM_SCANS, ENERGIES, LEARNT_SCANS, Quantity
from gateway.drift.look import LineKelvin, Look
from gateway.drift.watch import ANEW, DEGRADED, ENDED, HEADS_MAX, INHIBITED, DriftWatch
from hil.bench.drift_looks import IN_CONTROL, Shift, drawn
from tests.drift.healthy import Bay, learnt


def level(bay: Bay) -> DriftLevel:
    """Return how far the head of a bay has gone."""
    return bay.watch.state.level


STEPS = (
    (Shift("", noise_db=1.0), Quantity.NOISE, DEGRADED), (Shift("", noise_db=-1.5), Quantity.NOISE, DEGRADED),
    (Shift("", noise_db=8.0), Quantity.NOISE, INHIBITED), (Shift("", gain=0.93, channel=2), Quantity.GAIN, DEGRADED),
    (Shift("", gain=1.08), Quantity.GAIN, DEGRADED), (Shift("", gain=0.75), Quantity.GAIN, INHIBITED),
    (Shift("", phase_deg=7.0, channel=7), Quantity.PHASE, DEGRADED),
    (Shift("", phase_deg=-25.0), Quantity.PHASE, INHIBITED),
)


@pytest.mark.parametrize(("shift", "quantity", "kind"), STEPS)
def test_a_step_is_told_within_a_few_scans_and_never_by_one_alone(shift: Shift, quantity: Quantity, kind: str) -> None:
    """One odd scan is forgiven; the same again and again is a fault that names the quantity."""
    bay = learnt()
    assert bay.scan(1, shift) == []
    faults = bay.scan(5, shift)
    assert (kind, True) in {(fault.kind, fault.detail.startswith(quantity)) for fault in faults}
    assert bay.watch.state.level is (DriftLevel.DEGRADED if kind == DEGRADED else DriftLevel.INHIBITED)


@pytest.mark.parametrize(("change", "quantity"), [
    (lambda n: Shift("", noise_db=0.1 * n), Quantity.NOISE), (lambda n: Shift("", gain=0.995**n), Quantity.GAIN),
    (lambda n: Shift("", phase_deg=0.5 * n, channel=1), Quantity.PHASE),
])
def test_a_slow_drift_degrades_first_and_inhibits_later(change: object, quantity: Quantity) -> None:
    """A tenth of what matters in each scan is found, long before it is large; the worse fault follows."""
    bay, told = learnt(), []
    for number in range(1, 81):
        told += [(fault.kind, number) for fault in bay.scan(1, change(number))  # type: ignore[operator]  # a case
                 if fault.detail.startswith(quantity)]
    assert [kind for kind, _ in told] == [DEGRADED, INHIBITED]
    assert told[0][1] < 25 < told[1][1]


def test_a_drift_that_is_over_is_told_after_six_quiet_scans_and_not_at_each_swing() -> None:
    """Between the bounds nothing is told twice: it must stay well before it counts as ended."""
    bay, worse = learnt(), Shift("", noise_db=1.5)
    assert [fault.kind for fault in bay.scan(5, worse)] == [DEGRADED]
    for _ in range(3):
        assert bay.scan(CALM_SCANS - 1) == []
        assert bay.scan(1, worse) == []
    ended = bay.scan(CALM_SCANS)
    assert [(fault.kind, fault.detail) for fault in ended] == [(ENDED, "noise density: as it was")]
    assert level(bay) is DriftLevel.OK


def test_an_inhibition_does_not_end_by_itself() -> None:
    """However long the head is well again, only a person or a certificate lifts it."""
    bay = learnt()
    bay.scan(5, Shift("", gain=0.7))
    assert [fault.detail for fault in bay.scan(40)] == ["noise density: as it was"]
    assert level(bay) is DriftLevel.INHIBITED
    assert "pilot gain" in bay.watch.state.what[0]


def test_a_person_may_take_the_head_as_it_is() -> None:
    """After a reset everything is learnt anew, the gain too; what drifts from there is told again."""
    bay, aged = learnt(), Shift("", gain=0.8)
    bay.scan(5, aged)
    bay.watch.reset()
    assert level(bay) is DriftLevel.LEARNING
    assert bay.scan(LEARNT_SCANS + 20, aged) == []
    assert level(bay) is DriftLevel.OK
    assert [fault.kind for fault in bay.scan(4, Shift("", gain=0.72)) if "gain" in fault.detail] == [DEGRADED]


def test_another_head_begins_anew_and_says_so_and_the_first_one_is_known_again() -> None:
    """Swapping heads to and fro lifts no inhibition."""
    bay = learnt()
    bay.scan(5, Shift("", gain=0.7))
    told = bay.scan(1, change=lambda look: replace(look, head="another"))
    assert told[0].kind == ANEW
    assert "was replaced by another: its references are learnt anew" in told[0].detail
    assert level(bay) is DriftLevel.LEARNING
    told = bay.scan(1)
    assert "its references are known" in told[0].detail
    assert level(bay) is DriftLevel.INHIBITED


def test_more_heads_than_are_remembered_lift_no_inhibition() -> None:
    """A forgotten inhibition inhibits whatever stands there."""
    bay = Bay()
    for number in range(HEADS_MAX + 1):
        bay.scan(1, change=lambda look, name=f"head {number}": replace(look, head=name))  # type: ignore[misc]  # a default
        bay.watch.head.latched[Quantity.GAIN] = "pilot gain: -30 %"  # type: ignore[union-attr]  # there is one
    assert len(bay.watch.heads) == HEADS_MAX
    bay.scan(1, change=lambda look: replace(look, head="fresh"))
    assert level(bay) is DriftLevel.INHIBITED
    assert "was forgotten" in bay.watch.state.what[0]


def test_another_certificate_lifts_what_it_certifies_and_nothing_else() -> None:
    """A calibration answers for gain and phase; for p-values that were too small it does not."""
    bay = learnt()
    bay.scan(6, Shift("", gain=0.7))
    bay.watch.head.latched[Quantity.CHANCE] = "null p-values: 2"  # type: ignore[union-attr]  # there is one
    told = bay.scan(1, change=lambda look: replace(look, certificate_sha256=b"n" * 32))
    assert [fault.kind for fault in told] == [ANEW]
    assert "another certificate" in told[0].detail
    assert bay.watch.state.what == ("null p-values: 2",)


def test_a_certificate_that_expired_lifts_nothing_and_is_no_drift() -> None:
    """Uncalibrated scans are in other units: noise and gain are not compared, and an inhibition stays."""
    bay = learnt()
    expired = bay.scan(30, Shift("", gain=0.5), change=lambda look: replace(look, certificate_sha256=None))
    assert expired == []
    bay.scan(6, Shift("", gain=0.7))
    assert bay.scan(5, change=lambda look: replace(look, certificate_sha256=None)) == []
    assert level(bay) is DriftLevel.INHIBITED


def test_a_head_without_a_certificate_is_held_against_itself() -> None:
    """What gain it has is learnt; only a change of it is a drift."""
    bay = Bay()

    def bare(look: Look) -> Look:
        turned = look.gain * 1.3 * np.exp(3.0j)
        return replace(look, certificate_sha256=None, gain=turned)

    assert bay.scan(LEARNT_SCANS + 20, change=bare) == []
    assert [fault.kind for fault in bay.scan(6, Shift("", phase_deg=10.0), change=bare)] == [DEGRADED]


def test_gain_is_watched_from_the_first_scan_where_a_certificate_says_what_it_should_be() -> None:
    """Nobody has to be well for twenty scans to be held against a certificate."""
    bay = Bay()
    assert INHIBITED in {fault.kind for fault in bay.scan(4, Shift("", gain=0.7))}


def test_the_line_thermometer_tells_a_wrong_sensor() -> None:
    """2 K, after three calibrant scans and a few more; 12 K inhibit, because the head's frequencies may be wrong."""
    bay = learnt()
    assert bay.calibrant(5) == []
    assert [fault.kind for fault in bay.calibrant(4, Shift("", sensor_k=2.2))] == [DEGRADED]
    assert [fault.kind for fault in bay.calibrant(4, Shift("", sensor_k=12.0))] == [INHIBITED]


def test_what_the_line_table_vouches_for_is_not_learnt_away() -> None:
    """A sensor that is 9 K off from the first calibrant scan on is told, though it never changed."""
    bay = learnt()
    told = bay.calibrant(8, Shift("", sensor_k=9.0))
    assert [fault.kind for fault in told] == [DEGRADED]


def test_p_values_that_are_too_small_degrade_then_inhibit_and_end() -> None:
    """The evidence is counted at every scan, without a window."""
    bay = learnt()
    kinds = [fault.kind for fault in bay.scan(60, Shift("", p_times=10.0))]
    assert kinds == [DEGRADED, INHIBITED]
    mild = learnt(3)
    assert [fault.kind for fault in mild.scan(14, Shift("", p_times=12.0))] == [DEGRADED]
    assert [fault.kind for fault in mild.scan(80)] == [ENDED]


def test_a_network_that_sees_what_it_never_saw_degrades_and_never_inhibits() -> None:
    """No clear rests on the network alone."""
    bay = learnt()
    bay.scan(ENERGIES)
    kinds = [fault.kind for fault in bay.scan(200, Shift("", energy=5.0))]
    assert kinds == [DEGRADED]


def test_a_detuned_coil_is_told_and_loads_with_metal_are_not() -> None:
    """The least of the last eight loads is the coil's own."""
    bay = learnt()

    def detuned(look: Look) -> Look:
        return replace(look, reflected=look.reflected + 0.1)

    assert bay.scan(5, change=detuned) == []
    assert bay.scan(10) == []
    assert [fault.detail.startswith("reflected power") for fault in bay.scan(15, change=detuned)] == [True]
    assert level(bay) is DriftLevel.DEGRADED


def test_dead_channels_are_left_out_and_are_no_drift() -> None:
    """The detector says so itself; what is left is watched on."""
    def dead(look: Look) -> Look:
        noise, gain = look.noise_db.copy(), look.gain.copy()
        noise[:, 3], gain[:, 3] = math.nan, math.nan
        return replace(look, noise_db=noise, gain=gain)

    bay = learnt()
    assert bay.scan(20, change=dead) == []
    assert [fault.kind for fault in bay.scan(4, Shift("", noise_db=1.5), change=dead)] == [DEGRADED]


def test_a_recording_says_nothing_of_the_head() -> None:
    """Whatever was replayed, no reference learns from it and nothing drifts."""
    bay = Bay()
    assert bay.scan(30, Shift("", gain=0.5), change=lambda look: replace(look, replayed=True)) == []
    assert bay.watch.heads == {}


def test_no_clock_decides_anything() -> None:
    """Scans count, whenever they come: with a clock that runs backwards the same is told."""
    told = []
    for backwards in (False, True):
        chance, watch = np.random.default_rng(4), DriftWatch()
        looks = [drawn(n, IN_CONTROL if n < 30 else Shift("", noise_db=1.5), chance) for n in range(45)]
        faults = [watch.take(look, 10**12 - n * 10**9 if backwards else n) for n, look in enumerate(looks)]
        told.append([(n, fault.kind, fault.detail) for n, some in enumerate(faults) for fault in some])
    assert told[0] == told[1] != []


def test_another_band_plan_is_told() -> None:
    """Noise is compared band for band: with others it is learnt anew, and a record says so."""
    bay = learnt()
    fewer = bay.scan(1, change=lambda look: replace(look, carriers_hz=look.carriers_hz[1:], gain=look.gain[1:],
                                                    noise_db=look.noise_db[1:], reflected=look.reflected[1:]))
    assert [fault.kind for fault in fewer] == [ANEW]


ODD = st.sampled_from([0.0, 1e-300, -1.0, 1.0, 50.0, 1e300, math.inf, -math.inf, math.nan])


@st.composite
def odd_looks(draw: st.DrawFn) -> Look:
    """Return a scan with anything in it."""
    look = drawn(draw(st.integers(0, 9)), IN_CONTROL, np.random.default_rng(draw(st.integers(0, 9))))
    noise, gain, odd = look.noise_db, look.gain, draw(ODD)
    noise[draw(st.integers(0, 13)), draw(st.integers(0, 7))] = odd
    gain[draw(st.integers(0, 13)), draw(st.integers(0, 7))] = draw(ODD)
    if draw(st.booleans()):
        noise[:], gain[:] = draw(ODD), draw(ODD)
    read = LineKelvin(draw(ODD), draw(ODD), draw(ODD)) if draw(st.booleans()) else None
    certificate = draw(st.sampled_from([None, b"a", b"b"]))
    return replace(look, noise_db=noise, gain=gain, p_value=draw(ODD), energy=draw(ODD), thermometer=read,
                   calibrant=read is not None, replayed=draw(st.booleans()), reflected=look.reflected * draw(ODD),
                   head=f"head {draw(st.integers(0, 20))}", certificate_sha256=certificate)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(odd_looks(), min_size=1, max_size=8), st.integers(1, 12))
def test_no_sequence_of_scans_raises_or_grows_without_bound(odd: list[Look], times: int) -> None:
    """Whatever the scans hold, each is taken, and what is kept stays bounded."""
    watch = DriftWatch()
    for _ in range(times):
        for look in odd:
            told = watch.take(look, 1)
            assert len(told) <= len(Quantity) + 1
    assert len(watch.heads) <= HEADS_MAX
    for head in watch.heads.values():
        assert len(head.reflected) <= 8
        assert len(head.ranks.known) <= ENERGIES
        assert all(len(one.reference.rows) < LEARNT_SCANS for one in head.charted.values())
        assert all(math.isfinite(stake) for stake in (*head.chance.stakes, *head.energy.stakes))
        for charted in head.charted.values():
            assert np.isfinite(charted.charts.up).all()
            assert charted.charts.up.max(initial=0.0) <= charted.charts.interval
