"""Route templates and their constraints, as ASP.NET Core reads them."""

from __future__ import annotations

import pytest

from emulators.functions_host.constraints import ConstraintError
from emulators.functions_host.routes import RouteTemplate, TemplateError

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/me", "/api/me", {}),
        ("api/me", "/API/Me", {}),
        ("api/me", "/api/me/", {}),
        ("api/orders/{id}", "/api/orders/5", {"id": "5"}),
        ("api/orders/{id}", "/api/orders/a b", {"id": "a b"}),
        ("api/orders/{id?}", "/api/orders", {}),
        ("api/orders/{id?}", "/api/orders/", {}),
        ("api/orders/{id?}", "/api/orders/5", {"id": "5"}),
        ("api/orders/{id=new}", "/api/orders", {"id": "new"}),
        ("api/orders/{id:int=7}", "/api/orders", {"id": "7"}),
        ("api/files/{*rest}", "/api/files/a/b/c.txt", {"rest": "a/b/c.txt"}),
        ("api/files/{**rest}", "/api/files/a/b", {"rest": "a/b"}),
        ("api/files/{*rest}", "/api/files", {}),
        ("{*rest}", "/", {}),
        ("{*rest}", "/anything/at/all", {"rest": "anything/at/all"}),
        ("api/{a}-{b}.json", "/api/x-y-z.json", {"a": "x-y", "b": "z"}),
        ("api/{{literal}}", "/api/{literal}", {}),
        (r"api/{code:regex(^\d{{3}}$)}", "/api/123", {"code": "123"}),
        ("api/{order-id}", "/api/9", {"order-id": "9"}),
    ],
)
def test_a_path_that_matches(template: str, path: str, values: dict[str, str]) -> None:
    assert RouteTemplate(template).match(path) == values


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("api/me", "/api/me/x"),
        ("api/me", "/api"),
        ("api/me", "/api//me"),
        ("api/me", "//api/me"),
        ("api/m.", "/api/me"),
        ("api/orders/{id}", "/api/orders"),
        ("api/orders/{id}", "/api/orders/"),
        ("api/orders/{id}", "/api/orders/5/lines"),
        ("api/orders/{id?}", "/api/orders/5/lines"),
        (r"api/{code:regex(^\d{{3}}$)}", "/api/1234"),
    ],
)
def test_a_path_that_does_not_match(template: str, path: str) -> None:
    assert RouteTemplate(template).match(path) is None


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("int", ["0", "-5", "+5", "2147483647"], ["2147483648", "a", "1.5", "9" * 5000]),
        ("long", ["9223372036854775807"], ["9223372036854775808", "x"]),
        ("guid", [GUID, GUID.upper(), GUID.replace("-", ""), "{" + GUID + "}"], ["x", GUID[:-1], GUID + "0"]),
        ("bool", ["true", "False"], ["1", "yes"]),
        ("decimal", ["1", "1.5", "-0.1"], ["1e5", "x"]),
        ("double", ["1e5", "1.5"], ["x"]),
        ("float", ["1e5"], ["1e"]),
        ("datetime", ["2026-11-21", "2026-11-21 10:30:00"], ["2026-13-01", "soon"]),
        ("alpha", ["abcXYZ"], ["abc1", "é"]),
        ("minlength(3)", ["abc"], ["ab"]),
        ("maxlength(3)", ["abc"], ["abcd"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("min(18)", ["18"], ["17", "x"]),
        ("max(18)", ["18"], ["19"]),
        ("range(1,9)", ["1", "9"], ["0", "10"]),
        ("int:min(1):max(5)", ["3"], ["0", "6", "x"]),
        ("regex(^a+$)", ["aaa", "A"], ["ab"]),
        ("required", ["x"], []),
    ],
)
def test_a_constraint_decides_whether_the_route_matches(constraint: str, good: list[str], bad: list[str]) -> None:
    route = RouteTemplate(f"api/{{value:{constraint}}}")
    assert [value for value in good if route.match(f"/api/{value}") is None] == []
    assert [value for value in bad if route.match(f"/api/{value}") is not None] == []


@pytest.mark.parametrize("constraint", ["interger", "min(x)", "min()", "min", "range(1)", "regex([)", "length(1,2,3)"])
def test_a_constraint_nobody_knows_is_refused(constraint: str) -> None:
    with pytest.raises(ConstraintError, match="could not be resolved"):
        RouteTemplate(f"api/{{value:{constraint}}}")


@pytest.mark.parametrize("template", ["api/{id", "api/id}", "api/{}", "api/{:int}", "api/{***rest}"])
def test_a_template_that_cannot_be_read_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        RouteTemplate(template)
