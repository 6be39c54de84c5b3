"""What an operator sees of a request: its line in the log, notes from outside a request, and its trace."""

from .operator_notes import notes
from .request_record import RequestRecord, worker_trace

__all__ = [
    "RequestRecord",
    "notes",
    "worker_trace",
]
