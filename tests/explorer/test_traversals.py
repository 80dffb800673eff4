"""Traversals: the KL of each latent dimension, and what decodes along it."""

from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from scipy import stats

from backends.base import Decoded, Gaussian, Stamp, finish
from explorer.planes.mosaic import Ink, normalise
from explorer.studies.traversals import PLACES, TILE, is_standard_normal, kl_by_dimension, strip, traversals
from explorer.widgets.traversal_rows import NAME, ROW
from tests.runs import saved_run

WHITE = Ink((255, 255, 255), 1.0)


class Hand:
    """q(zⱼ|x) has mean x_j and a standard deviation of its own for each j; the image is z itself."""

    latent_dim, kind, stamp = 4, "hand", Stamp("run", 5)
    info = SimpleNamespace(dim=4, image_shape=(2, 2), display=(-6.0, 6.0))
    std = np.array([0.2, 1.0, 0.5, 0.9], np.float32)
    centre, width = 0.0, 1.0

    def encode(self, x):
        return Gaussian(x, np.tile(self.std, (len(x), 1)))

    def decode(self, z):
        return Decoded(z)

    def log_prior(self, z):
        return stats.norm.logpdf(z.astype(float), self.centre, self.width).sum(-1)

    def sample_prior(self, n, seed):
        return np.random.default_rng(seed).normal(self.centre, self.width, (n, 4)).astype("f4")


X = (np.random.default_rng(0).normal(size=(300, 4)) * [1.0, 0.0, 0.5, 0.05]).astype(np.float32)


def test_the_kl_of_each_dimension_is_that_of_two_gaussians():
    found, method = kl_by_dimension(Hand(), X, np.tile(Hand.std, (300, 1)))
    z = np.random.default_rng(1).normal(size=200_000)
    for j, row in ((0, 3), (2, 7), (3, 11)):  # E_q[log q − log p], by sampling
        own = X[row, j] + Hand.std[j] * z
        expected = (stats.norm.logpdf(own, X[row, j], Hand.std[j]) - stats.norm.logpdf(own)).mean()
        assert found[row, j] == pytest.approx(expected, abs=0.02)
    np.testing.assert_allclose(found[:, 1], 0, atol=1e-9)  # its q is the prior
    assert "analytic" in method


def test_of_another_prior_it_is_against_its_moments_and_says_so():
    model = Hand()
    model.centre, model.width = 1.0, 2.0
    assert is_standard_normal(Hand())
    assert not is_standard_normal(model)
    found, method = kl_by_dimension(model, X, np.tile(Hand.std, (300, 1)))
    s, m = 0.2, X[0, 0]
    assert found[0, 0] == pytest.approx(np.log(2 / s) + (s**2 + (m - 1) ** 2) / 8 - 0.5, abs=0.1)
    assert "mean and variance" in method


def test_of_a_full_covariance_it_is_that_of_the_marginals_and_says_so():
    """KL(q‖N(0, I)) = Σⱼ KL(qⱼ‖N(0, 1)) + KL(q‖Πⱼ qⱼ)."""

    class Full(Hand):
        tril = np.array([[0.5, 0, 0, 0], [0.4, 0.3, 0, 0], [0, 0.2, 0.6, 0], [0.1, 0, 0.3, 0.8]], np.float32)

        def encode(self, x):
            return Gaussian(
                x, np.tile(np.linalg.norm(self.tril, axis=1), (len(x), 1)), np.tile(self.tril, (len(x), 1, 1))
            )

    found = finish(traversals(Full(), X, None, WHITE, 1.0))
    s = (Full.tril @ Full.tril.T).astype(float)
    whole = 0.5 * (np.trace(s) + np.square(X).sum(1).mean() - 4 - np.linalg.slogdet(s)[1])
    shared = 0.5 * (np.log(np.diag(s)).sum() - np.linalg.slogdet(s)[1])
    assert found.kl.sum() == pytest.approx(whole - shared, rel=1e-5)
    assert shared > 0.1
    assert "in common" in found.method
    assert "in common" not in finish(traversals(Hand(), X, None, WHITE, 1.0)).method


def test_rows_are_sorted_by_kl_and_a_dead_dimension_is_last():
    found = finish(traversals(Hand(), X, None, WHITE, 1.0))
    assert found.order.tolist()[0] == 0
    assert found.order.tolist()[-1] == 1
    assert (np.diff(found.kl[found.order]) <= 0).all()
    assert found.kl[1] < 0.01 <= found.kl[[0, 2]].min()
    assert found.used == (found.kl >= 0.01).sum()
    assert (found.rows, len(found.strips)) == (300, 4)


@pytest.mark.parametrize("point", [None, np.array([3.0, -2.0, 1.0, 0.5], np.float32)])
def test_each_row_goes_over_three_standard_deviations_of_its_own_coordinate(point):
    model = Hand()
    found = finish(traversals(model, X, point, WHITE, 1.0))
    middle = X.mean(0, dtype=float)
    sd = np.sqrt(X.var(0, dtype=float) + Hand.std.astype(float) ** 2)
    for place, j in enumerate(found.order):
        z = np.tile(middle if point is None else point, (PLACES, 1)).astype(np.float64)
        z[:, j] = middle[j] + np.linspace(-3, 3, PLACES) * sd[j]
        expected = strip(z.astype(np.float32), model.info, WHITE, 1.0)
        assert np.abs(found.strips[place].astype(int) - expected).max() <= 1


def test_a_strip_holds_the_images_side_by_side():
    x = np.array([[-6, -6, -6, -6], [6, 6, 6, 6], [0, 0, 0, 0]], np.float32)
    picture = strip(x, Hand.info, WHITE, 2.0)
    assert picture.shape == (2 * TILE, 3 * 2 * TILE + 2 * 4, 4)
    np.testing.assert_array_equal(picture[:, : 2 * TILE], 0)
    np.testing.assert_array_equal(picture[:, 2 * TILE + 4 : 4 * TILE + 4], 255)
    assert (picture[:, -TILE:] == round(255 * float(normalise(x[2:], Hand.info)[0, 0, 0]))).all()


@pytest.fixture
def panel(start, tmp_path):
    """The traversals of a VAE whose last dimensions are not used."""
    values = {"width": 32, "depth": 1, "latent_dim": 6, "learning_rate": 0.01}
    program = start(saved_run(tmp_path / "six.safetensors", "vae", "digits", values, steps=250, seed=3))
    program.wait_for_run()
    panel = program.window.suited["traversals"]
    program.window.docks["traversals"].raise_()
    program.until(lambda: panel.rows.count == 6)
    program.until(lambda: not program.program.exploration.busy("traversals"))
    return program, panel


def test_dead_dimensions_are_seen_as_dead(panel):
    program, panel = panel
    model, x = program.session.model, program.session.data.test.x
    q = model.encode(x)
    mean, std = q.mean.astype(float), q.std.astype(float)
    kl = 0.5 * (mean**2 + std**2 - 1 - 2 * np.log(std)).mean(0)
    assert (kl < 0.01).any()
    assert (kl > 0.1).any()
    texts = panel.rows.texts()
    for text, j in zip(texts, np.argsort(-kl), strict=True):
        assert text.endswith(f"{kl[j]:.2f} nats" if kl[j] >= 0.01 else "unused")
    told = f"Σ KL {kl.sum():.2f} nats · {(kl >= 0.01).sum()} of 6 used"
    assert program.window.docks["traversals"].status.text() == told
    # the first row's pictures differ from one end to the other, the last one's hardly
    first, last = (panel.rows._found.strips[i].astype(int) for i in (0, -1))
    ends = [np.abs(s[:, :TILE] - s[:, -TILE:]).mean() for s in (first, last)]
    assert ends[0] > 5 * ends[1]


def test_a_row_lays_its_coordinate_along_the_first_axis(panel):
    program, panel = panel
    session, rows = program.session, panel.rows
    j = int(rows._found.order[1])
    program.click(rows, QPoint(NAME + 10, ROW + ROW // 2))
    plane = session.state.map.plane
    assert (plane.kind, plane.i) == ("coordinates", j)
    program.until(lambda: session.plane.basis[0, j] == 1)
    QTest.keyClick(rows, Qt.Key.Key_Down)
    QTest.keyClick(rows, Qt.Key.Key_Return)
    assert session.state.map.plane.i == int(rows._found.order[2])
    program.trigger("undo")
    assert session.state.map.plane.i == j


def test_rows_go_through_the_point_where_that_is_chosen(panel):
    program, panel = panel
    before = panel.rows._found
    program.hover(2.0, 1.5)
    panel.through.setFocus()
    QTest.keyClick(panel.through, Qt.Key.Key_Down)
    assert program.session.state.traversals == "point"
    program.until(lambda: panel.rows._found is not before)
    program.until(lambda: not program.program.exploration.busy("traversals"))
    assert any((a != b).any() for a, b in zip(before.strips, panel.rows._found.strips, strict=True))


def test_they_follow_training(panel):
    program, panel = panel
    step = panel.rows._found.step
    program.trigger("step")
    program.until(lambda: panel.rows._found.step > step)
    assert panel.rows.count == 6
