"""The tables, for people and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from maintainers.benchmarks.document import table as markdown_table

from .definition import PEERS, TABLES, Table, peer
from .measured import Measured

_WIDTH = 112


def as_markdown(measured: Measured, tables: Sequence[Table] = TABLES) -> str:
    """The tables with what stands below them."""
    return "\n\n".join([*(_markdown(table, measured) for table in tables), _notes(measured)])


def _markdown(table: Table, measured: Measured) -> str:
    header = ["failure", *(peer(key).title for key in table.peers)]
    rows = [[row.title, *(measured.cell(key, row.key) for key in table.peers)] for row in table.rows]
    return f"### {table.title}\n\n{markdown_table(header, rows)}\n\n{table.others}"


def _notes(measured: Measured) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(measured.versions.items()))
    lines = [f"- **{peer.title}**: {peer.about}" for peer in PEERS]
    lines += ["", f"Measured with Python {measured.python}, {versions}."]
    for key, name in measured.absent.items():
        lines.append(f"Not measured: {peer(key).title}, because {name} is not installed.")
    return "\n".join(lines)


def as_blocks(measured: Measured, tables: Sequence[Table] = TABLES) -> str:
    """The same for a terminal, where the tables would be too wide: a paragraph per failure, a line per peer."""
    wide = max(len(peer.title) for peer in PEERS)
    blocks = []
    for table in tables:
        blocks.append(f"{table.title.upper()}\n")
        for row in table.rows:
            blocks.append(row.title)
            for key in table.peers:
                head = f"    {peer(key).title:<{wide}}  "
                cell = measured.cell(key, row.key)
                blocks.append(textwrap.fill(cell, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))
            blocks.append("")
        blocks.append(f"{table.others}\n")
    return "\n".join([*blocks, _notes(measured)])


def as_json(measured: Measured, tables: Sequence[Table] = TABLES) -> str:
    """Everything, with the keys of definition.py."""
    described = [
        {
            "title": table.title,
            "rows": [
                {
                    "key": row.key,
                    "failure": row.title,
                    "cells": {key: measured.cell(key, row.key) for key in table.peers},
                }
                for row in table.rows
            ],
        }
        for table in tables
    ]
    facts = {"python": measured.python, "versions": measured.versions, "not_installed": measured.absent}
    return json.dumps({**facts, "problems": measured.problems, "tables": described}, indent=2, ensure_ascii=False)
