"""`python3 dev.py doctor`: why does my tenant refuse? It compares settings, registration, vault, grants, roles and app.

given.py         what it is told: environment, files of settings, what azd has put out
accepted.py      a program of its own: what the code of the API says about these settings
settings.py      what that program has found out
az.py            tokens of the person who is signed in to the Azure CLI
reading.py       its requests: bounded, without redirects, and none of them changes anything
case.py          what was read, once
checks/          the checks; checks/__init__.py holds the table
on_stack.py      what to do at the local stack, where nobody can type `az`
report.py        the verdicts, for a person or a program

It writes nothing, neither here nor in Azure. It shows no secret, no token, and no value that it reads from the site.
"""
