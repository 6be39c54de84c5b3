"""Measurements by command: `python3 dev.py bench [SUBJECT]`. Nothing here is deployed.

speed/, failures/, fleet/, load/   the subjects
child.py       a process that measures, and says each result in a line of JSON
together.py    calls that begin at the same moment
environment.py a process that reaches the emulated tenant as a deployed API reaches the real one
machine.py     what figures depend on
document.py    the parts of docs/ that a measurement writes; tables in Markdown
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
