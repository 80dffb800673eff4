"""Carried in pieces, rows of a flow end where they do when they are carried at once."""

import numpy as np
import pytest

from backends.base import Progress, finish
from backends.carry import block, carry, inverse, log_prob, telling, transform
from backends.data import open_data
from backends.run import Run


@pytest.fixture(scope="module", params=[("realnvp", {}), ("cnf", {}), ("cnf", {"base": "uniform"}),
                                        ("cnf", {"solver": "dopri5"})], ids=str)  # fmt: skip
def model(request):
    kind, values = request.param
    run = Run.start(kind, open_data("two-moons"), {"width": 16, "learning_rate": 0.01, **values})
    for _ in range(100):
        run.step()
    return run.model()


def test_there_back_and_the_density_on_the_way(model):
    x = open_data("two-moons").test.x[:50]
    whole = model.transform(x)
    for got, want in zip(finish(transform(model, x)), whole, strict=True):
        np.testing.assert_allclose(got, want, atol=2e-4)
    for got, want in zip(finish(inverse(model, whole[0])), model.inverse(whole[0]), strict=True):
        np.testing.assert_allclose(got, want, atol=2e-4)
    np.testing.assert_allclose(finish(log_prob(model, x)), model.log_prob(x), atol=2e-4)
    for times in (model.times[[0, 1, -1]], model.times[::-1]):
        points, log_det = finish(carry(model, x if times[0] == 0 else whole[0], times))
        path = model.path(x if times[0] == 0 else whole[0], times)
        np.testing.assert_allclose(points, path.points, atol=2e-4)
        np.testing.assert_allclose(log_det, path.log_det, atol=2e-4)
        middle = len(times) // 2
        at = finish(log_prob(model, points[middle], times[middle]))
        want = model.log_prob(points[0] if times[0] == 0 else points[-1])
        off = log_det[middle] if times[0] == 0 else log_det[middle] - log_det[-1]
        np.testing.assert_allclose(at, want - off, atol=5e-4)


def test_at_the_end_of_the_way_the_density_is_the_base_s_and_outside_its_support_none(model):
    z = np.array([[0.25, 0.5], [1.5, 0.5], [-0.1, 0.2]], np.float32)
    np.testing.assert_array_equal(finish(log_prob(model, z, 1.0)), model.log_base(z))


def test_a_continuous_flow_stops_often(model):
    x = open_data("two-moons").test.x[:5]
    stops = sum(1 for _ in transform(model, x))
    assert stops >= 8 if model.kind == "cnf" else not stops
    assert block(model, 10_000) == (512 if model.kind == "cnf" else 10_000)


def test_each_slice_tells_how_far_it_is():
    def work():
        yield
        yield
        return 7

    told = telling(work(), Progress(1, 2))
    assert [next(told), next(told)] == [Progress(1, 2)] * 2
    assert finish(told) == 7
