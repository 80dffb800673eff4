"""Spectra and planes through data against scikit-learn and PPCA, also of data that are hard."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from backends.base import Array, DataInfo, InputError
from backends.exact.factor_learners import ppca
from backends.projections import lda_directions, left_out_variance, principal_directions, spectrum


def rows(n: int, d: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    x = 5 + rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    x[:, d // 2] = 2.5
    return x.astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(300, 6), (20, 50), (784, 784), (30, 784)])
def test_the_spectrum_and_the_plane_are_scikit_learns(n: int, d: int) -> None:
    x = rows(n, d).astype(np.float64)
    pca = PCA(svd_solver="full").fit(x)
    values = spectrum(x)
    want = np.zeros(d)
    want[: min(n, d)] = pca.explained_variance_ * (n - 1) / n
    np.testing.assert_allclose(values, want, rtol=1e-8, atol=1e-9 * want[0])
    assert (values >= 0).all()
    origin, directions = principal_directions(x, 2)
    np.testing.assert_allclose(origin, pca.mean_, rtol=1e-12)
    np.testing.assert_allclose(np.abs(directions @ pca.components_[:2].T), np.eye(2), atol=1e-6)


def test_what_is_left_out_of_the_spectrum_is_the_noise_of_ppca() -> None:
    x = rows(200, 6)
    for k in (1, 3, 5, 9):
        values = {"latent_dim": k, "method": "closed-form", "minimum_variance": 1e-12}
        made = ppca(x, DataInfo("rows", "Rows", 6), values)
        made.step()
        want = max(left_out_variance(spectrum(x), k), 1e-12 * x.var(0, dtype=np.float64).mean())
        assert made.snapshot().noise[0] == pytest.approx(want, rel=1e-9)


def discriminants(x: Array, labels: Array) -> Array:
    return LinearDiscriminantAnalysis().fit(x.astype(np.float64), labels).scalings_


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_plane_of_the_labels_is_scikit_learns(classes: int) -> None:
    x, rng = rows(300, 6), np.random.default_rng(1)
    labels = rng.integers(classes, size=300)
    x += 2 * rng.normal(size=(classes, 6)).astype(np.float32)[labels]
    x[:, 3] = 2.5
    scale = np.float32([1, 1e-6, 1, 1, 1e6, 1])  # units of columns do not matter
    for rows_ in (x, x * scale):
        origin, directions = lda_directions(rows_, labels)
        np.testing.assert_allclose(origin, rows_.mean(0, dtype=np.float64), rtol=1e-9)
        np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-10)
        want = discriminants(rows_, labels)
        assert subspace_angles(directions[:1].T, want[:, :1]) < 1e-5
        m = min(2, classes - 1)
        assert subspace_angles(directions[:m].T, want[:, :m]).max() < 1e-5


def test_digits_are_told_apart_in_their_plane() -> None:
    digits = load_digits()
    directions = lda_directions(digits.data.astype(np.float32), digits.target)[1]
    assert subspace_angles(directions.T, discriminants(digits.data, digits.target)[:, :2]).max() < 1e-5


def test_the_second_direction_of_two_classes_is_that_of_most_variance_beside_the_first() -> None:
    x = np.float32([[0, 0, 0], [0, 1, 0], [0, 0, 5], [0, 1, 5], [3, 0, 0], [3, 1, 0], [3, 0, 5], [3, 1, 5.5]])
    labels = np.repeat([0, 1], 4)
    origin, directions = lda_directions(x, labels)
    rest = (x - origin) @ np.eye(3)
    rest -= np.outer(rest @ directions[0], directions[0])
    np.testing.assert_allclose(np.abs(PCA(1).fit(rest).components_[0] @ directions[1]), 1, rtol=1e-9)


HARD = {
    "one row": np.ones((1, 5)),
    "the same rows": np.ones((9, 5)),
    "two rows": np.eye(2, 784),
    "one varying column": np.eye(1, 5, 2) * np.arange(6)[:, None],
    "constant columns": np.pad(rows(30, 4), ((0, 0), (0, 780))),
    "large": 1e18 * rows(40, 4),
    "fewer rows than columns": rows(12, 100),
    "two columns": rows(12, 2),
}


@pytest.mark.parametrize("name", HARD)
def test_any_rows_have_planes(name: str) -> None:
    x = HARD[name].astype(np.float32)
    labels = np.arange(len(x)) % 3
    planes = [principal_directions(x)]
    if len(x) > 1:
        planes.append(lda_directions(x, labels))
        planes.append(lda_directions(x, np.arange(len(x))))  # every class is a point
    for origin, directions in planes:
        assert directions.shape == (2, x.shape[1])
        assert directions.flags.c_contiguous
        np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-9)
        np.testing.assert_allclose(origin, x.mean(0, dtype=np.float64), rtol=1e-6, atol=1e-6)
    values = spectrum(x)
    assert values.shape == (x.shape[1],)
    assert values.sum() == pytest.approx(x.var(0, dtype=np.float64).sum(), rel=1e-6, abs=1e-12)
    assert (np.diff(values) <= 0).all()


def test_what_has_no_plane_is_refused_by_a_sentence() -> None:
    x = rows(10, 4)
    bad = x.copy()
    bad[2, 1] = np.nan
    for function in (
        spectrum,
        principal_directions,
        lambda rows_: lda_directions(rows_, np.arange(len(rows_))),
    ):
        for wrong in (x[:0], x[0], bad):
            with pytest.raises(InputError):
                function(wrong)
    for make in (lambda: principal_directions(x[:, :1]), lambda: lda_directions(x[:, :1], np.arange(10))):
        with pytest.raises(InputError, match="1 columns have no 2 directions"):
            make()
    with pytest.raises(InputError, match="labels of shape"):
        lda_directions(x, np.arange(9))
    with pytest.raises(InputError, match="all rows have the label 7"):
        lda_directions(x, np.full(10, 7))
