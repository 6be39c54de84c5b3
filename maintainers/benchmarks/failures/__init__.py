"""What this template and its peers do when things go wrong: the same provoked failures, the same emulated tenant.

Each peer runs in a process of its own, because logging levels and environment variables belong to a process. Each has
its own tenant, over real sockets and TLS. Its libraries are used as their documentation shows, unpatched. Clocks and
timeouts are passed through their arguments. Every cell of the tables is the result of a measurement.

    definition.py   the tables: which failures, which peers
    command.py      runs one process per peer, prints the tables (tables.py)
    child.py        one peer's process; measured.py: what they all said
    tenant.py       the emulated tenant and what can be observed of a peer
    subject.py      what a measurement is given; outcome.py: what came of a call; logs.py, catcher.py: what leaked
    peers/          one module per peer: how it is used
    rows/           the failures: how each is provoked, and what is looked at
"""
