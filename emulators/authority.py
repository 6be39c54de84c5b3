"""The throw-away certificate authority that vouches for the emulated host names."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import trustme


def write_server_certificate(folder: Path, hosts: Iterable[str]) -> tuple[Path, Path]:
    """Writes a new CA and one certificate for all hosts (with its key) into `folder`: the paths of both.

    Beside them, as redis.pem, one for this machine's own names: what speaks no HTTP goes through no proxy.
    """
    authority = trustme.CA(organization_name="Throw-away CA of the local stack")
    server = authority.issue_cert(*sorted(hosts))
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(ca_file)
    _write(server, server_file)
    _write(authority.issue_cert("localhost", "127.0.0.1"), folder / "redis.pem")
    return ca_file, server_file


def impostors_context(hosts: Iterable[str]) -> ssl.SSLContext:
    """For a TLS server with a certificate for all hosts, from an authority that nobody trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA(organization_name="An authority that nobody trusts").issue_cert(*sorted(hosts)).configure_cert(context)
    return context


def _write(certificate: trustme.LeafCert, file: Path) -> None:
    file.touch(mode=0o600)  # it holds a private key
    certificate.private_key_and_cert_chain_pem.write_to_path(file)
