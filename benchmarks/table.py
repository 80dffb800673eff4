"""One measurement beside its budget, and the table of them."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A measured value with its unit and its budget, where it has one. ``least``: the budget is a minimum,
    not a maximum."""

    name: str
    value: float
    unit: str
    budget: float | None
    least: bool = False
    note: str = ""

    @property
    def kept(self) -> bool:
        """Is the budget kept?"""
        if self.budget is None:
            return True
        return self.value >= self.budget if self.least else self.value <= self.budget


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        names = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    libraries = {}
    for name in ("torch", "PySide6-Essentials", "pyqtgraph", "numpy"):
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            libraries[name] = "missing"
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        **libraries,
    }


def markdown(rows: list[Row]) -> str:
    """The table, as the README has it."""
    lines = ["| what | measured | budget | |", "| --- | ---: | ---: | --- |"]
    for row in rows:
        sign = "≥" if row.least else "≤"
        note = f" ({row.note})" if row.note else ""
        unit = f" {row.unit}" if row.unit not in ("×", "") else row.unit
        budget, verdict = "", ""
        if row.budget is not None:
            budget, verdict = f"{sign} {row.budget:g}{unit}", "kept" if row.kept else "**missed**"
        lines.append(f"| {row.name}{note} | {row.value:.4g}{unit} | {budget} | {verdict} |")
    return "\n".join(lines)


def write(path: Path, rows: list[Row]) -> None:
    """The rows and the machine, as JSON."""
    raw = {"machine": machine(), "rows": [{**asdict(row), "kept": row.kept} for row in rows]}
    path.write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n", "utf-8")
