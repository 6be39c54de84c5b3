"""The XML, the ranges and the conditions of the blob service.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.requests import Request

from .storage_contents import Blob, Container, StorageError

MAX_RESULTS = 5_000
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?")


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for."""

    prefix: str
    delimiter: str
    marker: str
    size: int

    @staticmethod
    def of(request: Request) -> Page:
        """Reads prefix, delimiter, marker and maxresults. Raises StorageError."""
        query = request.query_params
        size = query.get("maxresults", str(MAX_RESULTS))
        if not size.isdecimal() or int(size) == 0:
            message = "The value for one of the query parameters specified in the request URI is out of range."
            raise StorageError(400, "OutOfRangeQueryParameterValue", message)
        return Page(
            query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", ""), min(int(size), MAX_RESULTS)
        )

    def cut(self, names: list[str]) -> tuple[list[str], str]:
        """The names of this page, and the marker of the next one ("" at the end).

        With a delimiter, names that share a beginning up to it become one, which ends with the delimiter.
        """
        found = (self._grouped(name) for name in names if name.startswith(self.prefix))
        left = [name for name in dict.fromkeys(found) if name >= self.marker]
        return left[: self.size], left[self.size] if len(left) > self.size else ""

    def _grouped(self, name: str) -> str:
        rest = name.removeprefix(self.prefix)
        if not self.delimiter or self.delimiter not in rest:
            return name
        return self.prefix + rest.partition(self.delimiter)[0] + self.delimiter


def container_list(endpoint: str, page: Page, containers: Mapping[str, Container], stamps: Mapping[str, str]) -> bytes:
    """The reply of List Containers. `stamps` are the moments of the last changes, by name."""
    root, (names, following) = Element("EnumerationResults", ServiceEndpoint=endpoint), page.cut(list(containers))
    _echo(root, page)
    listed = SubElement(root, "Containers")
    for name in names:
        one = SubElement(listed, "Container")
        _add(one, "Name", name)
        properties = SubElement(one, "Properties")
        _add(properties, "Last-Modified", stamps[name])
        _add(properties, "Etag", containers[name].etag)
        _add(properties, "LeaseStatus", "unlocked")
        _add(properties, "LeaseState", "available")
    _add(root, "NextMarker", following)
    return xml(root)


def blob_list(endpoint: str, container: str, page: Page, blobs: Mapping[str, Blob]) -> bytes:
    """The reply of List Blobs."""
    root, (names, following) = (
        Element("EnumerationResults", ServiceEndpoint=endpoint, ContainerName=container),
        page.cut(list(blobs)),
    )
    _echo(root, page)
    listed = SubElement(root, "Blobs")
    for name in names:
        if name in blobs and not (page.delimiter and name.endswith(page.delimiter)):
            _describe(SubElement(listed, "Blob"), name, blobs[name])
        else:
            _add(SubElement(listed, "BlobPrefix"), "Name", name)
    _add(root, "NextMarker", following)
    return xml(root)


def _describe(one: Element, name: str, blob: Blob) -> None:
    _add(one, "Name", name)
    properties = SubElement(one, "Properties")
    for field, value in (
        ("Creation-Time", blob.last_modified),
        ("Last-Modified", blob.last_modified),
        ("Etag", blob.etag.strip('"')),
        ("Content-Length", str(len(blob.content))),
        ("Content-Type", blob.content_type),
        ("Content-MD5", blob.md5),
        ("BlobType", "BlockBlob"),
        ("AccessTier", "Hot"),
        ("LeaseStatus", "unlocked"),
        ("LeaseState", "available"),
        ("ServerEncrypted", "true"),
    ):
        _add(properties, field, value)


def error_xml(code: str, message: str, detail: str) -> bytes:
    """The body of an error reply."""
    root = Element("Error")
    _add(root, "Code", code)
    _add(root, "Message", message)
    if detail:
        _add(root, "AuthenticationErrorDetail", detail)
    return xml(root)


def xml(root: Element) -> bytes:
    """With a byte order mark, as the service sends it."""
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=False)
    return codecs.BOM_UTF8 + b'<?xml version="1.0" encoding="utf-8"?>' + text


def _echo(root: Element, page: Page) -> None:
    for name, value in (("Prefix", page.prefix), ("Marker", page.marker), ("Delimiter", page.delimiter)):
        if value:
            _add(root, name, value)
    _add(root, "MaxResults", str(page.size))


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def ranged(request: Request, blob: Blob) -> tuple[int, bytes, dict[str, str]]:
    """Status, content and headers of Get Blob; `x-ms-range` wins over `Range`. Raises StorageError."""
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    if asked is None:
        return 200, blob.content, {"Content-MD5": blob.md5}
    found = _RANGE.fullmatch(asked)
    if found is None:
        raise StorageError(
            400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
        )
    start, total = int(found[1]), len(blob.content)
    end = min(int(found[2]) if found[2] else total - 1, total - 1)
    if start >= total or end < start:
        message = "The range specified is invalid for the current size of the resource."
        raise StorageError(416, "InvalidRange", message, {"Content-Range": f"bytes */{total}"})
    return 206, blob.content[start : end + 1], {"Content-Range": f"bytes {start}-{end}/{total}"}


def check_conditions(request: Request, blob: Blob | None) -> None:
    """If-Match and If-None-Match. Raises StorageError."""
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    writes = request.method not in ("GET", "HEAD")
    if unwanted == "*" and blob is not None and request.method == "PUT":
        raise StorageError(409, "BlobAlreadyExists", "The specified blob already exists.")
    message = "The condition specified using HTTP conditional header(s) is not met."
    if wanted is not None and (blob is None or wanted not in ("*", blob.etag)):
        raise StorageError(412, "ConditionNotMet", message)
    if unwanted is not None and blob is not None and unwanted in ("*", blob.etag):
        raise StorageError(412 if writes else 304, "ConditionNotMet", message)
