"""The installed face of the program.

In the repository `explorer`, `backends` and `resources` stand at the top. A wheel must not put names
that general into a shared site-packages, so there they live inside `latent_explorer`, which is this
module; it makes them importable for this process only.
"""

import sys
from pathlib import Path


def _root() -> Path:
    """The folder that holds `explorer` and `backends`: this one when installed, the repository otherwise."""
    here = Path(__file__).resolve().parent
    return here if (here / "explorer").is_dir() else here.parents[1]


if str(_root()) not in sys.path:
    sys.path.append(str(_root()))


def main() -> int:
    """The console script."""
    from explorer.__main__ import main as run

    return run()
