"""The start page of the local stack: each request as it travels, with the decoded tokens, and people to click.

`story` groups the audit trail into requests, `stream` hands them to open pages, `decoded` keeps header and claims of
tokens, `routes` is the HTTP side. The page itself is `page.html`. `emulators/local/visitor.py` makes the calls.
"""

from __future__ import annotations
