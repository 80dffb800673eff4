"""The rendered set: its factors are what is seen in the pictures."""

import numpy as np
import pytest

from backends.base import InputError
from backends.data import SPLITS, open_data
from backends.rendered import FACTORS, HIGH, LOW, SHAPES, TEST, VALIDATION, draw


def exact(label, factors, side, fine=24):
    """The same picture by counting which of fine × fine points of each pixel are within the outline."""
    x, y, size, rotation = factors
    at = (np.arange(side * fine) + 0.5) * 2 / (side * fine) - 1
    z = (at[None, :] - x) + 1j * (-at[:, None] - y)
    z = z * np.exp(-1j * np.radians(rotation)) / size
    inside = list(SHAPES.values())[label](z.real, z.imag) <= 0
    return inside.reshape(side, fine, side, fine).mean((1, 3))


@pytest.mark.parametrize("label", range(len(SHAPES)))
def test_pixels_are_covered_as_much_as_they_are_bright(label):
    rng = np.random.default_rng(label)
    for factors in rng.uniform(LOW, HIGH, (6, len(FACTORS))):
        picture = draw(np.array([label]), factors[None], 64).reshape(64, 64)
        error = abs(picture - exact(label, factors, 64))
        assert error.max() < 0.35  # at corners, where no straight line is the outline
        assert error.mean() < 2e-3
        assert abs(picture.sum() - exact(label, factors, 64).sum()) < 0.02 * picture.sum()


@pytest.mark.parametrize("name", ["shapes", "shapes-64"])
def test_factors_are_kept_with_the_rows(name):
    data = open_data(name)
    side = data.info.image_shape[0]
    assert data.info.factor_names == FACTORS
    assert data.info.label_names == tuple(SHAPES)
    for split in SPLITS:
        part = data.split(split)
        assert part.factors.shape == (len(part), len(FACTORS))
        assert part.factors.dtype == np.float32
        assert ((part.factors >= LOW - 1e-6) & (part.factors <= HIGH + 1e-6)).all()
        assert (part.x.min(), part.x.max()) == (0, 1)
        rows = slice(0, 50)
        again = draw(part.labels[rows], part.factors[rows].astype(float), side)
        np.testing.assert_allclose(part.x[rows], again, atol=2e-4)
    pictures = data.train.x.reshape(-1, side, side)
    assert not pictures[:, [0, -1]].any() or pictures[:, [0, -1]].max() < 1  # nothing is cut off
    assert (len(data.validation), len(data.test)) == (VALIDATION, TEST)


def test_each_factor_is_called_what_it_is():
    """By moments of the pictures themselves: where their light lies, how far it spreads, how it leans."""
    part = open_data("shapes:300").train
    factor = dict(zip(FACTORS, part.factors.T, strict=True))
    light = part.x.reshape(-1, 32, 32).astype(float)
    light /= light.sum((1, 2), keepdims=True)
    at = (np.arange(32) + 0.5) / 16 - 1
    x, y = (light.sum(1) * at).sum(1), (light.sum(2) * -at).sum(1)  # y upwards
    xx = (light * (at - x[:, None])[:, None, :] ** 2).sum((1, 2))
    yy = (light * (-at - y[:, None])[:, :, None] ** 2).sum((1, 2))
    xy = (light * (at - x[:, None])[:, None, :] * (-at - y[:, None])[:, :, None]).sum((1, 2))
    assert np.corrcoef(x, factor["x"])[0, 1] > 0.97
    assert np.corrcoef(y, factor["y"])[0, 1] > 0.97
    for label in range(len(SHAPES)):
        of = part.labels == label
        assert np.corrcoef(np.sqrt(xx + yy)[of], factor["size"][of])[0, 1] > 0.99
    wide = part.labels == list(SHAPES).index("half disc")  # lies along its own u axis, turned anticlockwise
    lean, turned = 0.5 * np.arctan2(2 * xy, xx - yy)[wide], np.radians(factor["rotation"][wide])
    assert np.cos(2 * (lean - turned)).min() > 0.9


def test_factors_are_uniform_and_independent():
    factors = open_data("shapes").train.factors
    unit = (factors - LOW) / (HIGH - LOW)
    for column in unit.T:
        empirical = np.sort(column)
        assert (
            abs(empirical - (np.arange(len(empirical)) + 0.5) / len(empirical)).max()
            < 1.63 / len(empirical) ** 0.5
        )
    assert abs(np.corrcoef(unit.T) - np.eye(len(FACTORS))).max() < 0.05


def test_the_number_of_rows_can_be_chosen_and_the_held_out_ones_stay(tmp_path):
    few, usual = open_data("shapes:200"), open_data("shapes")
    assert len(few.train) == 200
    np.testing.assert_array_equal(few.train.x, usual.train.x[:200])
    np.testing.assert_array_equal(few.test.factors, usual.test.factors)
    again = open_data(few.info.source)
    assert again.info == few.info
    np.testing.assert_array_equal(again.train.factors, few.train.factors)
    with pytest.raises(InputError, match="shapes:N with 1 to 1048576 training rows"):
        open_data("shapes:100000000")
