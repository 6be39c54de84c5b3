"""The start page in Chromium: clicks, keys, words, colors and widths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulators.people import EVERYONE
from emulators.stack import Stack
from maintainers.tests.dev.project import Project, Serving

from . import chromium
from .chromium import Browser, Page
from .support import Http

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no Chromium (Debian package: chromium)")

ME = "https://graph.microsoft.com/v1.0/me"
CONTRAST = """(() => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const part = value => value / 255 <= .03928 ? value / 255 / 12.92 : ((value / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const solid = element => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    const unseen = !element.checkVisibility() || element.closest("script, style, .hidden-text, .skip");
    if (!node.data.trim() || unseen) continue;
    const [one, two] = [light(numbers(getComputedStyle(element).color)), light(solid(element))];
    const ratio = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
    seen++;
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.className} ${node.data.trim().slice(0, 40)}`);
  }
  return { seen, poor };
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all these tests."""
    with chromium.browser() as running:
        yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """`dev.py run`."""
    with Project.copy(tmp_path_factory.mktemp("page") / "copy").serving("run", "--port", "0") as serving:
        yield serving


@pytest.fixture
def page(browser: Browser, running: Serving) -> Iterator[Page]:
    """The start page, without motion. Nothing may have gone wrong in its console."""
    opened = opened_at(browser, running.project.state()["sign_in_url"])
    yield opened
    assert opened.errors == []
    opened.close()


def opened_at(browser: Browser, url: str) -> Page:
    """A new tab with the page, once it is connected."""
    opened = browser.page()
    opened.size(1440)
    opened.prefers(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    opened.open(f"{url}/")
    opened.wait("document.getElementById('connection').textContent === 'Live'")
    return opened


def told(page: Page, click: str) -> tuple[str, str]:
    """What the page says about the call that a click makes: the badge and the sentence."""
    before = page.evaluate("Math.max(0, ...state.requests.keys())")
    page.click(click)
    page.wait(f"(r => r && r.number > {before} && r.done)(state.requests.get(state.shown))")
    page.wait("document.querySelector('#request').dataset.number === String(state.shown)")
    page.wait("!['Running'].includes(document.querySelector('#outcome .badge').textContent)")
    return text(page, "#outcome .badge"), text(page, "#outcome .lead")


def text(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({selector!r}).textContent"))


def hops(page: Page) -> list[str]:
    """The actions of the hops, in the order of the page."""
    return list(page.evaluate("[...document.querySelectorAll('.hops li[data-action]')].map(li => li.dataset.action)"))


def person(name: str) -> str:
    return f"button.person[data-person={name}]"


def test_alice_once_and_twice(page: Page) -> None:
    badge, sentence = told(page, person("alice"))
    assert (badge, "exchanged the caller's token for one for Microsoft Graph" in sentence) == ("200 Exchanged", True)
    assert hops(page).count("obo") == 1
    assert "Exchanged" in page.wait("document.getElementById('spoken').textContent")

    badge, sentence = told(page, person("alice"))
    assert (badge, "No exchange. The API still had token B from request" in sentence) == ("200 From the cache", True)
    assert hops(page) == ["call", "me"]
    assert page.evaluate("document.querySelectorAll('#history li').length") >= 2


def test_what_the_exchange_changed_is_side_by_side(page: Page) -> None:
    told(page, person("alice"))
    rows = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.compare tbody tr')].map(row => "
        "[row.cells[0].textContent, [...row.cells].slice(1).map(cell => cell.innerText)]))"
    )
    assert [cell.split("\n")[0] for cell in rows["aud"][:2]] == ["Sample API", "Microsoft Graph"]
    assert [cell.split("\n")[0] for cell in rows["azp / appid"][:2]] == ["Sample client", "Sample API"]
    assert rows["scp"][0] == "access_as_user"
    assert "User.Read" in rows["scp"][1]
    assert (rows["oid"][0].split("\n")[0], rows["oid"][1]) == ("Alice Ahlberg", "the same")


def test_a_token_opens_with_header_claims_and_no_signature(page: Page) -> None:
    told(page, person("alice"))
    page.click("details.decoded summary")
    shown = page.wait("document.querySelector('details.decoded[open]')?.innerText")
    for word in ("alg", "RS256", "kid", "scp", "access_as_user", "Audience: the one API", "signature is left out"):
        assert word in shown
    assert "eyJ" not in page.evaluate("document.documentElement.outerHTML")


def test_maya_steps_up(page: Page) -> None:
    badge, sentence = told(page, person("maya"))
    assert (badge, "Conditional Access demands a second factor" in sentence) == ("401 Step-up needed", True)
    assert '"capolids"' in text(page, "section[aria-labelledby=challenge-title] pre")
    badge, sentence = told(page, "#outcome button[data-how=step-up]")
    assert (badge, "The new token A says amr: mfa." in sentence) == ("200 Exchanged", True)
    assert hops(page)[:3] == ["authorize", "sign-in", "mfa"]


def test_connor_consents(page: Page) -> None:
    badge, sentence = told(page, person("connor"))
    assert (badge, "nobody has consented" in sentence) == ("403 Consent needed", True)
    link = page.evaluate("document.querySelector('#outcome a').href")
    assert link.startswith(page.evaluate("location.origin") + "/login.microsoftonline.com/")
    badge, _ = told(page, "#outcome button[data-how=consent]")
    assert badge == "200 Exchanged"
    assert "consent" in hops(page)


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [("blake", "403", "blocks"), ("rhea", "401", "revoked"), ("robin", "403", "agent_user_not_allowed")],
)
def test_a_refusal_says_why(name: str, status: str, why: str, page: Page) -> None:
    badge, sentence = told(page, person(name))
    assert (badge.split(" ")[0], why in sentence) == (status, True)


def test_a_fault_is_switched_on_and_off(page: Page) -> None:
    page.click("#faults summary")
    page.click("[data-switch=graph-503]")
    page.wait("document.getElementById('faults-title').textContent.includes('1 on')")
    badge, sentence = told(page, person("olga"))
    assert (badge[0], "Microsoft Graph responded with 503" in sentence) == ("5", True)
    page.click("[data-switch=graph-503]")
    page.wait("!document.getElementById('faults-title').textContent.includes('on)')")
    page.wait("!document.querySelector('[data-switch=graph-503]').checked")


def test_a_path_of_the_users_own_can_be_called(page: Page) -> None:
    page.click("#other-path")
    page.send("Input.insertText", text="/api/health")
    assert told(page, person("alice")) == ("200", "The API responded without calling another API.")


def test_the_keyboard_is_enough_and_focus_stays(page: Page) -> None:
    focused: list[str] = []
    while "alice" not in focused:
        page.key("Tab", 9)
        focused.append(page.evaluate("document.activeElement.dataset.person || document.activeElement.tagName"))
        assert len(focused) < 10
    assert focused[0] == "A"  # the link that skips to the request
    before = page.evaluate("Math.max(0, ...state.requests.keys())")
    page.key("Enter", 13, "\r")
    page.wait(f"(r => r && r.number > {before} && r.done)(state.requests.get(state.shown))")
    page.wait("document.querySelectorAll('.hops summary').length > 1")
    assert page.evaluate("document.activeElement.dataset.person") == "alice"
    for selector in ("#outcome button[data-how=call]", "#history button"):
        page.evaluate(f"document.querySelector('{selector}').focus()")
        before = page.evaluate("state.shown")
        page.evaluate("document.querySelector('button.person[data-person=alice]').click()")
        page.wait(f"Number(document.querySelector('#request').dataset.number) > {before}")
        page.wait("document.querySelector('#outcome .badge').textContent === '200 From the cache'")
        page.wait(f"document.activeElement.matches('{selector}')")
    page.evaluate("document.querySelector('.hops summary').focus()")
    page.key("Enter", 13, "\r")
    assert "The client sends" in page.wait("document.querySelector('.hops details[open] .why')?.innerText")


def test_what_a_screen_reader_needs_is_there(page: Page) -> None:
    told(page, person("alice"))
    assert page.evaluate("[...document.querySelectorAll('header, main, aside, footer, h1')].map(e => e.tagName)") == [
        "HEADER",
        "H1",
        "MAIN",
        "ASIDE",
        "FOOTER",
    ]
    assert page.evaluate(
        "(ids => ids.length === new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('[aria-labelledby]')]"
        ".every(e => document.getElementById(e.getAttribute('aria-labelledby')))"
    )
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    named = {"button", "link", "radio", "checkbox", "textbox", "DisclosureTriangle"}
    controls = [n for n in nodes if n.get("role", {}).get("value") in named and not n["ignored"]]
    assert len(controls) > 15
    assert [n for n in controls if not n.get("name", {}).get("value")] == []
    hops_told = [n["name"]["value"] for n in controls if n["role"]["value"] == "DisclosureTriangle"]
    assert any(name.startswith("API to Microsoft Graph: GET /v1.0/me, 200") for name in hops_told)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(scheme: str, page: Page) -> None:
    page.prefers(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    for name in ("alice", "maya", "blake"):
        told(page, person(name))
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = page.evaluate(CONTRAST)
        assert (found["seen"] > 60, found["poor"]) == (True, [])
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(244, 245, 247)" if scheme == "light" else "rgb(13, 16, 21)"
    )


@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1440, 2560])
def test_nothing_is_wider_than_the_window(width: int, page: Page) -> None:
    for name in ("alice", "maya"):
        told(page, person(name))
        page.size(width)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    arrows = page.evaluate("getComputedStyle(document.querySelector('.hops .hop')).display")
    assert (arrows == "none") == (width < 736)


def test_motion_is_respected(page: Page) -> None:
    told(page, person("alice"))
    assert page.evaluate("document.getAnimations().length") == 0
    page.prefers(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    told(page, person("alice"))
    assert page.evaluate("document.getAnimations().length") > 0


def test_a_claim_with_markup_is_shown_as_text(browser: Browser, stack: Stack, own: Http) -> None:
    markup = "<img src=x onerror='window.wrong=1'><script>window.wrong=1</script>"
    stack.flow.story.watch()
    claims: dict[str, Any] = {"name": markup, markup: markup}
    token = stack.issue_access_token("alice", app="graph", scopes=("User.Read",), **claims)
    page = opened_at(browser, stack.sign_in_url)
    assert own.get(ME, token).status_code == 200
    page.wait("document.querySelectorAll('details.decoded').length === 1")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert markup in page.evaluate("document.querySelector('details.decoded').innerText")
    assert page.evaluate("[document.images.length, document.scripts.length, 'wrong' in window]") == [0, 1, False]
    assert page.errors == []
    page.close()


def test_the_page_connects_again(browser: Browser, stack: Stack) -> None:
    page = opened_at(browser, stack.sign_in_url)
    listener = next(iter(stack.flow.story.stream._listeners))
    listener.loop.call_soon_threadsafe(listener.queue.put_nowait, None)
    page.wait("document.getElementById('connection').textContent !== 'Live'")
    page.wait("document.getElementById('connection').textContent === 'Live'")
    assert set(page.evaluate("Object.keys(state.hello.people)")) == EVERYONE.keys()
    page.close()
