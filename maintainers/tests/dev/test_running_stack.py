"""`dev.py run`, and what other terminals do with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from maintainers.tests.dev.project import Project, Serving, wait_until, with_wrong_prefetch
from tests.support.tokens import encoded

TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+\n")
LINUX_ONLY = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are listed in /proc")


def get(stack: Serving, path: str, token: str) -> requests.Response:
    """Straight to the API, without the client application."""
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return session.get(f"{stack.project.state()['api_url']}{path}", headers=headers, timeout=30)


def test_the_banner_says_where_everything_is_and_who_lives_there(stack: Serving) -> None:
    state = stack.project.state()

    for text in (state["api_url"], state["apis"]["orders"], state["sign_in_url"], "TOKEN", "call alice /api/me"):
        assert text in stack.text
    for person in ("alice", "maya", "connor", "greta", "blake", "rhea", "olga"):
        assert re.search(rf"^  {person} +\S", stack.text, re.MULTILINE)


def test_a_token_is_alone_on_stdout_and_opens_the_api(stack: Serving) -> None:
    result = stack.project.dev("token", "alice")

    assert result.returncode == 0
    assert TOKEN.fullmatch(result.stdout)
    reply = get(stack, "/api/me", result.stdout.strip())
    assert (reply.status_code, reply.json()["displayName"]) == (200, "Alice Ahlberg")


def test_a_client_that_knows_the_address_alone_is_told_the_rest(stack: Serving) -> None:
    url = stack.project.state()["api_url"]
    for path in ("/api/mcp", ""):
        document = get(stack, f"/.well-known/oauth-protected-resource{path}", "").json()
        assert (document["resource"], document["scopes_supported"]) == (f"{url}{path}", [f"{url}{path}/access_as_user"])
    challenge = get(stack, "/api/me", "").headers["WWW-Authenticate"]
    assert challenge.endswith(f'resource_metadata="{url}/.well-known/oauth-protected-resource"')


def test_the_configuration_of_an_mcp_client_opens_the_tools(stack: Serving) -> None:
    result = stack.project.dev("mcp", "alice")

    assert (result.returncode, result.stderr) == (0, "")
    (server,) = json.loads(result.stdout)["mcpServers"].values()
    assert server["url"] == f"{stack.project.state()['api_url']}/api/mcp"
    assert f"  MCP           {server['url']}   (for AI agents: " in stack.text
    with requests.Session() as session:
        session.trust_env = False
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        reply = session.post(server["url"], json=message, headers=server["headers"], timeout=30)
    assert "my_profile" in [tool["name"] for tool in reply.json()["result"]["tools"]]


def test_a_configuration_is_for_a_person_of_the_tenant(stack: Serving) -> None:
    result = stack.project.dev("mcp", "nobody")
    assert (result.returncode, result.stdout) == (2, "")
    assert "there is nobody called 'nobody'" in result.stderr


def test_a_call_shows_status_headers_and_body(stack: Serving) -> None:
    result = stack.project.dev("call", "alice", "/api/me")

    assert result.returncode == 0
    head, _, body = result.stdout.partition("\n\n")
    assert head.splitlines()[:2] == ["200 OK", "Content-Type: application/json"]
    assert json.loads(body)["mail"] == "alice@contoso.example"
    assert not TOKEN.search(result.stdout + result.stderr)


def test_a_call_with_a_body(stack: Serving) -> None:
    result = stack.project.dev("call", "alice", "-d", '{"item": "tea", "quantity": 2}', "/api/orders")

    assert (result.returncode, result.stdout.splitlines()[0]) == (0, "201 Created")


def test_an_application_gets_a_token_and_is_refused_where_a_user_is_needed(stack: Serving) -> None:
    result = stack.project.dev("token", "--app", "daemon")
    assert (result.returncode, result.stderr) == (0, "")
    assert TOKEN.fullmatch(result.stdout)
    reply = get(stack, "/api/me", result.stdout.strip())
    assert (reply.status_code, reply.json()["code"]) == (403, "user_token_required")

    result = stack.project.dev("call", "--app", "Daemon", "/api/me")
    assert (result.returncode, result.stdout.splitlines()[0]) == (1, "403 Forbidden")
    assert '"code": "user_token_required"' in result.stdout
    assert not TOKEN.search(result.stdout + result.stderr)
    assert "--app daemon: an application with no role" in stack.text


def test_an_application_that_is_not_there_is_told_with_those_that_are(stack: Serving) -> None:
    result = stack.project.dev("token", "--app", "nobody")
    assert (result.returncode, result.stdout) == (2, "")
    assert "there is no application 'nobody'; there are daemon (see [app_roles])" in result.stderr


@pytest.mark.parametrize("path", ["/api/hello", "/me"])
def test_a_route_that_is_not_there_is_told_with_what_to_do(stack: Serving, path: str) -> None:
    result = stack.project.dev("call", "alice", path)

    assert (result.returncode, result.stdout.splitlines()[0]) == (1, "404 Not Found")
    assert result.stderr == (
        f"The running API has no route GET {path}. After a change, stop `dev.py run` and start it again. "
        "A path is what @app.route says, as in /api/me.\n"
    )


def test_the_doctor_finds_nothing_wrong_with_the_running_stack(stack: Serving) -> None:
    result = stack.project.dev("doctor", "--json")

    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    checks = found["checks"]
    assert found["you"] == "alice@contoso.example"
    assert [one for one in checks if one["status"] != "ok"] == []
    assert checks[-1]["found"] == ["GET /api/me: 200"]
    assert not TOKEN.search(result.stdout)


def test_the_doctor_says_what_a_guest_may_not_read(stack: Serving) -> None:
    result = stack.project.dev("doctor", EMULATORS_PERSON="greta")

    assert result.returncode == 2
    assert re.search(
        r"^cannot tell  registration, token version, .*: Microsoft Graph responds 403", result.stdout, re.MULTILINE
    )
    assert "it takes: an account that is a member of the tenant" in result.stdout


def test_the_doctor_knows_nobody_else(stack: Serving) -> None:
    result = stack.project.dev("doctor", EMULATORS_PERSON="nobody")

    assert (result.returncode, result.stdout) == (2, "")
    assert "there is nobody called 'nobody'; there are alice" in result.stderr


def test_a_challenge_is_shown_and_with_a_flag_answered(stack: Serving) -> None:
    shown = stack.project.dev("call", "maya", "/api/me")
    answered = stack.project.dev("call", "maya", "--step-up", "/api/me")

    assert (shown.returncode, shown.stdout.splitlines()[0]) == (1, "401 Unauthorized")
    assert 'error="insufficient_claims"' in shown.stdout
    assert shown.stderr.splitlines()[1:] == ["Sign in again with them: the same command with --step-up."]
    assert (answered.returncode, answered.stdout.splitlines()[0]) == (0, "200 OK")


def test_a_response_that_asks_for_a_pause_is_shown_with_its_length_and_where_the_cause_is(stack: Serving) -> None:
    faults = f"{stack.project.state()['sign_in_url']}/_emulators/faults"
    with requests.Session() as session:
        session.trust_env = False
        fault = {"target": "graph", "status": 429, "headers": {"Retry-After": "9"}}
        session.post(faults, json=fault, timeout=10).raise_for_status()
        try:
            result = stack.project.dev("call", "alice", "/api/me")
        finally:
            session.delete(faults, timeout=10)

    assert (result.returncode, result.stdout.splitlines()[0]) == (1, "503 Service Unavailable")
    assert result.stderr == "Try again in 9 s.\nThe cause is in the last lines of .local/api.log\n"
    assert "temporarily_unavailable" in (stack.project.root / ".local" / "api.log").read_text(encoding="utf-8")


def test_a_missing_consent_is_explained_and_with_a_flag_given(stack: Serving) -> None:
    shown = stack.project.dev("call", "connor", "/api/me")
    given = stack.project.dev("call", "connor", "--consent", "/api/me")
    afterwards = stack.project.dev("call", "connor", "/api/me")

    assert (shown.returncode, shown.stdout.splitlines()[0]) == (1, "403 Forbidden")
    told = shown.stderr.splitlines()
    assert told[0] == "Nobody has consented to: https://graph.microsoft.com/.default"
    assert "--consent" in told[1]
    page = told[2].rpartition(" ")[2]
    assert re.fullmatch(
        r"http://localhost:\d+/login\.microsoftonline\.com/[^/]+(/v2\.0)?/adminconsent\?.*client_id=.+", page
    )
    assert "https://login.microsoftonline.com" not in shown.stdout + shown.stderr
    assert page in shown.stdout  # the reply's own link, too, is one to open
    with requests.Session() as session:
        session.trust_env = False
        opened = session.get(page, timeout=10)
    assert opened.status_code == 200
    assert "contoso.example" in opened.text  # the emulated tenant's page, which asks who is there
    assert (given.returncode, given.stdout.splitlines()[0]) == (0, "200 OK")
    assert (afterwards.returncode, afterwards.stderr) == (0, "")


def test_a_token_is_explained_with_the_settings_and_the_keys_of_the_stack(stack: Serving) -> None:
    token = stack.project.dev("token", "alice").stdout.strip()
    good = stack.project.dev("explain", token)
    assert (good.returncode, good.stderr) == (0, "")
    assert "with the settings of the running local stack:" in good.stdout
    assert "  ok       signature                  seen: a valid one; expected:" in good.stdout
    assert "unknown" not in good.stdout
    assert not TOKEN.search(good.stdout)

    assert good.stdout.splitlines()[-1].startswith("The token is good. ")

    environ = stack.project.state()["environ"]["api"]
    (stack.project.root / "api.env").write_text(
        "".join(f"{name}={environ[name]}\n" for name in environ if name.startswith("AzureAd__T"))
        + (f"AzureAd__ClientId={environ['AzureAd__ClientId']}\n"),
        encoding="utf-8",
    )
    rest = token.partition(".")[2]
    earlier = f"{encoded({'alg': 'RS256', 'kid': 'of-an-earlier-start'})}.{rest}"
    for bearer, seen in ((token, "ok       signature   "), (earlier, "FAILED   signature   ")):
        by_file = stack.project.dev("explain", bearer, "--env-file", "api.env")
        assert (seen in by_file.stdout, by_file.stderr) == (True, "")
    assert "to do: The local stack makes new keys at each start: take a new token, as `python3" in by_file.stdout

    other = stack.project.dev("explain", token, "--api", "Orders")
    assert (other.returncode, other.stderr) == (1, "")
    assert "  FAILED   audience                   seen: another API (a client id); the client must" in other.stdout


def test_every_hop_is_in_the_timeline_and_no_token(stack: Serving) -> None:
    before = len(stack.text)
    stack.project.dev("call", "olga", "/api/orders")

    stack.wait_for("Orders API token for olga")
    hops = stack.text[before:]
    assert re.search(r"api → entra +POST /contoso/oauth2/v2\.0/token +200 +[\d.]+ ms  ok", hops)
    assert re.search(r"api → orders +GET  /api/orders +200", hops)
    assert "\x1b" not in stack.text
    assert not TOKEN.search(stack.text)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for func starts with #!")
def test_func_is_told_the_interpreter_and_nothing_else_is(stack: Serving, tmp_path: Path) -> None:
    name = "languageWorkers:python:defaultExecutablePath"
    for program in ("func", "other"):
        (tmp_path / program).write_text(
            f"#!{sys.executable}\nimport os\nprint(os.environ.get({name!r}))\n", encoding="utf-8"
        )
        (tmp_path / program).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    by_func = stack.project.dev("exec", "--", "func", "start", PATH=path)
    by_other = stack.project.dev("exec", "--", "other", PATH=path)

    assert (by_func.stdout, by_other.stdout) == (f"{sys.executable}\n", "None\n")


def test_exec_has_the_environment_of_the_api_and_passes_the_exit_code_on(stack: Serving) -> None:
    show = "import json, os, sys; print(json.dumps([sys.executable, dict(os.environ)])); sys.exit(7)"

    result = stack.project.dev(
        "exec",
        "--",
        "python",
        "-c",
        show,
        ALL_PROXY="http://127.0.0.1:9",
        AZURE_CLIENT_ID="x",
        AzureAd__Audiences__0="x",
        TokenCache__Redis__Url="redis://127.0.0.1:9",
    )

    assert result.returncode == 7
    executable, environ = json.loads(result.stdout)
    assert Path(executable).parent == Path(sys.executable).parent
    assert environ.items() >= stack.project.state()["environ"]["api"].items()
    stripped = {"ALL_PROXY", "AZURE_CLIENT_ID", "AzureAd__Audiences__0", "TokenCache__Redis__Url"}
    assert not stripped & set(environ)


def test_exec_of_a_program_that_is_not_there(stack: Serving) -> None:
    result = stack.project.dev("exec", "no-such-program")

    assert result.returncode == 127
    assert "there is no program 'no-such-program'" in result.stderr


def test_a_second_stack_in_the_same_folder_is_refused(stack: Serving) -> None:
    result = stack.project.dev("run", "--port", "0")

    assert result.returncode == 2
    assert f"a stack is running here already: {stack.project.state()['api_url']}" in result.stderr


def test_an_app_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = Project.copy(tmp_path / "copy")
    ends = "import os\nos.write(2, b'last words\\n')\nos._exit(3)\n"
    (broken.root / "downstream_app.py").write_text(ends, encoding="utf-8")

    result = broken.dev("run", "--port", "0")

    assert result.returncode == 1
    assert "the orders app did not start:\n    last words" in result.stderr


def test_an_app_of_the_table_that_is_missing_is_told_before_anything_starts(tmp_path: Path) -> None:
    broken = Project.copy(tmp_path / "copy")
    (broken.root / "downstream_app.py").unlink()

    result = broken.dev("run", "--port", "0")

    assert (result.returncode, result.stdout) == (2, "")
    assert "local-stack.toml: apis.Orders.app must be a file in the top folder of the project" in result.stderr


def test_a_host_json_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    broken = Project.copy(tmp_path / "copy")
    (broken.root / "host.json").write_text("{", encoding="utf-8")

    result = broken.dev("run", "--port", "0")

    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "host.json cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("no_such_name", "NameError: name 'no_such_name' is not defined (function_app.py, line {})"),
        ("def", "SyntaxError: invalid syntax (function_app.py, line {})"),
    ],
)
def test_an_app_that_cannot_be_loaded_is_told_with_the_reason_when_it_is_called(
    tmp_path: Path, line: str, why: str
) -> None:
    broken = Project.copy(tmp_path / "copy")
    script = broken.root / "function_app.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(f"{text}{line}\n", encoding="utf-8")

    with broken.serving("run", "--port", "0") as serving:
        result = broken.dev("call", "alice", "/api/me")
        serving.wait_for("could not be loaded: ")

    told = f"function_app.py could not be loaded: {why.format(text.count(chr(10)) + 1)}. See .local/api.log"
    assert (result.returncode, result.stdout) == (1, "")
    assert told in result.stderr
    assert told in serving.text


def test_a_setting_that_only_a_function_names_is_told_at_the_start_when_it_is_wrong(tmp_path: Path) -> None:
    project = with_wrong_prefetch(tmp_path / "copy")
    with project.serving("run", "--port", "0") as serving:
        health = requests.get(f"{project.state()['api_url']}/api/health", timeout=30)
        banner = serving.text.partition("Ctrl-C stops everything")[0]
        serving.wait_for("setting DownstreamApis__Grpah__Scopes is missing, and me prefetches it")
    told = "Every function responds with 500, because this setting is wrong: DownstreamApis__Grpah__Scopes."
    assert banner.count(told) == 1
    assert (health.status_code, health.json()["settings"]) == (503, ["DownstreamApis__Grpah__Scopes"])


def test_what_is_well_is_not_mentioned(stack: Serving) -> None:
    """The stack asks for it itself, which is no hop."""
    start = stack.text.partition("Every hop appears below")[0]
    assert "because" not in start
    assert "/api/health" not in start


def test_settings_of_the_shell_are_told_by_name_and_never_by_value(tmp_path: Path) -> None:
    project = Project.copy(tmp_path / "copy")
    (project.root / "host.json").write_text("{", encoding="utf-8")  # so that it ends by itself

    result = project.dev("run", "--port", "0", DownstreamApis__Stock__BaseUrl="https://secret.example")

    name = "DOWNSTREAMAPIS__STOCK__BASEURL" if os.name == "nt" else "DownstreamApis__Stock__BaseUrl"
    told = f"ignored from your shell: {name} (dev.py run sets its own; add yours to local-stack.toml)\n"
    assert result.stderr.count(told) == 1
    assert "secret" not in result.stderr + result.stdout


def test_a_reader_of_the_reply_may_go_away_and_the_advice_and_the_exit_code_stay(stack: Serving) -> None:
    unread, out = os.pipe()
    os.close(unread)
    with os.fdopen(out, "wb") as gone:
        command = [sys.executable, "dev.py", "call", "maya", "/api/me"]
        result = subprocess.run(
            command, cwd=stack.project.root, env=stack.project.environ, stdout=gone, stderr=subprocess.PIPE, check=False
        )

    assert (result.returncode, result.stderr.count(b"\n")) == (1, 2)
    assert b"Sign in again with them" in result.stderr


@LINUX_ONLY
def test_a_reader_that_goes_away_does_not_stop_the_stack(project: Project) -> None:
    command = [sys.executable, "dev.py", "run", "--port", "0"]
    with subprocess.Popen(command, cwd=project.root, env=project.environ, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert project.dev("call", "alice", "/api/me").returncode == 0
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()  # else the end of this block would wait forever

    assert project.processes() == []


@LINUX_ONLY
def test_ctrl_c_leaves_nothing_behind(project: Project) -> None:
    with project.serving("run", "--port", "0") as serving:
        state = project.state()
        assert len(project.processes()) == 4  # dev.py, the tenant, the API, the Orders API

        code = serving.stop()

    assert code == 0
    assert serving.text.rstrip().endswith("Stopping everything.")
    assert project.processes() == []
    assert not (project.root / ".local" / "stack.json").exists()
    for url in (state["api_url"], state["apis"]["orders"], state["sign_in_url"]):
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=2)


@LINUX_ONLY
@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_however_dev_py_ends_everything_ends(project: Project, signal_name: str) -> None:
    if signal.getsignal(getattr(signal, signal_name)) is signal.SIG_IGN:
        pytest.skip(f"{signal_name} is ignored here, as with nohup, and so it is by whatever is started here")
    with project.serving("run", "--port", "0") as serving:
        serving.process.send_signal(getattr(signal, signal_name))
        serving.process.wait(30)
        wait_until(lambda: project.processes() == [])

    assert project.processes() == []


@LINUX_ONLY
def test_an_app_that_ends_by_itself_ends_everything(project: Project) -> None:
    with project.serving("run", "--port", "0") as serving:
        apps = [pid for pid in project.processes() if b"functions_host" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(apps[0], signal.SIGKILL)
        assert serving.process.wait(30) == 1

    assert "app ended by itself" in serving.text
    assert project.processes() == []


@LINUX_ONLY
def test_if_the_tenant_is_killed_the_apps_end(project: Project) -> None:
    with project.serving("run", "--port", "0") as serving:
        os.kill(project.state()["pid"], signal.SIGKILL)
        assert serving.process.wait(30) == 128 + 9
        wait_until(lambda: project.processes() == [])

    assert project.processes() == []
    assert project.dev("token", "alice").returncode == 2


def test_the_api_is_closed_without_a_token(stack: Serving) -> None:
    reply = get(stack, "/api/me", "")

    assert (reply.status_code, reply.headers["WWW-Authenticate"][:6]) == (401, "Bearer")


def test_the_interpreter_is_the_one_of_the_tests(stack: Serving) -> None:
    result = stack.project.dev("test", "--version")

    assert (result.returncode, result.stdout.split()[0]) == (0, "pytest")
    assert not (stack.project.root / ".venv").exists()
