"""``python -m explorer`` and the console script ``latent-explorer``."""

import sys
from collections.abc import Sequence

from explorer.threads import share_cores


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    share_cores()
    from explorer.cli.main import main as run

    return run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
