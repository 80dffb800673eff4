"""The command line: what there is to type, and which function does it.

No command but the one that opens the window imports Qt, and torch is imported only by those that compute.
Exit status: 0 done; 2 something that was given cannot be used (one line on standard error says what);
1 the training diverged or ran out of memory (what was reached is saved); 130 or 143 stopped by Ctrl-C or
SIGTERM (after saving).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from backends.base import InputError
from backends.registry import installed
from backends.sources import parse
from explorer.threads import import_plainly, load_at_once

NAME = "latent-explorer"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for any other bad input, in place of argparse's usage and message."""
        raise InputError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status."""
    try:
        if not argv:
            return _open_window(None)
        parser, commands = _parsers()
        if argv[0] in commands or argv[0].startswith("-"):
            options = parser.parse_args(_glue_negative(argv))
            if "run" not in options:  # "--" alone
                raise InputError(f"there is no command; commands are {', '.join(commands)}")
            status: int = options.run(options)
            sys.stdout.flush()
            return status
        if len(argv) > 1 or not Path(parse(argv[0])[0]).exists():
            raise InputError(f"there is no file or command '{argv[0]}'; commands are {', '.join(commands)}")
        return _open_window(argv[0])
    except InputError as error:
        return _fail(str(error), 2)
    except SystemExit as stop:  # argparse, after --help and --version
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader (head, less) has gone; without this Python complains once more on leaving
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _fail(message: str, status: int) -> int:
    print(f"{NAME}: {' '.join(message.split())}", file=sys.stderr)
    return status


def _open_window(path: str | None) -> int:
    from explorer.cli.doctor import gui_problem

    problem = gui_problem()
    if problem is not None:
        return _fail(problem, 2)
    if sys.platform == "win32":  # there torch finds its libraries only when it is loaded before Qt
        for backend in installed().backends:
            backend.devices()
    load_at_once()
    import_plainly()
    from explorer.app import run_window

    return run_window(path)


def _glue_negative(argv: Sequence[str]) -> list[str]:
    """``--at -1,2`` → ``--at=-1,2``: argparse takes a value that begins with a minus for an option."""
    out: list[str] = []
    for argument in argv:
        if out and out[-1] == "--at":
            out[-1] = f"--at={argument}"
        else:
            out.append(argument)
    return out


# -- what there is to type -----------------------------------------------------------------------


def _parsers() -> tuple[argparse.ArgumentParser, tuple[str, ...]]:
    from explorer.cli import doctor, listing, training, using

    parser = _Parser(
        prog=NAME,
        usage=f"{NAME} [FILE]\n       {NAME} COMMAND …",
        description="Opens the window, on FILE if given; or does one of these without a window:",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {doctor.own_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", prog=NAME)

    train = commands.add_parser("train", help="train a model", allow_abbrev=False, description=training.HELP)
    train.add_argument("model", metavar="MODEL", nargs="?", help="a name that `models` lists")
    train.add_argument(
        "--data",
        help="a name that `data` lists; NAME:ROWS for a synthetic set of so many training rows; a .npy, .npz "
        "or CSV file, or FILE:label=COLUMN; an IDX file of images, as of MNIST, with its labels beside it; a "
        "folder of images (PNG, JPEG), or FOLDER:size=64,colour=rgb (default: size=32,colour=grey), each cut "
        "to its central square, whose sub-folders are then its labels; a picture (PNG, JPEG, GIF), whose "
        "grey levels are then the density; or a saved run, whose encodings, draws of q(z|x), are the data",
    )
    train.add_argument(
        "--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[],
        help="hyper-parameters; with --resume those that may change during a run",
    )  # fmt: skip
    train.add_argument(
        "--steps", type=_count, metavar="N", help="steps to make (with --resume: further steps)"
    )
    train.add_argument("--seed", type=_seed, metavar="S", help="default: 0")
    train.add_argument("--backend", metavar="B", help="where several have the model; default: the first")
    train.add_argument(
        "--tolerance", type=_tolerance, default=0.0, metavar="T",
        help="end EM when a step raises its bound by less than T nats a datum; default: 0, never",
    )  # fmt: skip
    train.add_argument("--device", metavar="D", help="cpu, cuda, mps; default: cpu, or where the run was")
    train.add_argument("--out", metavar="FILE", help="where to save (with --resume the default is its file)")
    train.add_argument("--resume", metavar="FILE", help="go on with a saved run")
    train.add_argument("--json", action="store_true", help="one JSON line a report, the result in the last")
    train.set_defaults(run=training.train)

    evaluate = _file_command(commands, "evaluate", "ELBO and log p(x) of a saved run, training and held out")
    evaluate.add_argument("--data", help="other data than the run's own: a name or a file")
    evaluate.add_argument("--json", action="store_true", help="one JSON line")
    evaluate.set_defaults(run=training.evaluate)

    decode = _file_command(commands, "decode", "latent points to pictures or rows")
    where = decode.add_mutually_exclusive_group(required=True)
    where.add_argument("--at", metavar="Z1,Z2,…", help="decode this latent point")
    where.add_argument(
        "--grid", type=_count, metavar="N",
        help="an N×N mosaic: the first two latent coordinates from −2.5 to 2.5 (upwards and to the right), "
        "the others 0",
    )  # fmt: skip
    where.add_argument("--data", metavar="Z.npy", help="decode the latent points in a file")
    decode.add_argument(
        "--out", required=True, metavar="IMAGE.png",
        help="a PNG with one pixel a pixel; rows where it ends in .npy",
    )  # fmt: skip
    decode.set_defaults(run=using.decode)

    sample = _file_command(commands, "sample", "draw from p(x)")
    sample.add_argument("--n", type=_count, required=True, metavar="N", help="rows")
    sample.add_argument("--seed", type=_seed, default=0, metavar="S", help="default: 0")
    sample.add_argument(
        "--prior", metavar="RUN",
        help="draw z from this run in place of p(z): a flow, say, trained on FILE's encodings by --data FILE",
    )  # fmt: skip
    sample.add_argument("--out", required=True, metavar="X.npy")
    sample.set_defaults(run=using.sample)

    encode = _file_command(commands, "encode", "the mean of q(z|x) (or responsibilities) for each row")
    encode.add_argument("--data", help="a name or a file; default: the run's own data")
    encode.add_argument("--out", required=True, metavar="Z.npy")
    encode.set_defaults(run=using.encode)

    score = _file_command(commands, "score", "log p(x) of each row, in nats")
    score.add_argument("--data", help="a name or a file; default: the run's own data")
    score.add_argument("--out", required=True, metavar="LOGP.npy")
    score.set_defaults(run=using.score)

    for name, function, text in (
        ("models", listing.models, "the models that can be trained, with their parameters"),
        ("data", listing.data, "the data sets that come with the program"),
    ):
        listed = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        listed.add_argument("--json", action="store_true", help="as JSON")
        listed.set_defaults(run=function)
    check = commands.add_parser("doctor", help="versions, devices, and what is missing", allow_abbrev=False)
    check.set_defaults(run=doctor.report)
    return parser, tuple(commands.choices)


def _file_command(
    commands: argparse._SubParsersAction[_Parser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", help="a saved run")
    return parser


def _count(text: str) -> int:
    return _whole(text, 1)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
    if not 0 <= value < 1e300:
        raise argparse.ArgumentTypeError(f"{text} is not a number ≥ 0")
    return value


def _seed(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, minimum: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
    if not minimum <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number ≥ {minimum}")
    return value
