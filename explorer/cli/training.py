"""``latent-explorer train`` and ``evaluate``."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from backends.atomic import check_writable
from backends.base import InputError, T, Work
from backends.data import DataSet, read_data
from backends.evaluation import Report, curve_report
from backends.evaluation import evaluate as evaluation
from backends.parameters import parse_settings
from backends.registry import find_kind
from backends.run import Run
from explorer.cli.as_json import json_line

HELP = (
    "Train MODEL on DATA, report the ELBO and log p(x) on training and held-out rows, and save to --out. "
    "Ctrl-C saves and stops (status 130); the run goes on with --resume as if it had not stopped: with "
    "OMP_NUM_THREADS=1, so that sums are always made in one order, bit for bit."
)
REPORTS = 100  # lines of --json during a run, about; more where these would be further apart than
REPORT_STEPS = 1000  # so many steps
EVALUATIONS = 10  # of these with an evaluation, the last one included
AUTOSAVE_S = 30.0


def train(options: Namespace) -> int:
    """Train until the steps are made, a signal comes or it fails; save, report, return the exit status."""
    with _stopping() as stop:
        out = options.out or options.resume
        if out is not None:
            check_writable(out)
        run, data = _resume(options, stop) if options.resume else _start(options, stop)
        _print_notes(run)
        steps = options.steps or run.kind.default_steps
        return _Training(run, data, steps, options.tolerance, out, options.json, stop).go()


def evaluate(options: Namespace) -> int:
    """The last line of ``train``, for a saved run."""
    run = Run.open(options.file)
    if options.data is None:
        _print_notes(run)
        data = run.data
    else:
        data = _read(options.data, options.json)
    if data is None:
        raise InputError(f"the data of '{options.file}' is not here: name some with --data")
    run.kind.check_data(data.info, run.values)
    _print_report(_shown(evaluation(run.model(), data), options.json), options.json)
    return 0


def _shown(work: Work[T], as_json: bool, stop: _Stop | None = None) -> T:
    """The result of work, with a progress bar; a signal ends it."""
    with _Bar(not as_json) as bar:
        while True:
            try:
                progress = next(work)
            except StopIteration as end:
                return cast(T, end.value)
            if stop is not None and stop.signal:
                raise SystemExit(128 + stop.signal)
            bar.show(progress.done, progress.total, progress.what)


def _read(source: str, as_json: bool, stop: _Stop | None = None) -> DataSet:
    """The data that a line names; what was left out is said."""
    data = _shown(read_data(source), as_json, stop)
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    return data


def _print_notes(run: Run) -> None:
    for note in run.notes:
        print(f"note: {note}", file=sys.stderr)


# -- training ------------------------------------------------------------------------------------


def _start(options: Namespace, stop: _Stop) -> tuple[Run, DataSet]:
    if options.model is None or options.data is None:
        raise InputError("train needs a MODEL and --data, or --resume (see latent-explorer train --help)")
    backend, kind = find_kind(options.model, options.backend)
    values = parse_settings(kind.parameters, options.set)
    data = _read(options.data, options.json, stop)
    device, seed = options.device or "cpu", options.seed or 0
    return Run.start(kind.name, data, values, seed=seed, device=device, backend=backend.name), data


def _resume(options: Namespace, stop: _Stop) -> tuple[Run, DataSet]:
    data = None if options.data is None else _read(options.data, options.json, stop)
    run = _shown(Run.opening(options.resume, device=options.device, data=data), options.json, stop)
    if options.model not in (None, run.kind.name):
        raise InputError(f"'{options.resume}' holds a {run.kind.name}, not a {options.model}")
    if options.backend not in (None, run.backend.name):
        raise InputError(f"'{options.resume}' is of the backend {run.backend.name}, not {options.backend}")
    if options.seed not in (None, run.seed):
        raise InputError(f"'{options.resume}' was started with seed {run.seed}, which cannot change now")
    if run.data is None:
        raise InputError(f"cannot go on with '{options.resume}': {' '.join(run.notes)}")
    live = {p.name for p in run.kind.parameters if p.live}
    for name, value in parse_settings(run.kind.parameters, options.set).items():
        if name in live:
            run.set(name, value)
        elif value != run.values[name]:
            raise InputError(
                f"{name} cannot change during a run; those that can are {', '.join(sorted(live))}"
            )
    return run, run.data


class _Training:
    """The loop, and what it says and saves on the way."""

    def __init__(
        self,
        run: Run,
        data: DataSet,
        steps: int,
        tolerance: float,
        out: str | None,
        as_json: bool,
        stop: _Stop,
    ) -> None:
        self.run, self.data, self.out, self.as_json, self.stop = run, data, out, as_json, stop
        self.tolerance = tolerance
        self.first, self.last = run.steps, run.steps + steps
        self.report_every = min(max(1, steps // REPORTS), REPORT_STEPS)
        self.evaluate_every = max(1, -(-steps // EVALUATIONS))
        self.next_evaluation = self.first + self.evaluate_every
        self.began = self.saved = time.monotonic()

    def go(self) -> int:
        """Train, save, evaluate; returns the exit status."""
        with _Bar(not self.as_json) as bar:
            failure = self._train(bar)
            # before the evaluation, which takes its time, and after it once more, with its values
            self._save()
            if not failure:
                self._evaluate(bar, for_curves=True)
            report = None if failure else self._evaluate(bar)
            if report is not None:
                self._save()
        for note in getattr(self.run.model(), "notes", ()):
            print(f"note: {note}", file=sys.stderr)
        if report is not None:
            _print_report(report, self.as_json)
            return 0
        reason = failure or signal.Signals(self.stop.signal).name
        where = f"saved to '{self.out}'" if self.out is not None else "not saved: there was no --out"
        if self.as_json:
            print(json_line({"step": self.run.steps, "stopped": reason, "out": self.out}))
        print(f"latent-explorer: stopped at step {self.run.steps} ({reason}), {where}", file=sys.stderr)
        return 1 if failure else 128 + self.stop.signal

    def _train(self, bar: _Bar) -> str:
        """Step until the end, a signal or a failure, whose reason is returned."""
        run, sums, summed = self.run, dict[str, float](), 0
        while run.steps < self.last and not self.stop.signal and not run.finished:
            try:
                scalars = self._step()
            except RuntimeError as error:  # Diverged, or what torch raises when memory runs out
                return str(error) or type(error).__name__
            for name, value in scalars.items():
                sums[name] = sums.get(name, 0.0) + value
            summed += 1
            made = run.steps - self.first
            if made % self.report_every == 0 and run.steps < self.last:
                self._report({name: value / summed for name, value in sums.items()}, bar)
                sums, summed = {}, 0
            if time.monotonic() - self.saved > AUTOSAVE_S:
                self._autosave()
            if run.settled(self.tolerance):
                break
        return ""

    def _step(self) -> Mapping[str, float]:
        """One step; with --json a line after each half of one of EM."""
        run = self.run
        if not (run.by_halves and self.as_json):
            return run.step()
        while True:
            half, scalars = run.half_step()
            line = {"step": run.steps + (half == "E"), "half": half, **scalars}
            print(json_line(line), flush=True)
            if half == "M":
                return scalars

    def _report(self, means: Mapping[str, float], bar: _Bar) -> None:
        """means: of the steps' scalars since the last report."""
        run = self.run
        rate = (run.steps - self.first) / max(time.monotonic() - self.began, 1e-9)
        line: dict[str, Any] = {"step": run.steps, "batch": dict(means), "steps_per_second": round(rate, 1)}
        if run.steps >= self.next_evaluation:
            self.next_evaluation += self.evaluate_every
            report = self._evaluate(bar, for_curves=True)
            if report is not None:
                line |= report.json()
        if self.as_json:
            print(json_line(line), flush=True)
        values = "  ".join(f"{name} {value:.4g}" for name, value in list(means.items())[:3])
        bar.show(run.steps - self.first, self.last - self.first, f"{rate:.0f} steps/s  {values}")

    def _evaluate(self, bar: _Bar, *, for_curves: bool = False) -> Report | None:
        """A report over all rows, or that of a point of the run's curves; None when a signal came."""
        work = (curve_report if for_curves else evaluation)(self.run.model(), self.data)
        while not self.stop.signal:
            try:
                progress = next(work)
            except StopIteration as end:
                report: Report = end.value
                if for_curves:
                    report.add_to(self.run.curves)
                return report
            bar.show(progress.done, progress.total, progress.what)
        return None

    def _autosave(self) -> None:
        """A save on the way: if it fails the training goes on."""
        self.saved = time.monotonic()
        if self.out is not None:
            try:
                self.run.save(self.out)
            except InputError as error:
                print(f"note: {error}; the training goes on", file=sys.stderr)

    def _save(self) -> None:
        """Save what was reached; if it cannot be where it should, then where it can."""
        if self.out is None or self.run.steps == self.first:
            return
        try:
            self.run.save(self.out)
        except InputError as error:
            rescue = Path(tempfile.gettempdir()) / f"latent-explorer-{self.run.id}.safetensors"
            self.run.save(rescue)
            raise InputError(f"{error}; the run was saved to '{rescue}' instead") from error


class _Stop:
    """Which signal came, 0 for none."""

    signal = 0


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """Ctrl-C and SIGTERM are noted and acted upon between two steps; a second one takes effect at once."""
    stop = _Stop()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        stop.signal = number
        for each, handler in usual.items():
            signal.signal(each, handler)

    for number in usual:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


# -- what is shown -------------------------------------------------------------------------------


class _Bar:
    """A progress bar on standard error, where that is a terminal; redrawn at most ten times a second."""

    def __init__(self, wanted: bool) -> None:
        self.active = wanted and sys.stderr.isatty()
        self.drawn = 0.0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self.active:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, done: int, total: int, text: str) -> None:
        """done of total, and a text after it."""
        if not self.active or time.monotonic() - self.drawn < 0.1:
            return
        self.drawn = time.monotonic()
        width = shutil.get_terminal_size().columns
        filled = 24 * done // max(total, 1)
        line = f"{'█' * filled}{'░' * (24 - filled)} {done}/{total}  {text}"
        print(f"\r\x1b[K{line[: width - 1]}", end="", file=sys.stderr, flush=True)


def _print_report(report: Report, as_json: bool) -> None:
    if as_json:
        print(json_line(report.json()), flush=True)
        return
    print(f"{report.model} on {report.data}, step {report.step}; nats a datum")
    for part, quantities in (*report.splits.items(), ("whole", report.whole)):
        if quantities:
            print(part)
        for name, e in quantities.items():
            ess = "" if e.ess is None else f", effective sample size ≥ {e.ess:.0f}"
            print(f"    {name:<15} {e.value:11.4f} ± {e.stderr:.4f}   {e.method}{ess}")
