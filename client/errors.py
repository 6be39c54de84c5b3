"""Errors that prevent a call. Each error has the exit code of the command line.

ClientError
├── SettingsError     2  a setting or an argument is missing or wrong
├── SignInError       3  Entra ID did not give a token
└── UnreachableError  4  the API did not respond
"""

from __future__ import annotations


class ClientError(Exception):
    """An error for the person at the terminal. The message says what to do."""

    exit_code = 1


class SettingsError(ClientError):
    """A setting or an argument is missing or wrong."""

    exit_code = 2


class SignInError(ClientError):
    """Entra ID did not give a token."""

    exit_code = 3


class UnreachableError(ClientError):
    """The API did not respond."""

    exit_code = 4
