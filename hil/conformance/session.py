"""One run of the suite under pytest: the targets, what each check found, the signed report and the summary.

Rule: the report is written whatever failed, and says what was not tried; it is never written unsigned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from drivers.driver import SettingRefused
from gateway.acquisition import check_drivers
from gateway.bench_report import Check, Device, Figure, Outcome, Trial, clipped
from gateway.maps import read_maps
from hil.conformance import report
from hil.conformance.checks import NotKept, NotTried
from hil.conformance.target import Target, TargetRefused, Wanted, targets

if TYPE_CHECKING:
    from collections.abc import Generator

    from _pytest.terminal import TerminalReporter

PREFIX = "test_"
OUTCOMES: dict[str, Outcome] = {"passed": "passed", "skipped": "not tried", "failed": "failed"}
MARKS = {"passed": "ok  ", "failed": "FAIL", "not tried": "-   "}


@dataclass(slots=True)
class Notes:
    """What a check notes down while it runs."""

    interactive: bool = False
    figures: list[Figure] = field(default_factory=list)
    device: Device | None = None

    def add(self, figures: list[Figure]) -> None:
        """Take figures down."""
        self.figures += figures


class Conformance:
    """pytest's hooks for one run."""

    def __init__(self) -> None:
        """Nothing is known before pytest has read the command line."""
        self.targets: list[Target] = []
        self._config: pytest.Config | None = None
        self._checks: dict[str, list[Check]] = {}
        self._devices: dict[str, Device] = {}
        self._promises: dict[str, str] = {}

    def pytest_configure(self, config: pytest.Config) -> None:
        """Find out what is to be tested. A mistake in the options ends the run with the rule."""
        option = config.option
        wanted = Wanted(option.instrument, option.port, option.unit, option.seconds, option.setting, option.map)
        try:
            self.targets = targets(wanted)
            for target in self.targets:
                table = target.table(target.port or "/dev/emulated")
                check_drivers([table], read_maps([table], Path()))
            report.check_key(option.key)
        except (TargetRefused, SettingRefused, ValueError) as refused:
            raise pytest.UsageError(str(refused)) from refused
        self._config = config
        config.stash[CONFORMANCE] = self

    def say(self, words: str) -> None:
        """Show a word to the person at the bench, whatever pytest captures."""
        if self._config is None:
            return
        capture = self._config.pluginmanager.getplugin("capturemanager")
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        with capture.global_and_fixture_disabled():
            terminal.write_line(f"\n>>> {words}", bold=True)

    @pytest.fixture
    def notes(self, request: pytest.FixtureRequest) -> Notes:
        """What the check notes down; it goes into the report."""
        notes = Notes(interactive=request.config.option.interactive)
        request.node.stash[NOTES] = notes
        return notes

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self) -> Generator[None, object, object]:
        """Turn a promise not kept into a failure without a traceback, and one not tried into a skip."""
        wrong: NotKept | None = None
        reason: NotTried | None = None
        try:
            return (yield)
        except NotKept as not_kept:
            wrong = not_kept
        except NotTried as not_tried:
            reason = not_tried
        if wrong is not None:   # outside the handlers, so that no chain of exceptions is shown
            pytest.fail(str(wrong), pytrace=False)
        pytest.skip(str(reason))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take down what became of a check."""
        result = yield
        over = result.when == "call" or (result.when == "setup" and not result.passed)
        if over and isinstance(item, pytest.Function) and "bench" in item.callspec.params:
            self._note(item, result, call)
        return result

    def _note(self, item: pytest.Function, result: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        target = cast("Target", item.callspec.params["bench"])
        notes = item.stash.get(NOTES, Notes())
        outcome: Outcome = OUTCOMES[result.outcome]
        why = "" if call.excinfo is None else str(call.excinfo.value) or call.excinfo.typename
        name = item.originalname.removeprefix(PREFIX).replace("_", " ")
        self._promises[name] = (item.function.__doc__ or "").strip().split("\n")[0]
        check = Check(name, outcome, clipped(why), round(call.duration, 3), tuple(notes.figures))
        self._checks.setdefault(target.name, []).append(check)
        if notes.device is not None:
            self._devices[target.name] = notes.device

    def trials(self) -> tuple[Trial, ...]:
        """What was tried so far."""
        return tuple(
            Trial(one.instrument, one.port or one.place, one.emulated, one.unit, one.seconds, dict(one.settings),
                  self._devices.get(one.name), tuple(self._checks[one.name]))
            for one in self.targets if one.name in self._checks
        )

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter, config: pytest.Config) -> None:
        """Print what a person wants to know, write the signed report, and say how to check it."""
        trials = self.trials()
        if not trials:
            return
        terminalreporter.section("bench report")
        for trial in trials:
            for line in lines_of(trial):
                terminalreporter.write_line(line)
        for line in report.write(trials, self._promises, config.option.report, config.option.key):
            terminalreporter.write_line(line)


def lines_of(trial: Trial) -> list[str]:
    """Return a trial as lines for a person."""
    device = trial.device
    who = f"{device.make} {device.model}, serial {device.serial or 'not told'}" if device else "nobody answered"
    where = f"EMULATED, on {trial.port}" if trial.emulated else trial.port
    lines = [f"{trial.instrument} ({where}): {who}"]
    for check in trial.checks:
        lines.append(f"  {MARKS[check.outcome]} {check.name}{': ' if check.detail else ''}{check.detail}")
        lines += [f"         {one.name} {'-' if one.value is None else f'{one.value:g}'}"
                  f"{'' if one.unit == '1' else ' ' + one.unit}{f' ({one.rule})' if one.rule else ''}"
                  for one in check.figures]
    return lines


CONFORMANCE = pytest.StashKey[Conformance]()
NOTES = pytest.StashKey[Notes]()
