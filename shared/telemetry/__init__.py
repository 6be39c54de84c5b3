"""What an operator sees of a request: its line in the log, notes from outside a request, and its trace."""

from .operator_notes import REPEAT_AFTER_SECONDS, notes
from .request_record import RequestRecord, worker_trace

__all__ = [
    "REPEAT_AFTER_SECONDS",
    "RequestRecord",
    "notes",
    "worker_trace",
]
