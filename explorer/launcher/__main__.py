"""``python -m latent_explorer``."""

import sys
from importlib import import_module

sys.exit(import_module("latent_explorer").main())
