"""What lies between a run and its file."""

import hashlib

import numpy as np
import pytest

from backends.base import DataInfo
from backends.data import DataSet, Split
from backends.run_file import HASHED, fingerprint, fingerprinting, flat, group


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_fingerprint_is_that_of_all_rows_at_once_and_made_in_slices(rows):
    x = np.random.default_rng(rows).random((rows, HASHED // 2 + 1), np.float32)
    none = Split(x[:0])
    data = DataSet(DataInfo("rows", "Rows", x.shape[1]), Split(x), none, none)
    assert fingerprint(data) == hashlib.sha256(f"{x.shape} ".encode() + x.tobytes()).hexdigest()
    assert len(list(fingerprinting(data))) == -(-x.size // HASHED)


def test_groups_of_arrays_come_back_from_the_one_table():
    groups = {"state": {"a/b": np.arange(3), "c": np.zeros(1)}, "curves": {"c": np.ones(2)}}
    table = flat(groups)
    for name, arrays in groups.items():
        back = group(table, name)
        assert back.keys() == arrays.keys()
        assert all(back[key] is arrays[key] for key in arrays)
