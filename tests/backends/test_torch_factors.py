"""PPCA and factor analysis by torch give the numbers of NumPy, after every half-step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backends.base import Array, DataInfo, InputError
from backends.data import open_data
from backends.exact.factor_rows import Rows
from backends.pytorch.factors import TorchRows
from backends.registry import find_kind
from backends.run import Run

EACH = pytest.mark.parametrize("kind", ["ppca", "factor-analysis"])
CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ],
)
EACH_DEVICE = pytest.mark.parametrize("device", ["cpu", CUDA])


def rows(n: int = 300, d: int = 6, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    x = 3 + rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)) + 0.5 * rng.normal(size=(n, d))
    x[:, d // 2] = 1.5
    return x.astype(np.float32)


def learners(kind: str, x: Array, device: str, **values: int | float | str):
    info = DataInfo("rows", "Rows", x.shape[1])
    for backend, where in (("exact", "cpu"), ("pytorch", device)):
        yield find_kind(kind, backend)[1].load()(x, info, values, 0, where, "run")


@EACH_DEVICE
@pytest.mark.parametrize("block", [None, 6 * 7])
def test_passes_are_those_of_numpy(device: str, block: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if block:
        monkeypatch.setattr("backends.pytorch.factors._BLOCK", {device: block})
    x, rng = rows(), np.random.default_rng(1)
    x.setflags(write=False)
    index = rng.permutation(300)[:100]
    mean, p, w = rng.normal(size=6), rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    here, there = Rows(x), TorchRows(x, device)
    for a, b in ((here, there), (here.take(index), there.take(index))):
        assert len(a) == len(b)
        np.testing.assert_allclose(b.mean(), a.mean(), rtol=1e-12)
        np.testing.assert_allclose(b.variance(mean), a.variance(mean), rtol=1e-12)
        np.testing.assert_allclose(b.covariance(mean), a.covariance(mean), rtol=1e-12)
        np.testing.assert_allclose(b.cross(mean, p), a.cross(mean, p), rtol=1e-11)
        for got, want in zip(b.averages(mean, p, w), a.averages(mean, p, w), strict=True):
            assert got.dtype == np.float64
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


@EACH
@EACH_DEVICE
@pytest.mark.parametrize("size", [0, 70])
@pytest.mark.parametrize("posterior", ["exact", "diagonal", "spherical", "gradient"])
def test_half_steps_are_those_of_numpy(kind: str, device: str, size: int, posterior: str) -> None:
    x = rows()
    here, there = learners(kind, x, device, posterior=posterior, batch_size=size)
    for _ in range(60):
        (half, want), (same, got) = here.half_step(), there.half_step()
        assert half == same
        assert got == pytest.approx(want, rel=1e-9)
    np.testing.assert_allclose(there.snapshot().theta(), here.snapshot().theta(), rtol=1e-7, atol=1e-9)


@EACH_DEVICE
@pytest.mark.parametrize(("n", "d"), [(300, 6), (10, 30)])
def test_the_closed_form_is_that_of_numpy(device: str, n: int, d: int) -> None:
    here, there = learners("ppca", rows(n, d), device, method="closed-form")
    assert there.step() == pytest.approx(here.step(), rel=1e-9)
    np.testing.assert_allclose(there.snapshot().theta(), here.snapshot().theta(), rtol=1e-9, atol=1e-9)


@EACH
def test_runs_of_either_backend_go_on_with_the_other(kind: str) -> None:
    here, there = learners(kind, rows(), "cpu")
    for _ in range(5):
        here.step()
    there.restore(here.state())
    for _ in range(5):
        assert there.step() == pytest.approx(here.step(), rel=1e-9)


@EACH
def test_the_first_backend_of_either_is_the_exact_one(kind: str) -> None:
    assert find_kind(kind)[0].name == "exact"
    run = Run.start(kind, open_data("digits-grey"), {"latent_dim": 2}, backend="pytorch")
    other = Run.start(kind, open_data("digits-grey"), {"latent_dim": 2})
    for _ in range(10):
        assert run.step() == pytest.approx(other.step(), rel=1e-9)


@EACH
@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("mps", "^device 'mps' has no float64"),
        ("mps:0", "no float64"),
        ("abacus", "^device 'abacus' cannot be"),
    ],
)
def test_devices_that_will_not_do_are_refused(kind: str, device: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        list(learners(kind, rows(), device))


@EACH
def test_bad_rows_are_refused_as_by_numpy(kind: str) -> None:
    x = rows()
    x[2, 4] = np.nan
    for bad, sentence in ((x, "column 4 holds"), (rows(1), "there is only one row")):
        with pytest.raises(InputError, match=sentence):
            find_kind(kind, "pytorch")[1].load()(bad, DataInfo("rows", "Rows", 6), {}, 0, "cpu", "")
