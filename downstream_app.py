"""The custom downstream API of the example: orders. A Functions app of its own, with its own app registration: the app
setting PYTHON_SCRIPT_FILE_NAME=downstream_app.py starts it from the same package as the API.

It validates its own tokens. It decides by effective permissions: scopes say what the client may do for the user, and
roles say what the user may do. https://learn.microsoft.com/entra/identity-platform/permissions-consent-overview
"""

import itertools
import threading
from collections import deque

import azure.functions as func

from shared import BadRequest, NotFound, User, json_body, requires_user

MAX_ORDERS = 1_000  # an example keeps its orders in memory; the oldest go first
MANAGER = "Orders.Manager"

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
orders: deque[dict[str, object]] = deque(maxlen=MAX_ORDERS)
numbers = itertools.count(1)
lock = threading.Lock()


@app.route("api/orders", methods=["GET"])
@requires_user(scopes=["Orders.Read"])
def list_orders(req: func.HttpRequest, user: User) -> object:
    """The user's own orders; all of them for an Orders.Manager."""
    return visible_to(user)


@app.route("api/orders/{id}", methods=["GET"])
@requires_user(scopes=["Orders.Read"])
def get_order(req: func.HttpRequest, user: User) -> object:
    """One order. Somebody else's is not found: that it exists is not the user's to know."""
    wanted = req.route_params["id"]
    for order in visible_to(user):
        if str(order["id"]) == wanted:
            return order
    raise NotFound("There is no such order.")


@app.route("api/orders", methods=["POST"])
@requires_user(scopes=["Orders.Write"])
def add_order(req: func.HttpRequest, user: User) -> object:
    """Adds an order of the user's own."""
    order = {"id": next(numbers), "owner": user.id, "tenant": user.tenant_id, **validated(json_body(req))}
    with lock:
        orders.append(order)
    return order, 201


def visible_to(user: User) -> list[dict[str, object]]:
    """A user is known by object id and tenant together; a manager sees the orders of all."""
    with lock:
        everyone = list(orders)
    if MANAGER in user.roles:
        return everyone
    return [order for order in everyone if (order["owner"], order["tenant"]) == (user.id, user.tenant_id)]


def validated(body: object) -> dict[str, object]:
    """`item` and `quantity` of an order, or BadRequest."""
    match body:
        case {"item": str(item), "quantity": int(quantity)} if 0 < len(item) <= 100 and 0 < quantity <= 1000:
            if quantity is not True:  # in Python, True is the number 1
                return {"item": item, "quantity": quantity}
    raise BadRequest('An order is {"item": "<1 to 100 characters>", "quantity": <1 to 1000>}.')
