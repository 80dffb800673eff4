"""What the parameters of a model are called, one by one."""

from __future__ import annotations

from backends.base import DataInfo


def subscript(number: int) -> str:
    """12 → "₁₂"."""
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def columns(info: DataInfo) -> list[str]:
    """Of each column its own name, or else "x₁", "x₂", …"""
    return [info.columns[i] if i < len(info.columns) else f"x{subscript(i + 1)}" for i in range(info.dim)]


def triangle(name: str, columns: list[str]) -> list[str]:
    """Of a lower triangle with the logarithm of its diagonal, row by row."""
    return [
        f"log {name}[{row}]" if i == j else f"{name}[{row}, {column}]"
        for i, row in enumerate(columns)
        for j, column in enumerate(columns[: i + 1])
    ]
