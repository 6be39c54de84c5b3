"""How fast this template is, compared with its peers, and with the floor that no code can be faster than.

Every figure is a ratio from one run. Within a round, ours, the peer and the floor take turns. Each group of rows runs
in a process of its own, one after the other. The emulated tenant is another process, so its work is not counted.

    definition.py      the table: rows, peers, floors, targets
    targets.py         what is aimed at
    command.py         runs one process per group, prints the table
    against.py         the same rows at another commit, in turns
    child.py           one group's process
    rows/              the measurements
    rounds.py          timing in turns; result.py: medians, spreads and ratios
    tenant.py          the tenant in its own process (tenant_process.py)
    population.py      a first level full of users; msal_peer.py: MSAL's cache full of users
    processes.py       processes that want the same token at the same moment
    apps/              the apps that are measured beside function_app.py
"""
