"""Try a model package in a process of its own: `python -m gateway.detection.trial FOLDER`. Edge: limits itself.

Exit 0 when the model loads and passes its self-test; the last line on standard error says why not.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

from gateway.detection.model import ModelRefused, check_card, check_content, network_that_passes

# Address space, not resident memory: the runtime maps its libraries and arenas generously.
ADDRESS_BYTES_MAX: Final = 3 << 30
CPU_S_MAX: Final = 20
REFUSED: Final = 3


def main() -> int:
    """Bound this process, then load and run the model in it."""
    for what, limit in ((resource.RLIMIT_AS, ADDRESS_BYTES_MAX), (resource.RLIMIT_CPU, CPU_S_MAX),
                        (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))
    folder = Path(sys.argv[1])
    try:
        card, _ = check_card(folder)
        network_that_passes(check_content(folder, card), card, folder)
    except (ModelRefused, MemoryError) as refused:
        sys.stderr.write(f"{' '.join(str(refused).split()) or 'out of memory'}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
