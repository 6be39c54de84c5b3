"""Mutation testing of validation and transport: `python3 dev.py mutate`.

Each run changes one expression of one module of `shared/` in a copy of the project, and runs the tests of that module.
A change that no test notices survives. `survivors.json` gives a reason for each change that may survive.

This is own code, because neither known tool fits. The tool mutmut leaves out constants and decorated functions, such as
the length of a key and a cached parser. The tool cosmic-ray cannot drop a raise, an argument or one condition. It names
a change by its number.
"""
