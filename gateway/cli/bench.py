"""spingate bench: memory, records per second, latency beside a floor, a long run, and what detection is worth.

Real processes and a real broker on loopback, emulated instruments in a process of their own. It asserts nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from gateway.cli.bench_detection import TRIALS, add_options, run_detection
from gateway.cli.bench_open_set import run_open_set
from gateway.cli.bench_sequential import run_sequential
from gateway.cli.words import add_json, print_json

if TYPE_CHECKING:
    from hil.bench.figures import Memory, SpineFigures
    from hil.bench.load_figures import LoadFigures

TOPICS = ("spine", "load", "loop", "detection", "lane", "open-set", "sequential", "drift")
DRIFT_TRIALS_MAX = 40  # changes of each kind; with the heads a minute of work
DRIFT_HEADS = 25       # of 2000 quiet scans each


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate bench`."""
    parser = subparsers.add_parser("bench", help="measure memory, records per second, latency and detection")
    parser.add_argument("what", nargs="?", choices=TOPICS, default=TOPICS[0],
                        help="the spine, a whole bay under load, its event loop, detection at its limits, the lane,"
                        " what nobody covers, loads scanned until decided, the drift watch (spine)")
    parser.add_argument("--seconds", type=positive, default=10.0, metavar="N", help="length of each run (10)")
    parser.add_argument("--repeats", type=int, choices=range(1, 21), default=3, metavar="N", help="pairs of runs (3)")
    parser.add_argument("--scans", type=int, choices=range(1, 101), default=4, metavar="N", help="NQR scans (4)")
    parser.add_argument("--minutes", type=minutes, default=10.0, metavar="N", help="load: length of the run (10)")
    parser.add_argument("--broker", default="auto", choices=("auto", "embedded"),
                        help="auto: mosquitto where it is installed, else the embedded one")
    add_options(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def positive(text: str) -> float:
    """Return a length in seconds."""
    seconds = float(text)
    if not 0.5 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text}: must be from 0.5 to 3600")
    return seconds


def minutes(text: str) -> float:
    """Return a length in minutes."""
    length = float(text)
    if not 0.1 <= length <= 1440:
        raise argparse.ArgumentTypeError(f"{text}: must be from 0.1 to 1440")
    return length


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print."""
    topics = {"spine": run_spine, "load": run_load, "loop": run_loop, "detection": run_detection, "lane": run_lane,
              "open-set": run_open_set, "sequential": run_sequential, "drift": run_drift}
    return topics[arguments.what](arguments)


def run_lane(arguments: argparse.Namespace) -> int:
    """Measure the magnetic lane: two noises, one channel and three."""
    from hil.bench.lane import measure_lane
    from hil.bench.lane_noise import NOISES
    from hil.bench.lane_page import lane_lines

    found = []
    for noise in NOISES:
        for channels in (1, 3):
            found.append(measure_lane(noise, channels, arguments.trials or TRIALS, arguments.seed))
            if not arguments.json:
                print("\n".join(lane_lines(found[-1])), flush=True)
    if arguments.json:
        print_json({"lanes": [asdict(one) for one in found]})
    return 0


def run_drift(arguments: argparse.Namespace) -> int:
    """Measure the drift watch on drawn scans: delays, and false drift alarms."""
    from hil.bench.drift import drift_lines, measure_drift

    found = measure_drift(min(arguments.trials, DRIFT_TRIALS_MAX), DRIFT_HEADS, arguments.seed)
    if arguments.json:
        print_json(asdict(found))
    else:
        print("\n".join(drift_lines(found)))
    return 0


def run_load(arguments: argparse.Namespace) -> int:
    """Measure a whole bay under load."""
    from hil.bench.load import measure_load

    found = measure_load(arguments.broker, arguments.minutes, silent if arguments.json else say)
    if arguments.json:
        print_json(load_json(found))
    else:
        print("\n".join(load_lines(found)))
    return 0


def run_loop(arguments: argparse.Namespace) -> int:
    """Measure whether anything holds the core's event loop."""
    from hil.bench.lag_figures import loop_lines
    from hil.bench.loop import measure_loop

    found = measure_loop(arguments.broker, arguments.seconds, silent if arguments.json else say)
    if arguments.json:
        print_json(asdict(found))
    else:
        print("\n".join(loop_lines(found)))
    return 0


def run_spine(arguments: argparse.Namespace) -> int:
    """Measure the spine."""
    from hil.bench.spine import measure_spine

    found = measure_spine(arguments.broker, arguments.seconds, arguments.repeats, arguments.scans,
                          silent if arguments.json else say)
    if arguments.json:
        print_json(as_json(found))
    else:
        print("\n".join(lines(found)))
    return 0


def as_json(found: SpineFigures) -> dict[str, object]:
    """Return all figures, with those that are computed from them."""
    ours, least = found.latencies.median("gateway"), found.latencies.median("floor")
    return asdict(found) | {
        "together_peak_mb": found.memory.together_peak_mb,
        "latency_ms_p50": ours[0], "latency_ms_p99": ours[1],
        "floor_ms_p50": least[0], "floor_ms_p99": least[1],
        "ratio_p50": found.latencies.ratio[0], "ratio_p99": found.latencies.ratio[1],
    }


def lines(found: SpineFigures) -> list[str]:
    """Return the figures for a person."""
    machine, memory, rates, late = found.machine, found.memory, found.rates, found.latencies
    ours, least, ratio, stages = late.median("gateway"), late.median("floor"), late.ratio, late.stages
    both = f"both at most {memory.together_peak_mb:.1f} MB"
    alone = f"writer alone {rates.writer_one_at_a_time:.0f}/s one at a time, {rates.writer_flat_out:.0f}/s flat out"
    one = f"gateway {rates.gateway_one_instrument:.0f}/s from one instrument polled every 5 ms"
    p50 = f"device to subscriber p50 {ours[0]:.2f} ms, p99 {ours[1]:.2f} ms at {late.gateway[0].rate:.0f} readings/s"
    floor = f"p50 {least[0]:.2f} ms, p99 {least[1]:.2f} ms at {late.floor[0].rate:.0f} readings/s"
    parts = f"port {stages.device_to_core_ms:.2f} ms, to the writer {stages.core_to_writer_ms:.2f} ms"
    return [
        f"machine           {machine.processor}, {machine.cores} cores, Python {machine.python}, {machine.broker}",
        f"load              {machine.load_before:.2f} before, {machine.load_after:.2f} after",
        "start-up          " + ", ".join(f"{word} {seconds:.2f} s" for word, seconds in found.start_s.items()),
        f"memory, idle      core {of(memory.core_idle)}, publisher {of(memory.publisher_idle)}",
        f"memory, scans     core {of(memory.core_after_scans)}, publisher {of(memory.publisher_after_scans)}; {both}",
        f"signed+committed  {alone}, 100 values a record",
        f"                  {one}; {rates.gateway_many_instruments:.0f}/s from {rates.instruments} of them",
        f"latency           {p50}, medians of {len(late.gateway)} runs",
        f"floor             {floor}; gateway over floor p50 {ratio[0]:.2f}, p99 {ratio[1]:.2f}",
        f"of the p50        {parts}, signed to subscriber {stages.writer_to_subscriber_ms:.2f} ms",
    ]


def load_json(found: LoadFigures) -> dict[str, object]:
    """Return the figures of a long run, with those that are computed from them."""
    return asdict(found) | {"cpu_percent": found.cpu_percent, "lost": found.lost}


def load_lines(found: LoadFigures) -> list[str]:
    """Return the figures of a long run for a person."""
    parts = f"core {found.core_cpu_percent} %, publisher {found.publisher_cpu_percent} %"
    slopes = f"{found.core_mb_per_hour:+.2f} and {found.publisher_mb_per_hour:+.2f} MB an hour"
    lines = [
        f"run               {found.seconds:.0f} s, load {found.load_before:.2f} before, {found.load_after:.2f} after",
        f"CPU               {found.cpu_percent} % of one core: {parts}",
        f"memory            core {found.core_mb} MB, publisher {found.publisher_mb} MB; second half: slope {slopes}",
        f"core, in MB       {', '.join(f'{mb:.1f}' for mb in found.core_mb_each)}",
        f"samples lost      {found.lost}",
    ]
    for name, tally in found.instruments.items():
        faults = ", ".join(f"{count} x {kind}" for kind, count in tally.faults.items()) or "no fault"
        lines.append(f"{name:<18}{tally.readings} readings, {tally.rows} rows, {tally.verdicts} verdicts, {faults}")
    return lines


def of(memory: Memory) -> str:
    """Return resident memory in words."""
    return f"{memory.now_mb:.1f} MB (peak {memory.peak_mb:.1f})"


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)


def silent(line: str) -> None:
    """Say nothing: a program reads the figures."""
