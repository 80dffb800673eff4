"""Normalizing flows: invertible maps of the data onto a simple base density.

    log p(x) = log p(z) + log|det ∂z/∂x|,   z = f(x)                      (Rezende & Mohamed 2015, eq. 5)

A family is a learner with a ``bijection``; what all of them share is in ``net`` (the map with its base
density, as a function of its weights), ``learner`` and ``model``. Importing this package imports no torch.
"""
