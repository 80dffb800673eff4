"""Pins and paths in latent space: the hand on them, what lies along them, and their film."""
