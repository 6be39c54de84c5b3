"""Random inputs for every place that reads bytes from outside. Read case.py first.

pytest maintainers/tests/fuzz                                 a fixed sample of each class, the same at every run
python3 dev.py fuzz --seconds 600 [--seed 7]      as many as fit, with figures
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import configuration

configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")  # it would litter the project
