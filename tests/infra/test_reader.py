"""The reader and the evaluator understand Bicep as Bicep does."""

from __future__ import annotations

import pytest

from tests.infra.evaluator import EvaluationError, Unit, deploy
from tests.infra.expressions import Binary, Choice, Literal, Member, Name, Text, Unary
from tests.infra.project import Project
from tests.infra.reader import read

pytestmark = pytest.mark.usefixtures("bicep_reader")


def value(expression: str, **arguments: object) -> object:
    """The expression, evaluated in a file that has the arguments as parameters."""
    params = "".join(f"param {name} object\n" for name in arguments)
    project = Project({"infra/main.bicep": f"{params}var result = {expression}\n"})
    unit = Unit(project, "infra/main.bicep", arguments)
    return unit.value(project.bicep("main.bicep").variables["result"].value, {})


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("'plain'", "plain"),
        ("''", ""),
        (r"'it\'s \\ \n\u{1F600} \${x}'", "it's \\ \n\U0001f600 ${x}"),
        ("'''\ntwo\nlines'''", "two\nlines"),
        ("'${a.b} ${a.b}  c '", "1 1  c "),
        ("'${a.b}${a.b}'", "11"),
    ],
)
def test_strings(written: str, read_as: str) -> None:
    assert value(written, a={"b": 1}) == read_as


def test_a_property_belongs_to_the_last_part_of_an_operation() -> None:
    """The grammar applies it to the whole."""
    variables = read(
        "var choice = a ? b : c.d\nvar both = a && !b.c\nvar group = (a ? b : c).d\nvar forced = a!.b\n"
    ).variables
    assert variables["choice"].value == Choice(Name("a"), Name("b"), Member(Name("c"), "d"))
    assert variables["both"].value == Binary("&&", Name("a"), Unary("!", Member(Name("b"), "c")))
    assert isinstance(variables["group"].value, Member)
    assert variables["forced"].value == Member(Name("a"), "b")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 1", 6),
        ("a == 1 ? [] : [a]", []),
        ("!empty('') || a > 0 && a != 2", True),
        ("[for (x, i) in [1, 2]: x * 10 + i]", [10, 21]),
        ("union({ a: 1, b: { c: 1 } }, { b: { d: 2 } })", {"a": 1, "b": {"c": 1, "d": 2}}),
        ("concat(['a'], ['b'])[1]", "b"),
        ("join(['a', 'b'], ' ')", "a b"),
        ("null ?? 'b'", "b"),
        ("guid('a', 'b') == guid('a', 'b') && guid('a') != guid('b')", True),
        ("length(uniqueString('a'))", 13),
    ],
)
def test_expressions(expression: str, expected: object) -> None:
    assert value(expression, a=1) == expected


def test_declarations() -> None:
    file = read(
        """
targetScope = 'subscription'
extension microsoftGraphV1
import { shape } from 'other.bicep'
// a comment
@description('Why.')
@allowed([1, 2])
param size int = 1
param open { *: string }
resource found 'A.B/c@2020-01-01' existing = if (size == 1) { name: 'x' }
resource outer 'A.B/c@2020-01-01' = {
  name: 'outer'
  '${found.id}': {}
  resource inner 'd' = { name: 'inner' }
}
resource each 'A.B/e@2021-01-01' = [for name in ['a', 'b']: { name: name }]
module part 'part.bicep' = { params: { size: size } }
output where string = outer::inner.id
"""
    )
    assert file.problems == []
    assert (file.scope, file.extensions, list(file.imports)) == ("subscription", ("microsoftGraphV1",), ["shape"])
    size = file.params["size"]
    assert (size.description, size.type, size.default) == ("Why.", "int", Literal(1))
    assert size.allowed == (Literal(1), Literal(2))
    assert file.params["open"].type == "{ *: string }"
    assert [(resource.name, resource.type, resource.version) for resource in file.all_resources] == [
        ("found", "A.B/c", "2020-01-01"),
        ("outer", "A.B/c", "2020-01-01"),
        ("inner", "A.B/c/d", "2020-01-01"),
        ("each", "A.B/e", "2021-01-01"),
    ]
    assert file.resources["found"].existing
    assert file.resources["found"].condition is not None
    assert file.resources["outer"].body.names == ["name", "*"]
    assert file.resources["each"].loop is not None
    assert file.modules["part"].params.get("size") == Name("size")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("var a = [", "1: "),
        ("\nresource a 'B/c@1' = {\n  name 'x'\n}\n", "syntax error at"),
        ("var a = map(b, x => x)", "does not know a lambda_expression"),
        ("func f() string => 'x'", "does not know a user_defined_function"),
        ("var a = 1\nvar a = 2", "2: a is declared twice"),
    ],
)
def test_what_it_cannot_read_is_a_problem(text: str, problem: str) -> None:
    assert any(problem in each for each in read(text).problems), read(text).problems


def test_a_deployment_is_the_same_each_time_and_another_elsewhere(project: Project) -> None:
    def names(**parameters: str) -> list[str]:
        return [resource.id for resource in deploy(project, **parameters).resources]

    assert names() == names()
    assert not {each for each in names() if "Web/sites" in each} & set(names(environmentName="other"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("var a = b\nvar b = a\noutput c string = a", "depends on itself"),
        ("output a string = strange()", "strange() is new to this evaluator"),
        ("param a string\noutput b string = a", "no value for a"),
        ("resource a 'A/b@1' = { name: 'x' }\noutput b string = a.properties.c", "has no properties.c"),
        ("resource a 'A/b@1' = if (false) { name: 'x' }\noutput b string = a.name", "which is not deployed"),
    ],
)
def test_what_it_cannot_evaluate_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(EvaluationError, match=problem.replace("(", r"\(").replace(")", r"\)")):
        deploy(Project({"infra/main.bicep": text}))


def test_text_that_has_to_be_evaluated_is_not_plain() -> None:
    assert Text(("a", Name("b"))).plain is None
    assert Text(("a", "b")).plain == "ab"
