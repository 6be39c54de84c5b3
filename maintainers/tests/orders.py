"""The sample API behind the API, as local-stack.toml of this repository describes it."""

from __future__ import annotations

from emulators.registrations import registrations
from emulators.table import read_table

TABLE = read_table()
APPLICATIONS = registrations(TABLE)
ORDERS = APPLICATIONS["orders"]
ORDERS_ID = ORDERS.client_id
ORDERS_HOST = next(api.host for api in TABLE.apis if api.name == "Orders")
