"""Generative models behind one contract, with no Qt: usable from a notebook as from the program."""
