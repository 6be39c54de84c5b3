"""What a key vault holds: secrets and certificates with their versions."""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from .certificates import Certificate

PFX, PEM = "application/x-pkcs12", "application/x-pem-file"


@dataclass(frozen=True)
class SecretVersion:
    """One version of a secret: a plain text, or a certificate with its key."""

    version: str
    created: float
    text: str = ""
    certificate: Certificate | None = None
    content_type: str | None = None
    enabled: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    changed: float | None = None
    """When it was last changed; None when it never was."""
    exportable: bool = True
    """Whether the private key of a certificate is part of its secret."""

    @cached_property
    def value(self) -> str:
        """The value of the secret. For a certificate it is key and certificate in the form of the content type.

        The key is missing where the policy of the certificate says that it is not exportable.
        """
        if self.certificate is None:
            return self.text
        if self.content_type == PEM:
            return self.certificate.pem(with_key=self.exportable).decode()
        return base64.b64encode(self.certificate.pfx(with_key=self.exportable)).decode()


class VaultError(Exception):
    """The vault's error reply."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.inner = status, code, inner


class VaultContents:
    """Secrets by name, each with its versions, oldest first. Safe across threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._secrets: dict[str, list[SecretVersion]] = {}

    def clear(self) -> None:
        """Removes every secret."""
        with self._lock:
            self._secrets.clear()

    def put(self, name: str, text: str, content_type: str | None = None) -> str:
        """Adds a version of a plain secret and returns the version's id."""
        return self._add(name, SecretVersion(uuid.uuid4().hex, self._now(), text, content_type=content_type))

    def put_certificate(
        self,
        name: str,
        certificate: Certificate,
        content_type: str | None = None,
        tags: Mapping[str, str] | None = None,
        enabled: bool = True,
        exportable: bool | None = None,
    ) -> str:
        """Adds a version of a certificate; returns its id.

        Its form (PFX at first) and whether its key is exportable are those of the version before it, unless given.
        """
        with self._lock:
            before = self._secrets.get(name, [])[-1:]
        if exportable is None:
            exportable = before[0].exportable if before else True
        fresh = SecretVersion(
            uuid.uuid4().hex,
            self._now(),
            certificate=certificate,
            content_type=content_type or (before[0].content_type if before else PFX),
            enabled=enabled,
            tags=dict(tags or {}),
            exportable=exportable,
        )
        return self._add(name, fresh)

    def set_content_type(self, name: str, content_type: str) -> None:
        """Hands the certificate out as PEM or PFX from now on (application/x-pem-file, application/x-pkcs12)."""
        self._change_latest(name, content_type=content_type)

    def set_exportable(self, name: str, exportable: bool) -> None:
        """Leaves the private key of the latest version out of its secret, or puts it in."""
        self._change_latest(name, exportable=exportable)

    def set_enabled(self, name: str, enabled: bool) -> None:
        """Disables the latest version of a secret, or enables it again."""
        self._change_latest(name, enabled=enabled)

    def _add(self, name: str, version: SecretVersion) -> str:
        with self._lock:
            self._secrets.setdefault(name, []).append(version)
        return version.version

    def _change_latest(self, name: str, **changes: object) -> None:
        self.change(name, self.versions(name)[-1].version, **changes)

    def change(self, name: str, version: str, **changes: object) -> SecretVersion:
        """Changes fields of one version and returns it. Raises KeyError when there is no such version."""
        with self._lock:
            versions = self._secrets.get(name, [])
            for place, known in enumerate(versions):
                if known.version == version:
                    versions[place] = replace(known, changed=self._now(), **changes)  # type: ignore[arg-type]
                    return versions[place]
        raise KeyError(version)

    def names(self) -> list[str]:
        """The names of all secrets, sorted."""
        with self._lock:
            return sorted(self._secrets)

    def versions(self, name: str) -> list[SecretVersion]:
        """Every version of a secret; empty when there is none."""
        with self._lock:
            return list(self._secrets.get(name, []))

    def certificates(self, name: str) -> list[SecretVersion]:
        """Every version that is a certificate."""
        return [version for version in self.versions(name) if version.certificate is not None]

    def find(self, name: str, version: str | None) -> SecretVersion:
        """A version of a secret, the latest unless one is named. Raises VaultError."""
        found = [known for known in self.versions(name) if not version or known.version == version]
        if not found:
            raise VaultError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        if not found[-1].enabled:
            raise VaultError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return found[-1]
