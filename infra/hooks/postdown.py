"""After `azd down`: permanently deletes the app registrations, which are in Entra and not in the resource group.

A registration in Entra's recycle bin keeps its unique name, which the next `azd up` needs. So it is deleted there too.
azd runs it. To run it by hand, type `azd hooks run postdown`. Registrations that are already deleted are skipped.
"""

from __future__ import annotations

import sys
import time

import azd
import options
import settings_file

ATTEMPTS = 4  # Entra takes some seconds to move a registration to its recycle bin
PAUSE_SECONDS = 2
AGAIN = "azd hooks run postdown"


def main() -> int:
    if azd.told("API_CLIENT_ID") or azd.told(
        "APP_REGISTRATION_OBJECT_IDS"
    ):  # outputs, which azd takes away before this
        azd.say(
            "The environment still stands, so its app registrations are kept. To remove it all, type: azd down --purge"
        )
        return 1
    if settings_file.remove(azd.ROOT):
        azd.say(f"{settings_file.NAME} is removed: what it pointed to is gone.")
    ids = [one for one in azd.told("REGISTRATIONS_TO_DELETE").split(",") if one]
    if not ids:
        azd.say("No app registrations are noted for this environment, so none are deleted.")
        return 0
    if options.registrations_are_theirs():
        azd.say("The app registrations are somebody else's (EXISTING_API_CLIENT_ID), so none are deleted.")
        azd.say("From before, these are noted. For each that is yours and not in use any more, type:")
        azd.say("\n".join(f"  az ad app delete --id {one}" for one in ids))
        return 0
    azd.say(f"Deleting {len(ids)} app registrations, which azd down leaves in Entra:")
    try:
        wrong_tenant = other_tenant()
    except azd.UnavailableError as problem:
        azd.say(f"  not deleted: {problem}. With the Azure CLI (az), type:")
        azd.say(f"  az login --tenant {azd.told('REGISTRATIONS_TENANT', 'TENANT')} --allow-no-subscriptions\n  {AGAIN}")
        return 1
    if wrong_tenant:
        azd.say(f"  not deleted: the Azure CLI is signed in to the tenant {wrong_tenant}. Type:")
        azd.say(f"  az login --tenant {azd.told('REGISTRATIONS_TENANT')} --allow-no-subscriptions\n  {AGAIN}")
        return 1
    left = [one for one in ids if not delete(one)]
    return forget(left)


def other_tenant() -> str:
    """The tenant the Azure CLI is in, when it is not that of the registrations, which could not be found from there."""
    current = str(azd.az_object("account", "show").get("tenantId", ""))
    return "" if current.lower() == azd.told("REGISTRATIONS_TENANT", current).lower() else current


def delete(object_id: str) -> bool:
    """Deletes one registration, then what is left of it in the recycle bin; says what to type when it cannot."""
    try:
        outcome = azd.run("az", "ad", "app", "delete", "--id", object_id, "--only-show-errors")
        if not outcome.ok and not is_gone(outcome):
            azd.say(f"  {object_id}: not deleted: {outcome.reason}")
            azd.say(f"    An owner of it, or an Application Administrator, types: az ad app delete --id {object_id}")
            return False
        purged = purge(object_id, just_deleted=outcome.ok)
    except azd.UnavailableError as problem:
        azd.say(f"  {object_id}: not deleted: {problem}")
        return False
    if purged.ok or (is_gone(purged) and not outcome.ok):
        azd.say(f"  {object_id}: {'deleted for good' if purged.ok else 'was gone already'}")
        return True
    azd.say(f"  {object_id}: deleted, but still in Entra's recycle bin: {purged.reason}")
    azd.say("    There it keeps its unique name for 30 days. An Application Administrator types:")
    azd.say(f"    az rest --method DELETE --url {deleted_item(object_id)}")
    return False


def purge(object_id: str, *, just_deleted: bool) -> azd.Outcome:
    """Removes it from the recycle bin. A deleted registration may take a while to get there."""
    url = deleted_item(object_id)
    for attempt in range(1, ATTEMPTS + 1):
        outcome = azd.run("az", "rest", "--method", "DELETE", "--url", url, "--only-show-errors")
        if not (just_deleted and is_gone(outcome)) or attempt == ATTEMPTS:
            break
        time.sleep(PAUSE_SECONDS)
    return outcome


def deleted_item(object_id: str) -> str:
    """Where Graph keeps a deleted registration."""
    return f"{options.cloud()['graphEndpoint']}/v1.0/directory/deletedItems/{object_id}"


def is_gone(outcome: azd.Outcome) -> bool:
    """Whether Graph said that it does not exist."""
    said = outcome.error.lower()
    return not outcome.ok and ("request_resourcenotfound" in said or "does not exist" in said or "not found" in said)


def forget(left: list[str]) -> int:
    """Keeps only what still exists, so that the next run continues where this one stopped."""
    try:
        azd.remember("REGISTRATIONS_TO_DELETE", ",".join(left))
    except azd.UnavailableError as problem:
        azd.say(f"What is left could not be noted ({problem}); running this again does no harm.")
    if left:
        azd.say(f"{len(left)} are left. When that is settled, type:\n  {AGAIN}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
