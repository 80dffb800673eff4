"""The ellipse of q(z|x) on the latent map, against the covariance of the encoder's own Gaussian."""

import numpy as np
import pytest

from tests.explorer.conftest import SMALL
from tests.runs import saved_run


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    """Three latents, and a q whose covariance is full."""
    path = tmp_path_factory.mktemp("runs") / "full.safetensors"
    return saved_run(
        path, "vae", "digits", {**SMALL, "latent_dim": 3, "posterior": "full"}, steps=150, seed=3
    )


def test_it_is_that_of_the_encoders_gaussian_on_the_plane_and_follows_training(start, full_run):
    program = start(full_run)
    program.wait_for_run()
    program.settle()
    session, item = program.session, program.map.posterior.item
    program.click_map(0.4, -0.3)

    def right() -> bool:
        if session.subject is None or item.shown is None:
            return False
        q, basis = session.model.encode(session.subject.x[None]), session.plane.basis
        tril = q.scale_tril[0].astype(float)
        wanted = basis @ tril @ tril.T @ basis.T
        half = item.shown.axes[0]  # as rows, and at right angles
        drawn = half.T @ half
        return np.allclose(
            item.shown.means[0], session.plane.to_canvas(q.mean)[0], atol=1e-4
        ) and np.allclose(drawn, wanted, rtol=1e-3, atol=1e-6)

    program.until(right)
    q = session.model.encode(session.subject.x[None])
    covariance = session.plane.basis @ q.scale_tril[0] @ q.scale_tril[0].T @ session.plane.basis.T
    assert abs(covariance[0, 1]) > 0.02 * np.sqrt(covariance[0, 0] * covariance[1, 1])  # or it tells nothing
    before, seen = item.shown.means, program.pixels(program.map.canvas)
    item.setVisible(False)
    assert (program.pixels(program.map.canvas) != seen).any()
    item.setVisible(True)

    for _ in range(3):
        program.click(program.run_panel.step)
        program.until(lambda: not session.training)
    program.until(lambda: not np.array_equal(item.shown.means, before) and right())
