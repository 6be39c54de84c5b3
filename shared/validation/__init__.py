"""Validation: a caller's bearer token → a validated token.

`jws` is imported inside functions: PyJWT and cryptography are not needed before the first token.
"""

from .access_token import AccessTokenValidator, ValidatedToken
from .kinds_of_user import Agent
from .metadata import Metadata
from .signing_keys import SigningKeys

__all__ = [
    "AccessTokenValidator",
    "Agent",
    "Metadata",
    "SigningKeys",
    "ValidatedToken",
]
