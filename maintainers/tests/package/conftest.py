"""The hooks import one another by their plain names, as azd starts them; so do the tests of their parts."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "infra" / "hooks"))
