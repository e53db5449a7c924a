"""Write what passes on a line to a capture file: beside its place while it grows, in its place when it is whole. Edge.

Rule: another file is never written over unasked, and half a recording never has the name of a whole one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.capture import CHUNK_BYTES_MAX, Chunk, chunk_text, header_text

if TYPE_CHECKING:
    from drivers.capture import CaptureHeader
    from drivers.sample import Nanoseconds

# A day of a serial line at 9600 baud as text, or an hour of eight fast ones; a disk must not be filled by accident.
RECORD_BYTES_MAX = 256 * 1024 * 1024


class FileTaken(ValueError):
    """There is a file of that name already."""


class RecordFull(ValueError):
    """The recording has reached its limit; what was recorded so far is kept."""


@dataclass(slots=True)
class Told:
    """How far a recording is."""

    from_device: int = 0
    to_device: int = 0
    chunks: int = 0


class Recorder:
    """A capture that grows; `finish` puts it in its place, `abandon` leaves nothing behind."""

    def __init__(self, path: Path, begin: Nanoseconds, *, force: bool) -> None:
        """Refuse a place that is taken (FileTaken) or cannot be written (OSError) before anything is recorded."""
        if path.exists() and not force:
            raise FileTaken(f"--out = {path}: is there already; name another file, or say --force")
        self._path = path
        self._force = force
        self._begin = begin
        # Deleted when closed: what is not finished leaves nothing behind, not even after a power cut.
        self._body = tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent)  # noqa: SIM115  closed by finish or abandon
        self._size = 0
        self.told = Told()

    def keep(self, chunk: Chunk) -> None:
        """Add a chunk whose time is monotonic. Raises RecordFull, after which only `finish` makes sense."""
        for start in range(0, len(chunk.data), CHUNK_BYTES_MAX):
            piece = chunk.data[start:start + CHUNK_BYTES_MAX]
            text = chunk_text(Chunk(max(chunk.at - self._begin, 0), chunk.from_device, piece))
            if self._size + len(text) > RECORD_BYTES_MAX:
                raise RecordFull(f"{self._path}: at most {RECORD_BYTES_MAX} bytes")
            self._size += len(text)
            self._body.write(text)
        self.told.chunks += 1
        if chunk.from_device:
            self.told.from_device += len(chunk.data)
        else:
            self.told.to_device += len(chunk.data)

    def finish(self, header: CaptureHeader) -> None:
        """Write header and chunks to disk and give the file its name, in one step."""
        self._body.seek(0)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._path.parent, prefix=f".{self._path.name}.",
                                         delete=False) as whole:
            try:
                whole.write(header_text(header))
                shutil.copyfileobj(self._body, whole)
                whole.flush()
                os.fsync(whole.fileno())
                self._publish(Path(whole.name))
            finally:
                Path(whole.name).unlink(missing_ok=True)
        self._body.close()

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._body.close()

    def _publish(self, whole: Path) -> None:
        whole.chmod(0o644)
        if self._force:
            whole.replace(self._path)
            return
        try:
            self._path.hardlink_to(whole)   # unlike a rename it fails where somebody was faster
        except FileExistsError as taken:
            raise FileTaken(f"--out = {self._path}: was made meanwhile by somebody else; say --force") from taken


def with_device(header: CaptureHeader, make: str, model: str, serial: str, firmware: str) -> CaptureHeader:
    """Return the header with who the device said it is."""
    words = [make, model, f"serial {serial}" if serial else "", f"firmware {firmware}" if firmware else ""]
    return replace(header, device=" ".join(word for word in words if word))
