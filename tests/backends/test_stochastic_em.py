"""EM for mixtures by batches: by its definition, and against EM on all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from backends.exact.posteriors import Amortised, Exact, Hard
from backends.exact.rows import Rows
from tests.backends.mixtures import FORMS, POSTERIORS, bits, clusters, make, rows_of


@pytest.mark.parametrize(
    "q", [Exact(), Hard(), Amortised.start(clusters(300), 3)], ids=["exact", "hard", "φ"]
)
@pytest.mark.parametrize("form", FORMS)
def test_statistics_of_parts_add_up_to_those_of_the_whole(form, q):
    x = rows_of(form)
    if form == "bernoulli" and isinstance(q, Amortised):
        q = Amortised.start(x, 3)
    components, weights = make(form, components=3)._components, np.array([0.2, 0.3, 0.5])
    moved = components.at(components.theta() * 1.01)  # sums about other means
    whole = Rows(x).expectation(weights, components, q).statistics
    r = [q.probs(p, *_joint(components, weights, p)) for p in (x[:100].astype(float), x[100:].astype(float))]
    first, second = (
        one.statistics(one.sums(part.astype(np.float64), own))
        for one, part, own in zip((components, moved), (x[:100], x[100:]), r, strict=True)
    )
    for a, b in zip(components.mean_statistics(first, 1.0, second, 1.0), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def _joint(components, weights, x):
    log_joint = components.log_prob(x) + np.log(weights)
    return log_joint, np.log(np.exp(log_joint).sum(1))


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("form", ["full", "bernoulli"])
def test_a_batch_of_all_rows_is_batch_em(form, posterior):
    n = len(rows_of(form))
    whole = make(form, components=3, posterior=posterior)
    batch = make(form, components=3, posterior=posterior, batch_size=n)
    assert batch.steps_per_epoch == 1
    for _ in range(5):
        assert batch.step() == pytest.approx(whole.step(), rel=1e-9)


def test_stochastic_em_is_cappe_and_moulines():
    """Two steps by their equation 8, written out for the means of a Bernoulli mixture: s ← s + ρ(ŝ − s)."""
    x = bits(200, 6)
    learner = make("bernoulli", x, components=2, batch_size=50, floor=1e-9)
    assert learner.steps_per_epoch == 4
    averages = None
    for t in range(3):
        before = learner.snapshot()
        rows = x[learner._batches.at(t)]
        q = before.encode(rows).probs
        new = np.concatenate([q.mean(0)[:, None], q.T @ rows / len(rows)], 1)
        averages = new if t == 0 else averages + (t + 2) ** -0.6 * (new - averages)
        learner.step()
        after = learner.snapshot()
        np.testing.assert_allclose(after.weights, averages[:, 0], rtol=1e-8)
        np.testing.assert_allclose(after.means, averages[:, 1:] / averages[:, :1], rtol=1e-6)
    rows = [learner._batches.at(t) for t in range(4, 8)]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(200))


@pytest.mark.parametrize("form", ["full", "diag"])
def test_a_few_epochs_of_batches_reach_what_all_rows_reach(form):
    x = clusters(100_000, 2)
    whole = make(form, x, components=4)
    stochastic = make(form, x, components=4, batch_size=1000)
    np.testing.assert_array_equal(stochastic.snapshot().means, whole.snapshot().means)
    for _ in range(60):
        whole.step()
    for _ in range(8 * int(stochastic.steps_per_epoch)):
        stochastic.step()
    want = whole.snapshot().log_prob(x).mean()
    assert abs(stochastic.snapshot().log_prob(x).mean() - want) < 0.01


def test_a_hand_that_moves_the_means_begins_a_new_average():
    learner = make("spherical", components=2, batch_size=50)
    for _ in range(30):
        learner.step()
    far = np.stack([np.full(3, 2.0), np.full(3, 9.0)])
    learner.place(np.full(2, 0.5), far, np.ones((2, 1)))
    alone = make("spherical", components=2, batch_size=50)
    alone.restore(learner.state())
    assert not any(a.any() for n, a in alone.state().arrays.items() if n == "statistics.0")
    assert learner.step() == alone.step()
