"""The figures on digits that every number of the program answers for: ``python -m benchmarks.truth``.

Trains the default VAE with two latent dimensions, and with eight, and measures on the 297 held-out rows.
Takes about two minutes.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.table import Row, machine, markdown
from explorer.threads import share_cores


def train(values: dict[str, int], seed: int = 0):  # type: ignore[no-untyped-def]
    """The default VAE after its default number of steps: (model, held-out rows)."""
    from backends.data import open_data
    from backends.run import Run

    run = Run.start("vae", open_data("digits"), values, seed=seed)
    for _ in range(run.kind.default_steps):
        run.step()
    assert run.data is not None
    return run.model(), run.data.test.x


def two_dimensions() -> list[Row]:
    """ELBO, log p(x) by quadrature, the IWAE bounds below it, and the identity between the three."""
    from backends.base import finish
    from backends.likelihood import iwae
    from backends.quadrature import posterior_kl, quadrature

    model, x = train({})
    elbo = model.elbo(x, samples=256, seed=1).value
    log_p = finish(quadrature(model, x))
    kl = finish(posterior_kl(model, x))
    bounds = {k: float(b.value.mean()) for k, b in finish(iwae(model, x, (1, 5, 50, 500))).items()}
    print(f"log p(x): {log_p.method}; KL: {kl.method}")
    print(
        "IWAE-K:",
        ", ".join(f"{k}: {v:.3f}" for k, v in bounds.items()),
        f"log p(x): {log_p.value.mean():.3f}",
    )
    rises = np.diff([*bounds.values(), float(log_p.value.mean())]).min()
    identity = abs(float((elbo + kl.value - log_p.value).mean()))
    return [
        Row("held-out ELBO, 2-D", float(elbo.mean()), "nats", -19.3, least=True),
        Row("held-out log p(x), 2-D, quadrature", float(log_p.value.mean()), "nats", -17.7, least=True),
        Row("quadrature at two resolutions differs by", float(log_p.stderr.mean()), "nats", 0.01),
        Row("ELBO + KL(q‖posterior) against log p(x), KL computed directly", identity, "nats", 0.02),
        Row("least rise of IWAE-1, 5, 50, 500, log p(x)", float(rises), "nats", 0.0, least=True),
    ]


def eight_dimensions() -> list[Row]:
    """IWAE-5000, and what a defensive proposal makes of the same model."""
    from backends.base import finish
    from backends.likelihood import importance

    model, x = train({"latent_dim": 8})
    bound = finish(importance(model, x, 5000, seed=1, proposal="q")).mean()
    defended = finish(importance(model, x, 5000, seed=1, proposal="defensive")).mean()
    print(f"8-D: IWAE-5000 {bound.value:.3f} ± {bound.stderr:.3f}, defensive {defended.value:.3f}")
    return [Row("held-out IWAE-5000, 8-D", bound.value, "nats", -16.7, least=True)]


def main() -> int:
    """Print the table; 0 when every figure is reached."""
    rows = [*two_dimensions(), *eight_dimensions()]
    print(markdown(rows))
    print("; ".join(f"{name} {value}" for name, value in machine().items()))
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    share_cores()
    sys.exit(main())
