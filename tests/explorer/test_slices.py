"""Work in slices: everything once and in order, whatever the pieces."""

from itertools import pairwise

import numpy as np
import pytest

from explorer.slices import FIRST, LEAST, in_slices


@pytest.mark.parametrize("n", [0, 1, FIRST, FIRST + 1, 5000])
def test_all_rows_are_computed_once_and_in_order(n):
    rows = np.arange(2 * n).reshape(n, 2)
    parts = list(in_slices(lambda some: some.copy(), rows))
    np.testing.assert_array_equal(np.concatenate(parts), rows)
    assert all(len(part) >= LEAST for part in parts[:-1])
    assert len(parts) == 1 or all(len(part) for part in parts)


def test_no_slice_grows_beyond_four_times_the_one_before():
    sizes = [len(part) for part in in_slices(lambda some: some, np.zeros((100_000, 2)))]
    assert sizes[0] == FIRST
    assert all(b <= 4 * a for a, b in pairwise(sizes))
