"""Work in slices: everything once and in order, whatever the pieces."""

from itertools import pairwise

import numpy as np
import pytest

from backends.base import finish
from backends.data import open_data
from backends.run import Run
from explorer.slices import LEAST, in_slices, samples


@pytest.mark.parametrize("n", [0, 1, LEAST, LEAST + 1, 5000])
@pytest.mark.parametrize("pieces", [0, 3])
def test_all_rows_are_computed_once_and_in_order(n, pieces):
    rows, slices = np.arange(2 * n).reshape(n, 2), 0

    def work(some):
        for _ in range(pieces):
            yield
        return some.copy()

    def count():
        nonlocal slices
        parts = in_slices(work if pieces else lambda some: some.copy(), rows)
        while True:
            try:
                next(parts)
            except StopIteration as end:
                return end.value
            slices += 1

    parts = count()
    assert slices == len(parts) * (pieces + 1)
    np.testing.assert_array_equal(np.concatenate(parts), rows)
    assert all(len(part) >= LEAST for part in parts[:-1])
    assert len(parts) == 1 or all(len(part) for part in parts)


def test_no_slice_grows_beyond_four_times_the_one_before():
    sizes = [len(part) for part in finish(in_slices(lambda some: some, np.zeros((100_000, 2))))]
    assert sizes[0] == LEAST
    assert all(b <= 4 * a for a, b in pairwise(sizes))


@pytest.mark.parametrize("kind", ["cnf", "realnvp"])
def test_samples_of_a_flow_in_slices_are_its_samples(kind):
    model = Run.start(kind, open_data("two-moons"), {"width": 8}).model()
    drawn = samples(model, 500, 3)
    assert sum(1 for _ in drawn) > 1
    np.testing.assert_allclose(finish(samples(model, 500, 3)), model.sample(500, 3), atol=1e-5)
