"""What a storage account holds: containers with block blobs."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")


class StorageError(Exception):
    """An error reply: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes"""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})
        self.detail = ""
        """`AuthenticationErrorDetail` of a refused token."""


@dataclass(frozen=True)
class Blob:
    """One block blob. `changed` is in seconds since the epoch."""

    content: bytes
    content_type: str
    changed: float
    metadata: Mapping[str, str] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: f'"0x8D{uuid.uuid4().hex[:13].upper()}"')

    @property
    def md5(self) -> str:
        """MD5 of the content, in base64; the service computes it for each blob that arrives in one piece."""
        return base64.b64encode(hashlib.md5(self.content, usedforsecurity=False).digest()).decode()

    @property
    def last_modified(self) -> str:
        """The moment of the last change, as HTTP writes it."""
        return formatdate(self.changed, usegmt=True)


@dataclass
class Container:
    """A container and its blobs, by name."""

    changed: float
    blobs: dict[str, Blob] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: f'"0x8D{uuid.uuid4().hex[:13].upper()}"')


class StorageContents:
    """The containers of one account. Safe across threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._containers: dict[str, Container] = {}

    def clear(self) -> None:
        """Removes every container."""
        with self._lock:
            self._containers.clear()

    def create(self, name: str) -> Container:
        """Adds a container. Raises StorageError for an invalid name, and when it is there."""
        if not _CONTAINER.fullmatch(name):
            raise StorageError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")
        with self._lock:
            if name in self._containers:
                raise StorageError(409, "ContainerAlreadyExists", "The specified container already exists.")
            self._containers[name] = Container(self._now())
            return self._containers[name]

    def remove(self, name: str) -> None:
        """Removes a container with all its blobs. Raises StorageError when there is none."""
        with self._lock:
            self._find(name)
            del self._containers[name]

    def container(self, name: str) -> Container:
        """The container with this name. Raises StorageError when there is none."""
        with self._lock:
            return self._find(name)

    def containers(self) -> dict[str, Container]:
        """Every container, in the order of names."""
        with self._lock:
            return dict(sorted(self._containers.items()))

    def put(
        self,
        container: str,
        name: str,
        content: bytes,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        check: Callable[[Blob | None], None] = lambda _: None,
    ) -> Blob:
        """Writes a blob, if `check` does not raise for the one that is there. Raises StorageError."""
        with self._lock:
            blobs = self._find(container).blobs
            check(blobs.get(name))
            blobs[name] = Blob(content, content_type, self._now(), dict(metadata or {}))
            return blobs[name]

    def get(self, container: str, name: str) -> Blob:
        """The blob with this name. Raises StorageError when there is none."""
        with self._lock:
            return self._blob(container, name)

    def delete(self, container: str, name: str, check: Callable[[Blob], None]) -> None:
        """Removes a blob, if `check` does not raise for it. Raises StorageError."""
        with self._lock:
            check(self._blob(container, name))
            del self._containers[container].blobs[name]

    def blobs(self, container: str) -> dict[str, Blob]:
        """Every blob of a container, in the order of names. Raises StorageError when there is no such container."""
        with self._lock:
            return dict(sorted(self._find(container).blobs.items()))

    def _find(self, name: str) -> Container:
        if name not in self._containers:
            raise StorageError(404, "ContainerNotFound", "The specified container does not exist.")
        return self._containers[name]

    def _blob(self, container: str, name: str) -> Blob:
        blobs = self._find(container).blobs
        if name not in blobs:
            raise StorageError(404, "BlobNotFound", "The specified blob does not exist.")
        return blobs[name]
