"""What to do on the local stack: nobody can type `az` or `azd` there, and its tenant begins anew with each start."""

from __future__ import annotations

from .verdicts import Verdict, Way

_AGAIN = "stop the stack and start it again"
_SETTINGS = f"in [settings] of local-stack.toml; then {_AGAIN}"
_SOMEBODY_ELSE = "EMULATORS_PERSON=alice python3 dev.py doctor, which signs in somebody who may read all"
INSTEAD = (
    ("az monitor app-insights ", "see .local/api.log"),
    ("az functionapp config appsettings ", f"correct the setting {_SETTINGS}"),
    ("a look at the log of the API", "a look at .local/api.log"),
    ("az login", _SOMEBODY_ELSE),
    ("a new sign-in: az login", _SOMEBODY_ELSE),
    ("another account", _SOMEBODY_ELSE),
    ("azd env set DEVELOPER_TOOL_CLIENT_IDS ", "python3 dev.py call PERSON PATH, which needs no Azure CLI"),
    ("azd ", _AGAIN),
    ("az ", f"{_AGAIN}: the emulated tenant is made anew. If this stays, correct the setting {_SETTINGS}"),
)
"""How what is printed for a real tenant begins, and what is printed in its place."""


def on_stack(verdict: Verdict) -> Verdict:
    """The verdict for a person at the local stack. What to do there is no command of a shell."""
    ways = tuple(dict.fromkeys(Way("", _correction(way)) for way in verdict.ways))
    return verdict._replace(ways=ways, right=_instead(verdict.right))


def _correction(way: Way) -> str:
    return f"{way.correct}, {_SETTINGS}" if way.correct else _instead(way.command)


def _instead(text: str) -> str:
    return next((words for begins, words in INSTEAD if text.startswith(begins)), text)
