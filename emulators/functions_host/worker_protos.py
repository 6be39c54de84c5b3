"""A stand-in for the protobuf classes that the worker library is handed by its own host.

The library only builds these messages, by keyword, and reads the constants; nothing here goes over a wire.
"""

from __future__ import annotations

from types import SimpleNamespace


class Message(SimpleNamespace):
    """Any message of which the library sets fields and this host reads them."""


class StatusResult(Message):
    """`FunctionRpc.StatusResult`."""

    Failure = 0
    Success = 1


class BindingInfo(Message):
    """`FunctionRpc.BindingInfo`: the directions of a binding, and the data type that stands for none given."""

    out = 1
    inout = 2
    undefined = 0


WorkerInitResponse = Message
WorkerMetadata = Message
FunctionMetadataResponse = Message
RpcFunctionMetadata = Message
RpcRetryOptions = Message
RpcException = Message
