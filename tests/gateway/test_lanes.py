"""A scalar magnetometer in the lane is watched as a vector one is; other instruments are not."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from calibration.apply import calibrate
from drivers.driver import DriverOptions
from drivers.geometrics import Geometrics
from drivers.sample import Fault, Sample
from gateway.config import load
from gateway.lanes import Calibrated, open_lane
from hil.instruments.geometrics import CounterChain, Trouble
from hil.scene.lane import Lane, Pass, Sensor, scalar_source

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.detection.verdict import Anomaly

CONFIG = """\
[gateway]
id = "gw-test"
[[instrument]]
name = "mag"
driver = "{driver}"
port = "/dev/ttyUSB0"
"""


def lane_of(driver: str, folder: Path) -> Calibrated:
    """Return the lane that the configuration of this instrument makes."""
    path = folder / "gateway.toml"
    path.write_text(CONFIG.format(driver=driver))
    loaded = load(path)
    return open_lane(loaded, loaded.config.instrument[0])


@pytest.mark.parametrize(("driver", "watched"), [
    ("geometrics", True), ("twinleaf", True), ("eurotherm-3200", False), ("nqr-head", False),
])
def test_the_magnetometers_of_a_lane_and_no_others_are_watched(driver: str, watched: bool, tmp_path: Path) -> None:  # noqa: FBT001  # a case
    """An oven cannot alarm for moving iron."""
    assert (lane_of(driver, tmp_path).lane.watch is not None) == watched


def anomalies(
    tmp_path: Path, passes: tuple[Pass, ...], seconds: int, trouble: Trouble | None = None,
) -> list[tuple[int, Anomaly]]:
    """Return what is told of a caesium magnetometer's lines, with the second it was told at."""
    lane = lane_of("geometrics", tmp_path).lane
    assert lane.watch
    source = scalar_source(Lane(seed=4, passes=passes), Sensor(key=4))
    block = source(0.0, 10 * seconds + 10, 10.0)
    chain = CounterChain([lambda t, n, hz: block[round(t * hz):][:n]], trouble=trouble)
    driver = Geometrics(DriverOptions())
    told = []
    for n in range(10 * seconds):
        for event in driver.feed(chain.poll(n * 100_000_000), n * 100_000_000):
            if isinstance(event, Fault):
                assert event.kind == "signal lost"
                continue
            assert isinstance(event, Sample)
            for whole in lane.block.add(event):
                moment = lane.watch.take(calibrate(whole, None, 0.0, clock_trusted=True), Future())
                if moment:
                    told.append((n // 10, moment.anomaly))
    return told


def test_a_trolley_that_passes_a_caesium_magnetometer_is_told_once(tmp_path: Path) -> None:
    """Ten readings a second of the total field are enough; the quiet lane before it tells nothing."""
    trolley = Pass((2.0, 0.5, -4.0), 400.0, closest_m=0.8)
    told = anomalies(tmp_path, (trolley,), 420)
    assert [385 < second < 412 for second, _ in told] == [True], told
    assert told[0][1].peak_t > 5e-10, "told 3 s after it was first felt, some metres before it is abreast"


def test_a_larmor_signal_that_is_lost_and_comes_back_is_no_moving_iron(tmp_path: Path) -> None:
    """Gone from 360 to 480 s: a fault and readings without a number, but no anomaly; the background is learnt anew."""
    assert anomalies(tmp_path, (), 490, Trouble(lost_every_s=480.0)) == []
