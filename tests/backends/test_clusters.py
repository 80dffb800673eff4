"""Clusters against labels: scikit-learn and brute force as oracles."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from backends.base import InputError, finish
from backends.clusters import adjusted_rand_index, agreement, best_matching, clusters
from backends.data import Split, open_data
from backends.run import Run


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("labels", "groups"), [(3, 3), (4, 2), (2, 5), (1, 1)])
def test_agreement_is_scikit_learns(seed, labels, groups):
    rng = np.random.default_rng(seed)
    y, of = rng.integers(0, labels, 40), rng.integers(0, groups, 40)
    of[:20] = y[:20] % groups
    found = agreement(y, of, groups)
    table = np.zeros((y.max() + 1, groups), int)
    seen = contingency_matrix(y, of)
    table[np.ix_(np.unique(y), np.unique(of))] = seen
    np.testing.assert_array_equal(found.table, table)
    assert found.purity == pytest.approx(seen.max(0).sum() / 40)
    assert found.rand == pytest.approx(adjusted_rand_score(y, of), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("labels", "groups"), [(3, 3), (4, 3), (3, 5)])
def test_no_pairing_has_more_rows(seed, labels, groups):
    table = np.random.default_rng(seed).integers(0, 9, (labels, groups))
    partner, matched = best_matching(table)
    least = min(labels, groups)
    most = max(
        sum(table[rows[i], columns[i]] for i in range(least))
        for rows in permutations(range(labels), least)
        for columns in permutations(range(groups), least)
    )
    assert matched == most
    paired = np.flatnonzero(partner >= 0)
    assert len(paired) == least
    assert len(set(partner[paired])) == least
    assert table[paired, partner[paired]].sum() == most


@pytest.mark.parametrize(("labels", "groups"), [(4, 2), (2, 4), (3, 3)])
def test_clusters_are_ordered_by_their_labels(labels, groups):
    rng = np.random.default_rng(2)
    y, of = rng.integers(0, labels, 60), rng.integers(0, groups, 60)
    found = agreement(y, of, groups)
    paired = min(labels, groups)
    np.testing.assert_array_equal(found.order[:paired], found.partner[found.partner >= 0])
    assert sorted(found.order) == list(range(groups))
    sizes = found.table.sum(0)[found.order[paired:]]
    assert list(sizes) == sorted(sizes, reverse=True)


def test_the_same_partition_under_other_names_agrees_wholly():
    y = np.repeat([0, 1, 2], 5)
    found = agreement(y, (y + 1) % 3, 3)
    assert (found.purity, found.rand, found.matched) == (1.0, 1.0, 15)
    np.testing.assert_array_equal(found.order, [1, 2, 0])
    assert adjusted_rand_index(np.array([[1]])) == 1.0


def test_rows_are_in_their_most_probable_component():
    data = open_data("eight-gaussians")
    run = Run.start("gmm", data, {"components": 8})
    for _ in range(5):
        run.step()
    model = run.model()
    found = finish(clusters(model, data.test, "test"))
    np.testing.assert_array_equal(found.of, model.encode(data.test.x).probs.argmax(1))
    assert found.sizes.sum() == len(data.test)
    for k in range(8):
        assert len(found.members(k)) == found.sizes[k]
    assert (found.step, found.split) == (5, "test")
    assert found.agreement.rand == pytest.approx(adjusted_rand_score(data.test.labels, found.of), abs=1e-12)


def test_rows_without_labels_and_no_rows_at_all():
    data = open_data("two-moons")
    run = Run.start("gmm", data, {"components": 3})
    bare = finish(clusters(run.model(), Split(data.train.x[:5])))
    assert bare.agreement is None
    none = finish(clusters(run.model(), Split(data.train.x[:0], data.train.labels[:0])))
    assert none.agreement is None
    np.testing.assert_array_equal(none.sizes, np.zeros(3))


def test_a_model_without_responsibilities_has_no_clusters():
    run = Run.start("ppca", open_data("two-moons"), {"latent_dim": 1})
    with pytest.raises(InputError, match="no clusters"):
        finish(clusters(run.model(), run.data.train))
