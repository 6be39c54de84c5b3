"""The registration of Orders, the downstream API of the example."""

from __future__ import annotations

from emulators.registrations import registrations
from tests.support.lab import TABLE

APPLICATIONS = registrations(TABLE)
ORDERS = APPLICATIONS["orders"]
ORDERS_ID = ORDERS.client_id
ORDERS_HOST = next(api.host for api in TABLE.apis if api.name == "Orders")
