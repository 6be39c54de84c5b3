"""`python3 dev.py soak`: the two apps with many users, many threads and random faults, for any time.

running.py   the tenant, the two apps, all threads, from start to end
crowd.py     hundreds of people for the emulated tenant
wallet.py    each person's tokens
plan.py      who calls what, and what goes wrong when: by chance, and the same for the same seed
callers.py   the threads that call
troubles.py  the threads that make things go wrong
history.py   what was wrong when, and for how long that is felt
judge.py     whether an answer was right
figures.py   what is counted
sieve.py     looks through logs and error bodies for what must not be there
report.py    the table at the end, and whether all was good
"""
