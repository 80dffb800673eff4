"""Models whose every quantity is exact, by EM or in closed form, in NumPy and float64."""

from __future__ import annotations

from backends.base import InputError
from backends.exact import conjugate, factors, mixtures
from backends.registry import Backend

BACKEND = Backend(
    name="exact",
    title="Exact (NumPy)",
    kinds=(*factors.KINDS, *mixtures.KINDS, *conjugate.KINDS),
    libraries=("numpy", "scipy"),
)


def require_cpu(device: str) -> None:
    """Raise InputError for any other device."""
    if device != "cpu":
        raise InputError(f"the exact backend computes on the CPU, not on '{device}'")
