"""A run: a model being trained on data, with its curves. It is what a file holds."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backends import checkpoint, probes
from backends.base import (
    Array,
    DataInfo,
    HalfSteps,
    InputError,
    Learner,
    Observes,
    State,
    Value,
    Work,
    finish,
)
from backends.curves import Curves
from backends.data import DataSet
from backends.history import History
from backends.manifest import Change, Manifest, library_versions
from backends.parameters import resolve
from backends.registry import Backend, ModelKind, find_kind
from backends.run_file import (
    check_device,
    check_size,
    find_data,
    fingerprint,
    fitting,
    flat,
    group,
    probe_note,
)

MOST_POINTS = 1 << 16  # of a curve of training: a half-hour of it is to take no more memory than five minutes


class Run:
    """One run of one learner. Like its learner it belongs to one thread; its curves can be read from any.

    Make one with :meth:`start` or :meth:`open`.

    id: stamps of two runs never have it in common, not even if both were opened from the same file (its
        first part is then the same).
    data: None where a run was opened without its data; it can be looked at, evaluated on other data and
        saved, but not trained.
    notes: sentences on what is not as it was when the run was saved.
    changes: of hyper-parameters on the way, in order; None where these alone do not make it from its start
        again, because a hand has done more to it.
    """

    def __init__(
        self,
        *,
        id: str,
        name: str,
        backend: Backend,
        kind: ModelKind,
        data: DataSet | None,
        info: DataInfo,
        seed: int,
        device: str,
        learner: Learner,
    ) -> None:
        self.id = id
        self.name = name
        self.backend = backend
        self.kind = kind
        self.data = data
        self.info = info
        self.seed = seed
        self.device = device
        self.learner = learner
        self.by_halves = isinstance(learner, HalfSteps)
        self.curves = Curves()
        self.history = History()
        self.notes: tuple[str, ...] = ()
        self.changes: tuple[Change, ...] | None = ()
        self._fingerprint: str | None = None
        self.placed_at = 0  # the step at which a hand placed components last
        self._probe_x = None if data is None else np.array(data.train.x[: probes.ROWS])

    @classmethod
    def start(
        cls,
        model: str,
        data: DataSet,
        values: Mapping[str, Any],
        seed: int = 0,
        device: str = "cpu",
        backend: str | None = None,
        name: str | None = None,
    ) -> Run:
        """A new run. values: hyper-parameters by name, the others at their default.

        Raises InputError for an unknown model or device, a bad value, or data that the model cannot take.
        """
        found, kind = find_kind(model, backend)
        resolved = resolve(kind.parameters, values)
        kind.check_data(data.info, resolved)
        if not len(data.train) and "bayes" not in kind.capabilities:  # those take rows by hand
            raise InputError(f"the data set '{data.info.name}' has no training rows")
        check_device(found, device)
        id = os.urandom(6).hex()
        learner = kind.load()(data.train.x, data.info, resolved, seed, device, id)
        return cls(
            id=id, name=name or f"{kind.name} on {data.info.name}", backend=found, kind=kind, data=data,
            info=data.info, seed=seed, device=device, learner=learner,
        )  # fmt: skip

    @property
    def values(self) -> Mapping[str, Value]:
        """The hyper-parameters in force."""
        return self.learner.values

    def set(self, name: str, value: Value) -> None:
        """Change a live hyper-parameter; raises InputError for one that is not, and for a value that it
        cannot have."""
        before = self.values.get(name)
        self.learner.set(name, value)
        if self.changes is None or before is None or self.values[name] == before:
            return
        if self.next_half == "M":  # amid a step: what repeats whole steps cannot repeat it
            self.changes = None
            return
        changes, after = self.changes, self.values[name]
        if changes and (changes[-1].step, changes[-1].name) == (self.steps, name):  # a slider on its way
            before, changes = changes[-1].before, changes[:-1]
        self.changes = (*changes, Change(self.steps, name, before, after))

    @property
    def steps(self) -> int:
        """Steps made so far."""
        return self.learner.steps

    def step(self) -> Mapping[str, float]:
        """One step; its scalars are also appended to the curves, under "batch/…"."""
        if self.by_halves:
            while True:
                half, scalars = self.half_step()
                if half == "M":
                    return scalars
        scalars = self.learner.step()
        self._record(self.learner.steps, scalars)
        return scalars

    def half_step(self) -> tuple[str, Mapping[str, float]]:
        """The next half of a step of EM, "E" or "M", and the scalars after it.

        They are appended to the curves "half/…", by the number of halves made: odd after an E, even after an
        M. The model after each M joins :attr:`history`. Raises InputError where the learner has no halves.
        """
        learner = self.learner
        if not isinstance(learner, HalfSteps):
            raise InputError(f"a {self.kind.name} is not trained in half-steps")
        if not self.history.models:
            self.history.add(self.model(), self.learner.state())
        half, scalars = learner.half_step()
        made = 2 * learner.steps + (half == "E")
        halves = {f"half/{name}": value for name, value in scalars.items()}
        self.curves.append_all(made, halves)
        self.curves.thin(halves, MOST_POINTS, together=2)
        if half == "M":
            self._record(learner.steps, scalars)
            self._remember()
        return half, scalars

    @property
    def next_half(self) -> str | None:
        """What :meth:`half_step` makes next, "E" or "M"; None where the learner has no halves."""
        return self.learner.next_half if isinstance(self.learner, HalfSteps) else None

    @property
    def placed(self) -> bool:
        """Whether a hand has placed components since the last half-step, whose values were of others."""
        return 0 < self.placed_at == self.steps and self.next_half == "E"

    @property
    def change(self) -> float | None:
        """By how much the last step of EM raised what it climbs: L(q, θ), plus log p(θ) where there is a
        prior; nats a datum. None for other learners, on batches of the rows, and before the second step since
        the run began or a hand placed components."""
        if not self.by_halves or self.values.get("batch_size"):
            return None
        for name in ("log_posterior", "elbo"):
            steps, values = self.curves.get(f"batch/{name}")
            if len(values):
                several = len(values) > 1 and self.placed_at < steps[-2] == steps[-1] - 1
                return float(values[-1] - values[-2]) if several else None
        return None

    def settled(self, tolerance: float) -> bool:
        """Whether the last step of EM raised what it climbs by less than this; 0 is never."""
        return tolerance > 0 and (change := self.change) is not None and change < tolerance

    def _record(self, step: int, scalars: Mapping[str, float]) -> None:
        named = {f"batch/{name}": value for name, value in scalars.items()}
        self.curves.append_all(step, named)
        if not isinstance(self.learner, Observes):  # which ends with its rows, and is summed over all of them
            self.curves.thin(named, MOST_POINTS)

    @property
    def finished(self) -> bool:
        """Whether no step can be made any more: a learner that takes each row once has seen them all."""
        return isinstance(self.learner, Observes) and self.steps >= self.learner.total_steps

    def observe(self, rows: Array) -> None:
        """Rows (m, d) given by hand, a step each, with their scalars on the curves as of any step.

        Raises InputError for a learner that takes none, and for rows that it cannot take.
        """
        if not isinstance(self.learner, Observes):
            raise InputError(f"a {self.kind.name} takes no rows by hand")
        self.changes = None
        first = self.learner.steps + 1
        for step, scalars in enumerate(self.learner.observe(rows), first):
            self._record(step, scalars)

    @property
    def by_hand(self) -> int:
        """How many of the newest rows :meth:`take_back` can take back."""
        return self.learner.by_hand if isinstance(self.learner, Observes) else 0

    def take_back(self, n: int = 1) -> int:
        """Be as before the newest n rows, which were given by hand since the run was begun or opened; their
        scalars leave the curves "batch/…". Returns the steps made now.

        Raises InputError where one of them was not given by hand.
        """
        if not isinstance(self.learner, Observes) or n > self.by_hand:
            raise InputError("what was not given by hand cannot be taken back")
        self.learner.forget(n)
        self.curves.cut(self.steps, [name for name in self.curves.names() if name.startswith("batch/")])
        return self.steps

    @property
    def places(self) -> bool:
        """Whether :meth:`place` can be used."""
        return callable(getattr(self.learner, "place", None))

    def place(self, weights: Array, means: Array, covariances: Array) -> None:
        """Go on from Gaussian components placed by hand: weights (K,), means (K, d) and covariances.

        These are (K, d, d), (1, d, d), (K, d) or (K, 1), as the learner's covariance is full, tied, diag or
        spherical. The model that is placed joins :attr:`history`.

        Raises InputError, and changes nothing, for a learner without such components and for others than it
        can have.
        """
        if not self.places:
            raise InputError(f"the components of a {self.kind.name} cannot be placed by hand")
        before = self.model(), self.learner.state()
        self.learner.place(weights, means, covariances)  # type: ignore[attr-defined]
        self.placed_at, self.changes = self.steps, None
        if not self.history.models and self.steps:
            self.history.add(*before)
        self.history.add(self.model(), self.learner.state())

    def model(self) -> Any:
        """A Model of this moment."""
        return self.learner.snapshot()

    def remember(self, model: Any) -> None:
        """Have the model of this moment join :attr:`history`, where it wants one, for whoever watches a run.
        EM does so by itself, and of a learner that takes rows any earlier model can be made again."""
        if not isinstance(self.learner, HalfSteps | Observes):
            self._remember(model)

    def _remember(self, model: Any = None) -> None:
        if self.history.wants(self.steps):
            self.history.add(self.model() if model is None else model, self.learner.state())

    # -- files -----------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the run to a file, whole or not at all; raises InputError where the system refuses."""
        state = self.learner.state()
        model = self.learner.snapshot()
        inputs = probes.probe_inputs(model, self._probe_x)
        manifest = Manifest(
            backend=self.backend.name,
            kind=self.kind.name,
            values=dict(self.values),
            seed=self.seed,
            device=self.device,
            id=self.id.partition(".")[0],
            name=self.name,
            step=self.steps,
            data=self.info,
            fingerprint=self._data_fingerprint(),
            state=state.values,
            metrics={name: value for name, value in self.curves.last().items() if math.isfinite(value)},
            libraries=library_versions(("numpy", *self.backend.libraries)),
            changes=self.changes,
        )
        arrays = {
            "state": state.arrays,
            "curves": self.curves.to_arrays(),
            "probes": inputs | probes.probe_outputs(model, inputs),
        }
        checkpoint.write(path, manifest.json(), flat(arrays))

    @classmethod
    def open(cls, path: str | Path, device: str | None = None, data: DataSet | None = None) -> Run:
        """A saved run, ready to go on exactly where it was; :attr:`notes` say what is not as it was.

        device: where to go on; by default where it was, or the CPU if that device is not here.
        data: the run's own data, if it is no longer to be found where it was.
        Raises InputError for a file that is not a run, is damaged or does not fit the installed model.
        """
        return finish(cls.opening(path, device, data))

    @classmethod
    def opening(cls, path: str | Path, device: str | None = None, data: DataSet | None = None) -> Work[Run]:
        """:meth:`open`, in slices: reading its data may take long."""
        raw, arrays = checkpoint.read(path)
        try:
            return (yield from cls._restore(Manifest.parse(raw), arrays, device, data))
        except InputError as error:
            raise InputError(f"cannot open '{path}': {error}") from error

    @classmethod
    def _restore(
        cls, manifest: Manifest, arrays: Mapping[str, Array], device: str | None, data: DataSet | None
    ) -> Work[Run]:
        notes: list[str] = []
        backend, kind = find_kind(manifest.kind, manifest.backend)
        values = resolve(kind.parameters, manifest.values)
        info = manifest.data
        state, curves, saved = (group(arrays, name) for name in ("state", "curves", "probes"))
        with fitting(kind):
            kind.check_data(info, values)
            check_size(kind, info, values, state)
        if device is not None:
            check_device(backend, device)
        elif manifest.device in backend.devices():
            device = manifest.device
        else:
            device = "cpu"
            notes.append(f"it was trained on '{manifest.device}', which is not here; it is on the CPU now")

        if data is not None:
            if fingerprint(data) != manifest.fingerprint:
                raise InputError(f"'{data.info.name}' is not the data that it was trained on")
        else:
            data = yield from find_data(manifest, notes)

        id = f"{manifest.id}.{os.urandom(3).hex()}"
        x = np.zeros((0, info.dim), np.float32) if data is None else data.train.x
        with fitting(kind):
            learner = kind.load()(x, info, values, manifest.seed, device, id)
            learner.restore(State(state, manifest.state))
        run = cls(
            id=id, name=manifest.name, backend=backend, kind=kind, data=data, info=info,
            seed=manifest.seed, device=device, learner=learner,
        )  # fmt: skip
        run.curves, run.changes = Curves.from_arrays(curves), manifest.changes
        run._fingerprint = manifest.fingerprint
        run._probe_x = saved.get("x") if data is None else run._probe_x
        with fitting(kind):
            differing = probes.compare(run.model(), saved)
        if differing:
            notes.append(probe_note(differing, manifest, backend))
        run.notes = tuple(notes)
        return run

    def _data_fingerprint(self) -> str | None:
        if self._fingerprint is None and self.data is not None:
            self._fingerprint = fingerprint(self.data)
        return self._fingerprint
