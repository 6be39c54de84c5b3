"""A model of the fleet: what N instances cost Entra, Redis and themselves, with and without the second level.

fleet.py        the question: instances, callers, requests, tokens, sessions that fit
model.py        the answer in closed form
simulation.py   the same played event by event, from a seed: what the closed form is held against
costs.py        what one request, one exchange and one session cost on this machine
measuring.py    measures them, with the template's own modules and the emulated tenant
known_request.py   one of them: a whole request with a known token
dict_store.py   a Redis of one process, which counts
scenarios.py    the rows of the table: one thing changed at a time
published.py    what is assumed, and what Microsoft publishes about throttling
table.py        the table, for people and for programs
plot.py         the picture in docs/
command.py      `python3 dev.py bench fleet`
"""
