"""The publisher and the verifier import the evidence room: it must bring nothing heavy along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted(f"gateway.evidence.{path.stem}" for path in (ROOT / "gateway" / "evidence").glob("[a-z]*.py"))
HEAVY = ("numpy", "scipy", "pymodbus", "serial", "ai_edge_litert", "tflite_runtime", "msgspec", "rich", "asyncio")


def test_no_file_of_the_room_imports_numpy_or_anything_else_that_is_heavy() -> None:
    """All of it together loads the standard library, cbor2 and cryptography, and not even asyncio."""
    program = f"import sys, {', '.join(MODULES)}\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    assert len(MODULES) > 20
