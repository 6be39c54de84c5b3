"""Reads the app settings of a file, in each form in which a person may have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from client.env_file import read_env_file
from client.errors import SettingsError
from emulators.local.errors import LocalError


def settings_of(path: Path) -> dict[str, str]:
    """The settings in the file, by name. Raises LocalError.

    The forms are `NAME=value` lines, a `local.settings.json`, a JSON object, and the list that
    `az functionapp config appsettings list` prints.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", "replace").strip()
    except OSError as problem:
        raise LocalError(f"cannot read {path}: {problem.strerror}") from problem
    if not text.startswith(("{", "[")):
        try:
            return read_env_file(path)
        except SettingsError as problem:
            raise LocalError(str(problem)) from problem
    try:
        return _of_json(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):  # the text is not quoted: it may hold a secret
        raise LocalError(f"{path} is not valid JSON, or holds no settings: names with texts as values") from None


def _of_json(document: Any) -> dict[str, str]:
    if isinstance(document, list):
        document = {each["name"]: each["value"] for each in document}
    elif isinstance(document.get("Values"), dict):
        document = document["Values"]
    return {str(name): "" if value is None else str(value) for name, value in document.items()}
