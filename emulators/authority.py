"""The temporary certificate authority for the emulated host names."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import trustme


class Authority:
    """A new CA, and certificates by it, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA(organization_name="Throw-away CA of the local stack")
        self.file = folder / "ca.pem"
        """What to trust."""
        self._ca.cert_pem.write_to_path(self.file)

    def certify(self, name: str, hosts: Iterable[str]) -> Path:
        """Writes one certificate for all hosts, with its key, as `name`.pem: its path."""
        file = self._folder / f"{name}.pem"
        file.touch(mode=0o600)  # it holds a private key
        self._ca.issue_cert(*sorted(hosts)).private_key_and_cert_chain_pem.write_to_path(file)
        return file


def impostors_context(hosts: Iterable[str]) -> ssl.SSLContext:
    """For a TLS server with a certificate for all hosts, from an authority that nobody trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA(organization_name="An authority that nobody trusts").issue_cert(*sorted(hosts)).configure_cert(context)
    return context
