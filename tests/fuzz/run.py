"""Run fuzz targets under atheris: `python -m tests.fuzz.run build/fuzz 300 twinleaf` for five minutes.

Rule: a process for each target, for libFuzzer ends the process; what it found stays in build/fuzz/TARGET.

Exit 0: nothing found. Another code: a finding; the file crash-... is its input, to be kept in findings/TARGET.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import atheris

with atheris.instrument_imports(include=["drivers", "tests.fuzz"], enable_loader_override=False):
    from tests.fuzz import targets

FINDINGS = Path(__file__).parent / "findings"
MEMORY_MB_MAX = 1024
INPUT_S_MAX = 10


def main() -> int:
    """Fuzz each named target in a fork of this process, which has loaded everything once."""
    folder, seconds, *names = sys.argv[1:]
    found = 0
    for name in names:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            fuzz(name, int(seconds), Path(folder) / name)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stderr.write(f"target {name} ended with {code}\n")
        found += code != 0
    return min(found, 1)


def fuzz(name: str, seconds: int, work: Path) -> NoReturn:
    """Fuzz until the time is up or something is found; this ends the process."""
    corpus = work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    for finding in (FINDINGS / name).glob("*.bin"):
        (corpus / finding.name).write_bytes(finding.read_bytes())
    words = [sys.argv[0], f"-max_total_time={seconds}", f"-max_len={targets.INPUT_BYTES_MAX}",
             f"-rss_limit_mb={MEMORY_MB_MAX}", f"-timeout={INPUT_S_MAX}", f"-artifact_prefix={work}/", "-seed=1",
             "-print_final_stats=1", str(corpus)]
    atheris.Setup(words, targets.targets()[name])
    atheris.Fuzz()
    raise RuntimeError("libFuzzer ends the process")


if __name__ == "__main__":
    sys.exit(main())
