"""A task's data: its number in the run, padded to the wanted length."""

from __future__ import annotations

#: The number's width. Due and sent times stay in the producer's ledger under that number, so
#: that every task of every mode is a payload of the same bytes.
DIGITS = 12


def payload_of(number: int, payload_bytes: int) -> str:
    """The data of task `number`, `payload_bytes` characters of ASCII, >= 12."""
    return f"{number:0{DIGITS}d}".ljust(payload_bytes, "x")


def number_of(data: str) -> int:
    """The number in what `payload_of` made."""
    return int(data[:DIGITS])
