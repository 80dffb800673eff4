"""Everything that a user can set, as one tree of frozen dataclasses. Undo, saved sessions and tests
without a window all follow from its being plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any

from backends.base import Value


def setting(default: Any, valid: Callable[[Any], bool]) -> Any:
    """A field of which not every value of its type means something."""
    return field(default=default, metadata={"valid": valid})


def several(of: Any) -> Any:
    """A tuple, empty at first, of whatever ``of`` is an example of: numbers, texts, tuples, dataclasses."""
    return field(default=(), metadata={"of": of})


def is_name(text: str) -> bool:
    """One word that begins with a letter: what a pin can be called."""
    return text[:1].isalpha() and text.replace("_", "a").isalnum()


@dataclass(frozen=True)
class Pin:
    """A latent z with a name, exactly as it was set."""

    name: str = setting("A", is_name)
    z: tuple[float, ...] = several(0.0)


@dataclass(frozen=True)
class RunSpec:
    """What the next run is made of. ``values`` holds only hyper-parameters that were changed."""

    data: str = "digits"
    model: str = "vae"
    backend: str = ""  # "" is the first that has the model
    values: Mapping[str, Value] = field(default_factory=dict)
    device: str = "cpu"
    seed: int = setting(0, range(2**31).__contains__)
    steps: int = setting(10_000, range(10**9 + 1).__contains__)
    tolerance: float = setting(1e-6, lambda t: 0 <= t < 1e300)  # where EM ends; 0 is nowhere

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


@dataclass(frozen=True)
class PlaneSpec:
    """Which plane of a space is shown: "coordinates" i and j, or the "principal" directions of what lies in
    it; of the data also the discriminants of their labels, "lda"; of a latent space also that through three
    "pins", by name, and that through the means of two "labels", i and j then.

    offsets: how far it is moved along each of the directions that it leaves out.
    """

    kind: str = setting("coordinates", ("coordinates", "principal", "lda", "pins", "labels").__contains__)
    i: int = setting(0, lambda i: i >= 0)
    j: int = setting(1, lambda j: j >= 0)
    pins: tuple[str, ...] = several("")
    offsets: tuple[float, ...] = several(0.0)

    def __post_init__(self) -> None:
        if self.i == self.j:
            raise ValueError(f"coordinate {self.i} alone spans no plane")


def apart(i: int, j: int, spec: PlaneSpec | BayesSpec) -> tuple[int, int]:
    """The coordinates i and j of a plane, of which one was chosen anew, kept apart: where that is what the
    other was, the other gives way and takes its place."""
    if i != j:
        return i, j
    return (i, spec.i) if i != spec.i else (spec.j, j)


FIELDS = (
    "images", "prior", "aggregate", "holes", "posterior", "magnification", "entropy", "error", "nothing",
)  # fmt: skip


@dataclass(frozen=True)
class MapSpec:
    """What the latent map draws over what. plane: of a latent space of more than two dimensions. field: what
    lies behind, the decoded "images" or one of :data:`explorer.planes.fields.KINDS`; opacity: of that.
    sliders: whether there are some for what the plane leaves out. colour: of the points, by their "label",
    all alike, "plain", or by one of the data's factors; by their label where the data have no such factor."""

    plane: PlaneSpec = PlaneSpec("principal")
    field: str = setting("images", FIELDS.__contains__)
    opacity: float = setting(1.0, lambda a: 0.0 <= a <= 1.0)
    sliders: bool = False
    points: bool = True
    colour: str = setting("label", lambda name: 0 < len(name) <= 80)
    prior: bool = True


@dataclass(frozen=True)
class PathSpec:
    """A way through latent space: "drawn" through points, or from the pin a to the pin b, "straight", on a
    great "circle", or the "shortest" under the decoder's metric. In place of a pin that is
    not there it is the first, and the last."""

    kind: str = setting("nothing", ("nothing", "drawn", "straight", "circle", "shortest").__contains__)
    a: str = ""
    b: str = ""
    points: tuple[tuple[float, ...], ...] = several((0.0,))


@dataclass(frozen=True)
class FilmSpec:
    """How a path is shown: as so many frames at equal steps of the "latent" or of the "image", so many a
    second, "once", in a "loop", or there and "back" again."""

    frames: int = setting(24, range(2, 241).__contains__)
    spacing: str = setting("latent", ("latent", "image").__contains__)
    speed: int = setting(12, range(1, 61).__contains__)
    play: str = setting("back", ("once", "loop", "back").__contains__)


@dataclass(frozen=True)
class DataSpec:
    """What the data plane draws over what. colour: of the points, by the components that answer for them, by
    their labels, or all alike; what a model or its data do not have gives way to the next of these."""

    plane: PlaneSpec = PlaneSpec("principal")
    colour: str = setting("responsibility", ("responsibility", "label", "plain").__contains__)
    field: bool = True
    points: bool = True
    contours: bool = True
    ellipses: bool = True
    paths: bool = True


@dataclass(frozen=True)
class FlowSpec:
    """What a flow's planes show, and how far on the way from x, 0, to z, 1, the left one is."""

    field: str = setting("density", ("density", "divergence", "nothing").__contains__)
    contours: bool = False
    grid: bool = True
    data: bool = True
    samples: bool = False
    arrows: bool = False
    curves: str = setting("likelihood", ("likelihood", "bits", "terms", "evaluations").__contains__)
    time: float = setting(0.0, lambda t: 0.0 <= t <= 1.0)


@dataclass(frozen=True)
class SamplesSpec:
    """What is shown of a model: its samples, those with a "flow" as prior, or the way "between" two data."""

    shown: str = setting("samples", ("samples", "flow", "between").__contains__)


@dataclass(frozen=True)
class CurveSpec:
    """Which split's curves are drawn, and what beside ELBO and log p(x)."""

    split: str = setting("test", ("train", "test").__contains__)
    iwae: bool = False
    terms: bool = False
    batches: bool = False


@dataclass(frozen=True)
class EMSpec:
    """How EM is watched: half-steps a second (0: as fast as it goes), only the last iterations or all, the
    terms of the bound, and how many other seeds a restart tries."""

    pace: int = setting(0, (0, 1, 2, 4).__contains__)
    recent: bool = False
    terms: bool = False
    restarts: int = setting(10, (5, 10, 20, 50).__contains__)

    @property
    def rest(self) -> float:
        """Seconds to look at each half-step."""
        return 1 / self.pace if self.pace else 0.0


@dataclass(frozen=True)
class BoundSpec:
    """Where log p(X|θ) and its bounds are drawn: along a line through a "step" of EM, the whole "path" or one
    "parameter" (the coordinate of that number), or over a plane. successive: three bounds, or one."""

    shown: str = setting("line", ("line", "plane").__contains__)
    along: str = setting("step", ("step", "path", "parameter").__contains__)
    parameter: int = setting(0, lambda i: i >= 0)
    successive: bool = True
    plane: PlaneSpec = PlaneSpec("principal")


@dataclass(frozen=True)
class SelectionSpec:
    """Which sizes of the model are fitted, and from how many seeds each."""

    low: int = setting(1, range(1, 4097).__contains__)
    high: int = setting(10, range(1, 4097).__contains__)
    step: int = setting(1, range(1, 4097).__contains__)
    restarts: int = setting(3, range(1, 1001).__contains__)


@dataclass(frozen=True)
class ClusterSpec:
    """Of which rows the clusters are shown."""

    split: str = setting("train", ("train", "test").__contains__)


@dataclass(frozen=True)
class BayesSpec:
    """How Bayes for parameters is shown. i, j: which coordinates of θ, where there are more than two; focus:
    only where the posterior is; pace: rows a second, 0 is as fast as can be."""

    i: int = setting(0, lambda i: i >= 0)
    j: int = setting(1, lambda j: j >= 0)
    focus: bool = False
    pace: int = setting(10, (0, 1, 10).__contains__)

    def __post_init__(self) -> None:
        if self.i == self.j:
            raise ValueError(f"coordinate {self.i} alone spans no plane")

    @property
    def rest(self) -> float:
        """Seconds to look at each row."""
        return 1 / self.pace if self.pace else 0.0


MEMORIES = (64, 128, 256, 512, 1024, 2048, 4096)  # MB
LENGTHS = (5, 10, 20, 60)  # seconds of a film of the training


@dataclass(frozen=True)
class HistorySpec:
    """How many MB (of 10⁶ bytes) the earlier moments of a run may take, and how they are played: in how many
    seconds from the first to the newest, and whether again and again."""

    memory: int = setting(256, MEMORIES.__contains__)
    seconds: int = setting(10, LENGTHS.__contains__)
    loop: bool = False


@dataclass(frozen=True)
class State:
    run: RunSpec = RunSpec()
    map: MapSpec = MapSpec()
    pins: tuple[Pin, ...] = several(Pin())
    path: PathSpec = PathSpec()
    film: FilmSpec = FilmSpec()
    data: DataSpec = DataSpec()
    flow: FlowSpec = FlowSpec()
    canvas: str = setting("latent", ("latent", "data").__contains__)  # for models that have both
    samples: SamplesSpec = SamplesSpec()
    curves: CurveSpec = CurveSpec()
    bayes: BayesSpec = BayesSpec()
    em: EMSpec = EMSpec()
    bounds: BoundSpec = BoundSpec()
    selection: SelectionSpec = SelectionSpec()
    clusters: ClusterSpec = ClusterSpec()
    history: HistorySpec = HistorySpec()
    shared: str = setting("z", ("z", "x").__contains__)  # by the cursors of two maps beside each other
    traversals: str = setting("mean", ("mean", "point").__contains__)  # what they go through
    colours: str = setting(
        "automatic", ("automatic", "viridis", "cividis", "magma").__contains__
    )  # of fields
    theme: str = setting("system", ("system", "dark", "light").__contains__)
    closed: tuple[str, ...] = several("")  # cards, by the names of their docks
    autosave: int = setting(60, range(1, 3601).__contains__)  # seconds of training between two copies kept


def with_value(state: State, name: str, value: Value) -> State:
    """The state with one hyper-parameter of the next run changed."""
    return replace(state, run=replace(state.run, values={**state.run.values, name: value}))


def to_json(state: State) -> str:
    """The state as JSON, for the settings file."""

    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return sorted(value) if isinstance(value, frozenset) else value

    return json.dumps(plain(state), ensure_ascii=False)


def from_json(text: str) -> State:
    """The state in ``text``. What it lacks, or holds in a wrong form, is at its default: a settings
    file from another version must never keep the program from starting."""

    def build(default: Any, given: Any) -> Any:
        if is_dataclass(default) and not isinstance(default, type):
            if not isinstance(given, dict):
                return default
            parts = {}
            for f in fields(default):
                if "of" in f.metadata:
                    value = each(f.metadata["of"], given.get(f.name))
                else:
                    value = build(getattr(default, f.name), given.get(f.name))
                if f.metadata.get("valid", lambda _: True)(value):
                    parts[f.name] = value
            try:
                return replace(default, **parts)
            except ValueError:  # parts that do not go together
                return default
        if isinstance(default, frozenset):
            return frozenset(map(str, given)) if isinstance(given, list) else default
        if isinstance(default, Mapping):
            good = (bool, int, float, str)
            ok = isinstance(given, dict) and all(isinstance(v, good) for v in given.values())
            return given if ok else default
        return given if type(given) is type(default) else default

    def each(example: Any, given: Any) -> tuple[Any, ...]:
        """All of a list, or nothing of it: half of a point is none."""
        if not isinstance(given, list):
            return ()
        if isinstance(example, tuple):
            return tuple(each(example[0], one) for one in given)
        if isinstance(example, float):
            good = all(type(v) in (int, float) and math.isfinite(v) for v in given)
            return tuple(float(v) for v in given) if good else ()
        if isinstance(example, str):
            return tuple(given) if all(isinstance(v, str) for v in given) else ()
        return tuple(build(example, one) for one in given if isinstance(one, dict))

    try:
        raw = json.loads(text)
        if isinstance(raw, dict) and isinstance(raw.get("map"), dict) and raw["map"].get("mosaic") is False:
            raw["map"].setdefault("field", "nothing")  # what a file had before there were other fields
        state: State = build(State(), raw)
        return state
    except (ValueError, RecursionError):
        return State()
