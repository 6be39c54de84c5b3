"""A load run through real HTTP: several API processes as `dev.py run` starts them, one emulated tenant, many callers.

mix.py            what is called: 95 % known tokens, 4 % new ones, 1 % bad ones, from a seed
plant.py          everything that is called: the tenant, Orders, the API processes, Redis
callers.py        the process that calls, round robin
observed.py       what the API's own log and Entra's audit trail say
run.py            one run, with the memory measured and Redis killed meanwhile
recovery.py       the calls after that, until every process uses Redis again
verdict.py        what is wrong with a run
table.py          the tables, for people and for programs
command.py        `python3 dev.py bench load`
"""
