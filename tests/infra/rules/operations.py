"""Alerts and the workbook: only with an address, on the component of the apps, with windows that miss nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.infra.project import Deployment, at, label
from tests.infra.rules import deployment_rule

RULES, GROUPS, WORKBOOKS = (
    "Microsoft.Insights/scheduledQueryRules",
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/workbooks",
)
MINUTES = {"PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60, "P1D": 1440}
ADDRESS = "alertEmail"


@deployment_rule(makers=True)
def only_when_asked(deployment: Deployment) -> Iterator[str]:
    """Without an address nothing is there that would cost something; with one, it gets the mail."""
    address = deployment.parameters.get(ADDRESS, "")
    found = [each for kind in (RULES, GROUPS, WORKBOOKS) for each in deployment.of_type(kind)]
    if not address:
        yield from (f"{label(each)}: nobody gave {ADDRESS}" for each in found)
        return
    receivers = [one for group in deployment.of_type(GROUPS) for one in at(group, "properties.emailReceivers") or ()]
    if [one["emailAddress"] for one in receivers] != [address]:
        yield f"the alerts must go to {address}"
    for kind in (RULES, WORKBOOKS):
        if not deployment.of_type(kind):
            yield f"{ADDRESS} is given, and there is no {kind}"
    for group in deployment.of_type(GROUPS):
        if not 1 <= len(at(group, "properties.groupShortName") or "") <= 12:
            yield f"{label(group)}: groupShortName has 1 to 12 letters"


@deployment_rule(makers=True)
def alerts(deployment: Deployment) -> Iterator[str]:
    """Each rule is on, tells somebody, and misses nothing: its window is no shorter than the time between two looks."""
    components = [each["id"] for each in deployment.of_type("Microsoft.Insights/components")]
    groups = [each["id"] for each in deployment.of_type(GROUPS)]
    for rule in deployment.of_type(RULES):
        where, given = label(rule), rule["properties"]
        every, window = MINUTES.get(given["evaluationFrequency"], 0), MINUTES.get(given["windowSize"], 0)
        if not 0 < every <= window:
            yield f"{where}: windowSize {given['windowSize']} is shorter than {given['evaluationFrequency']}"
        if given.get("enabled") is not True or given.get("severity") not in range(4):
            yield f"{where}: it is off, or has no severity from 0 to 3"
        if given["scopes"] != components:
            yield f"{where}: it does not look at the component that the apps report to"
        if at(given, "actions.actionGroups") != groups:
            yield f"{where}: it tells nobody"
        for each in given["criteria"]["allOf"]:
            if (each["timeAggregation"], each["operator"], each["threshold"]) != ("Count", "GreaterThan", 0):
                yield f"{where}: the thresholds are in the queries; a rule asks whether there is a row"


@deployment_rule(makers=True)
def workbook(deployment: Deployment) -> Iterator[str]:
    """It has a table for each question, and each table is about the time that the reader chooses."""
    for each in deployment.of_type(WORKBOOKS):
        items = json.loads(each["properties"]["serializedData"])["items"]
        tables = [item for item in items if item["type"] == 3]
        if [item["name"] for item in tables] != [
            "requests-by-function",
            "exchanges-and-hits",
            "failures-by-code",
            "slowest-apis",
        ]:
            yield f"{label(each)}: a table is missing"
        if any(item["content"].get("timeContextFromParameter") != "TimeRange" for item in tables):
            yield f"{label(each)}: a table has a time of its own"
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each["name"]):
            yield f"{label(each)}: the name of a workbook must be a GUID"
