"""The numbers of one datum, as rows; in their tooltips what made them and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.studies.look import Score, estimator
from explorer.widgets.values import ValueRows, difference, format_number


def show_score(rows: ValueRows, tips: Mapping[str, str], scored: Score) -> None:
    """Fill the rows "log_p", "elbo" and "gap"; tips: what their tooltips say without numbers."""
    elbo, noise = None, 0.0
    if scored.elbo is not None:
        elbo, noise = scored.elbo.value, scored.elbo.stderr
        rows.set_tooltip("elbo", f"{tips['elbo']} {scored.elbo.method}; ± {noise:.2g}.")
    rows.set("elbo", format_number(elbo))
    if scored.log_p is None:
        return
    log_p = scored.log_p.mean()  # of this one row
    rows.set_label("log_p", f"log p(x)  {estimator(log_p)}")
    ess = "" if log_p.ess is None else f"; effective sample size {log_p.ess:.0f}"
    rows.set_tooltip("log_p", f"{tips['log_p']} {log_p.method}; ± {log_p.stderr:.2g}{ess}.")
    rows.set("log_p", format_number(log_p.value))
    if elbo is not None:
        error = float(np.hypot(noise, log_p.stderr))
        direct = ""
        if scored.kl is not None:
            kl = scored.kl.mean()
            direct = f"\nComputed directly: {kl.value:.4f} by {kl.method}."
        rows.set_tooltip("gap", f"{tips['gap']} ± {error:.2g}.{direct}")
        rows.set("gap", format_number(difference(log_p.value, elbo)))
