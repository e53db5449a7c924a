"""Coverage-guided fuzzing: what it found before stays fixed, and a short run of every target finds nothing new."""

from __future__ import annotations

import platform
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuzz.every import run
from tests.fuzz.targets import seeds, targets

FINDINGS = Path(__file__).parent / "findings"
TARGETS = targets()
SMOKE_S = 1
AT_ONCE = 2

no_wheel = pytest.mark.skipif(platform.machine() != "x86_64", reason="atheris has wheels for x86-64 only")


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_before_and_every_seed_is_borne(name: str) -> None:
    """Each kept finding and each beginning of the fuzzing is an input that breaks no promise."""
    for finding in sorted((FINDINGS / name).glob("*.bin")):
        TARGETS[name](finding.read_bytes())
    for seed in seeds(name):
        TARGETS[name](seed)


def test_every_finding_belongs_to_a_target() -> None:
    """A target that is renamed takes its findings with it."""
    assert {path.name for path in FINDINGS.iterdir() if path.is_dir()} <= set(TARGETS)


@no_wheel
@pytest.mark.timeout(180)  # some 10 s on two idle cores
def test_a_second_of_fuzzing_finds_nothing(tmp_path: Path) -> None:
    """Every target runs under atheris, each in a process of its own; `make fuzz` does it for minutes."""
    names = list(TARGETS)
    parts = [names[part::AT_ONCE] for part in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda part: run(part, SMOKE_S, tmp_path), parts))
    said = "".join(words for _, words in results)
    assert [code for code, _ in results] == [0] * AT_ONCE, said
    assert [f"target {name} ended with 0" in said for name in names] == [True] * len(names), said
    assert len(re.findall(r"stat::number_of_executed_units: +[1-9]", said)) == len(names), said
