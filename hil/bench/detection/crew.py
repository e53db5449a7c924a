"""Who draws the trials and looks at them: this process, or several beside it. Edge.

Each worker loads the same model; a trial is fixed by its number, so what comes back does not depend on how many work.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from gateway.detection.detector import Detector
from gateway.detection.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

Job = TypeVar("Job")
Done = TypeVar("Done")

# More than any machine that has been tried has cores; each worker holds its own model and grids, about 120 MB.
WORKERS_MAX: Final = 64
_SEAT: list[Detector] = []      # a worker process's own detector, put there once when it starts


class Crew(Protocol):
    """Does jobs with a detector, and hands the results over in the order of the jobs."""

    def each(self, work: Callable[[Detector, Job], Done], jobs: Sequence[Job]) -> Iterable[Done]:
        """`work` is a function of a module, so that another process finds it by name."""
        ...


class Alone:
    """This process does everything."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector

    def each(self, work: Callable[[Detector, Job], Done], jobs: Sequence[Job]) -> Iterable[Done]:
        """One job after the other."""
        return (work(self.detector, job) for job in jobs)


class Together:
    """Several processes beside this one."""

    def __init__(self, processes: ProcessPoolExecutor) -> None:
        self._processes = processes

    def each(self, work: Callable[[Detector, Job], Done], jobs: Sequence[Job]) -> Iterable[Done]:
        """As many jobs at once as there are processes."""
        return self._processes.map(partial(_work, work), jobs)


@contextmanager
def crew_of(folder: Path, workers: int) -> Iterator[Crew]:
    """A crew with the model package in `folder`; its processes end with the block. Raises `ModelRefused`."""
    detector = Detector.load(folder, Policy())
    if workers == 1:
        yield Alone(detector)
        return
    # Forked, a process would inherit an interpreter whose threads it does not have.
    begun = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=begun, initializer=_sit, initargs=(folder,)) as processes:
        yield Together(processes)


def _sit(folder: Path) -> None:
    _SEAT.append(Detector.load(folder, Policy()))


def _work(work: Callable[[Detector, Job], Done], job: Job) -> Done:
    return work(_SEAT[0], job)
