"""What `--help` lists below the options."""

from __future__ import annotations

from collections.abc import Mapping


def named(title: str, choices: Mapping[str, str]) -> list[str]:
    """A line for each choice: what is typed, and what it stands for."""
    width = max(map(len, choices))
    return [f"{title}:", *(f"  {key:<{width}}  {meaning}" for key, meaning in choices.items())]
