#!/usr/bin/env python3
"""All commands of this project. The first command makes a virtual environment
and installs what it needs.

  python3 dev.py run [--port N] [--redis URL] [--origin URL]
      the API and everything it talks to, on this machine; Ctrl-C stops it all;
      --redis: the API shares its exchanged tokens in that Redis (docs/scale.md)
      --origin: that of a web page that may call the API, such as
      https://localhost:5173
  python3 dev.py run --api NAME=URL --scope SCOPE ...
      the same with an API of yours that runs at URL; local-stack.toml keeps it
  python3 dev.py run --once
      starts it, signs alice in, calls the API, prints every hop, stops
  python3 dev.py test [pytest args]
      your tests: tests/
  python3 dev.py test --all
      those, and the template's own in maintainers/ (a quarter of an hour)
  python3 dev.py test --coverage [--all] [pytest args]
      the same tests, and which lines and branches of shared/ they miss;
      it fails when they reach less than 95 %
  python3 dev.py check [--fix]
      ruff, mypy, the layer rule, and the check of the package
  python3 dev.py check --package
      imports both apps from the files to be deployed, and looks for key files;
      run it before `func azure functionapp publish`; azd runs it by itself
  python3 dev.py check --infra
      the rules for infra/ and every tool found: bicep, azd, checkov ...
  python3 dev.py remove-orders
      takes the sample of a downstream API out of the project
  python3 dev.py emulators [--port N] [--redis URL] [--origin URL]
      everything except the API; writes local.settings.json for `func start`
  python3 dev.py explain [TOKEN] [--env-file FILE] [--keys FILE] [--values]
      why the API accepts or refuses an access token: each check in order, and
      what to change; offline; without TOKEN it reads standard input, or asks
  python3 dev.py doctor [--env-file FILE] [--json]
      why does my tenant refuse? compares settings, app registration, vault,
      grants, roles and the deployed app, and changes nothing; each difference
      comes with the command that ends it; az login gives it tokens;
      FILE: what `azd env get-values` prints, or local.settings.json; without
      it, the running local stack
  python3 dev.py upgrade [TAG] [--what] [--from ADDRESS]
      brings this project up to a newer version of the template, by git;
      --what prints what changed, security first, and changes nothing;
      TAG: a version, such as v2.1.0; without it, the newest
      --from: where the template's repository is, if azure.yaml does not say
  python3 dev.py --version
      the version of the template that this project was made from

For maintainers of the template, if the folder maintainers/ exists:

  python3 dev.py check --infra --renew
      writes the snapshots in maintainers/tests/infra/snapshots again
  python3 dev.py fuzz [--seconds N] [--seed S]
      sends random forged tokens and other odd inputs; fails if one gets in
  python3 dev.py mutate [MODULE ...]
      lists changes to validation and transport that no test notices
  python3 dev.py soak [--seconds N] [--seed S]
      many users, threads and random faults; fails if a user gets the response
      of another
  python3 dev.py bench [--json] [--row ROW]
      how fast this template is, compared with its peers
  python3 dev.py bench failures
      what this template and its peers do when a service fails
  python3 dev.py bench fleet
      the load of N instances on Entra and Redis: a model, with costs measured
      here
  python3 dev.py bench load [--seconds N] [--processes P]
                            [--redis | --kill-redis]
      a realistic mix against several processes of the API: losses and waits

While `run` or `emulators` is up, from another terminal:

  python3 dev.py token PERSON
      an access token for the API, alone on stdout
  python3 dev.py call PERSON [-X METHOD] [-d BODY] [--consent] [--step-up] PATH
      calls the API as that person; shows status, headers and body;
      the options give what is missing: consent, a second factor
  python3 dev.py token --app NAME
  python3 dev.py call --app NAME [-X METHOD] [-d BODY] PATH
      the same as an application without a user, such as daemon; [app_roles] in
      local-stack.toml gives it roles
  python3 dev.py mcp PERSON
      the configuration of an MCP client that calls the API as that person, with
      a token: for clients that take a header
  python3 dev.py exec [--api NAME] -- CMD ...
      runs CMD with the environment of the API process, or of an API behind it
  python3 dev.py client [args]
      the client application, signing you in with your browser;
      with nothing running, against the tenant its settings name

Examples:

  python3 dev.py run --port 8000
  python3 dev.py run --api Stock=http://127.0.0.1:9000 --scope Stock.Read
  python3 dev.py run --redis redis://127.0.0.1:6379
  python3 dev.py call alice /api/me
  python3 dev.py call connor --consent /api/me
  python3 dev.py call maya --step-up /api/me
  python3 dev.py call --app daemon /api/me
  python3 dev.py call alice -d '{"item": "tea", "quantity": 2}' /api/orders
  python3 dev.py test tests/test_function_app.py -k profile
  python3 dev.py exec -- python -c "import function_app"

Packages are installed into .venv, or into .venv-3.X when .venv belongs to
another Python. The first command installs requirements-run.txt, the first
`test` or `check` requirements-dev.txt. With DEV_PYTHON=/path/to/python that
interpreter is used, and nothing is installed. Everything that the local stack
writes is in .local/.
"""

import configparser
import difflib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

OLDEST = (3, 11)
if sys.version_info < OLDEST:  # Python 3.6 must still be able to read this file to the end
    this = sys.version.split()[0]
    sys.exit("dev.py needs Python 3.11, 3.12, 3.13 or 3.14 and this is " + this + ": try python3.12 dev.py run")


def tell(line: str) -> None:  # Python 3.11 or newer is needed: try python3 dev.py run
    """To the person at the terminal, in lines that fit it; standard output belongs to the commands."""
    if sys.stderr.isatty() or os.environ.get("COLUMNS"):
        width = max(80, shutil.get_terminal_size().columns)
        line = "\n".join(textwrap.fill(each, width, break_long_words=False) for each in line.splitlines())
    print(line, file=sys.stderr, flush=True)


VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
ROOT = Path(__file__).resolve().parent
TEMPLATE = "azure-functions-on-behalf-of-python"
LOG = ROOT / ".local" / "install.log"
STACK_COMMANDS = ("run", "emulators")
MAINTAINERS_COMMANDS = ("fuzz", "mutate", "soak", "bench")
SCRIPTS = {"remove-orders": "emulators.remove_orders", "upgrade": "emulators.upgrade"}  # need no packages
LOCAL_COMMANDS = ("token", "call", "mcp", "exec", "client", "explain", "doctor")
COMMANDS = (*STACK_COMMANDS, "test", "check", *MAINTAINERS_COMMANDS, *SCRIPTS, *LOCAL_COMMANDS)
MAINTAINERS = ROOT / "maintainers"
LEVELS = ("requirements-run.txt", "requirements-dev.txt", "maintainers/benchmarks/requirements.txt")
"""What is installed for a command. Each file includes the one before it."""
OWN_HELP = ("test", "client", "explain", "doctor", "bench", "mutate")  # their programs explain themselves
ADVICE = {
    "ensurepip|No module named '?(venv|pip)": "add Python's venv module (Debian: sudo apt install python3-venv)",
    "No space left|Errno 28|not enough space": "make some room on the disk",
    "ProxyError|Tunnel connection failed|407 Proxy": "check HTTPS_PROXY (address, user name, password)",
    "CERTIFICATE_VERIFY|SSLError": "set PIP_CERT to the file of the certificate authority that inspects TLS here",
    "NewConnection|NameRes|getaddrinfo|Timeout|Max retries|unreachable": "check the network (and HTTPS_PROXY)",
    "No matching distribution|Requires-Python": "a package is not there for this Python: try another (3.11 to 3.14), "
    "or check PIP_INDEX_URL",
    "Permission denied|Access is denied|WinError": "stop whatever runs from that folder, and check whose it is",
}


class SetUpError(Exception):
    """The environment could not be made; the message says why and what to do."""


def main(argv: list[str]) -> int:
    """Runs one command and returns its exit code."""
    command, arguments = (argv[0], argv[1:]) if argv else ("--help", [])
    wants_help = arguments[:1] in (["-h"], ["--help"]) and command in COMMANDS and command not in OWN_HELP
    if wants_help or command in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if command == "--version":
        print(f"{TEMPLATE} {template_version()}")
        return 0
    if command not in COMMANDS:
        near = difflib.get_close_matches(command.lower(), COMMANDS, n=1)
        guess = f"did you mean python3 dev.py {near[0]}?" if near else f"there are {', '.join(COMMANDS)}."
        tell(f"dev.py: there is no command {command!r}; {guess} python3 dev.py --help explains them.")
        return 2
    if (command in MAINTAINERS_COMMANDS or "--renew" in arguments) and not MAINTAINERS.exists():
        tell(f"dev.py: {command} is a command of the template's maintainers, and the folder maintainers/ is not here")
        return 2
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):  # whichever this system has, unless it is to be ignored (nohup)
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        if command in SCRIPTS:
            return run([sys.executable, "-m", SCRIPTS[command], *arguments], timeout=60)
        return dispatch(environment(level(command, arguments)), command, arguments)
    except (SetUpError, OSError) as problem:
        tell(f"dev.py: {problem}")
        return 1
    except KeyboardInterrupt:
        tell("dev.py: stopped")
        return 130


def template_version() -> str:
    """What shared/__init__.py says, read as text: it imports packages that may not be installed yet."""
    found = re.search(r'^__version__ = "(.+?)"', (ROOT / "shared" / "__init__.py").read_text(encoding="utf-8"), re.M)
    return found[1] if found else "of an unknown version"


def dispatch(python: str, command: str, arguments: list[str]) -> int:
    """Hands the command to what does it, inside the environment."""
    if command == "check":
        return check(python, arguments)
    if command == "test":
        return test(python, arguments)
    if command in ("fuzz", "soak"):  # Ctrl-C ends them early, with their figures; soak calms down first
        return run([python, "-m", f"maintainers.tests.{command}", *arguments], timeout=90)
    if command == "mutate":
        return run([python, "-m", "maintainers.tests.mutation", *arguments], timeout=15)
    if command == "bench":
        return run([python, "-m", "maintainers.benchmarks", *map(from_here, arguments)], timeout=15)
    if command in STACK_COMMANDS:
        return run([python, "-m", "emulators.local", command, "--stop-with-stdin", *arguments], owned=True, timeout=15)
    return run([python, "-m", "emulators.local", command, *map(from_here, arguments)])


def test(python: str, arguments: list[str]) -> int:
    """The user's tests, or all there are; or what the arguments name."""
    if "--all" in arguments:
        arguments = [each for each in arguments if each != "--all"]
        arguments += ["tests", "maintainers/tests"] if MAINTAINERS.exists() else ["tests"]
    if "--coverage" in arguments:
        return coverage(python, [each for each in arguments if each != "--coverage"])
    return run([python, "-m", "pytest", *arguments], timeout=60)


def coverage(python: str, arguments: list[str]) -> int:
    """The tests, and how much of shared/ they reach; .coveragerc says what is measured and what is enough."""
    measure = [python, "-m", "coverage"]
    code = run([*measure, "erase"]) or run([*measure, "run", "-m", "pytest", *arguments], timeout=60)
    return code or run([*measure, "combine", "-q"]) or run([*measure, "report"])


def from_here(argument: str) -> str:
    """A file named on the command line is meant from where the person stands; the programs run in the project."""
    return os.path.abspath(argument) if os.path.isfile(argument) and not os.path.isabs(argument) else argument


def check(python: str, arguments: list[str]) -> int:
    """All checks, one after the other, so that one run shows everything there is to fix."""
    if arguments not in ([], ["--fix"], ["--infra"], ["--infra", "--renew"], ["--package"]):
        tell(f"dev.py: check takes nothing, --fix, --infra, --infra --renew or --package, not {' '.join(arguments)}")
        return 2
    if "--renew" in arguments:
        return run([python, "-m", "maintainers.tests.infra.snapshots"])
    if "--infra" in arguments:
        return run([python, "-m", "tests.infra.tools"])
    package = ["infra/hooks/package_check.py", "azd", "func"]
    if arguments == ["--package"]:
        return run([python, *package])
    checks = {
        "ruff check": ["-m", "ruff", "check", *arguments],
        "ruff format": ["-m", "ruff", "format", *([] if arguments else ["--check"])],
        "mypy": ["-m", "mypy", *with_maintainers()],
        "layer rule": ["-m", "pytest", "tests/shared/test_layers.py"],
        "package": package,
    }
    failed = []
    for name, program in checks.items():
        tell(f"-- {name}")
        if run([python, *program]):
            failed.append(name)
    tell(f"check: failed: {', '.join(failed)}" if failed else f"check: {', '.join(checks)}: all good")
    return 1 if failed else 0


def with_maintainers() -> list[str]:
    """What mypy looks at while maintainers/ is there; without it, the list in mypy.ini is the whole one."""
    if not MAINTAINERS.exists():
        return []
    options = configparser.ConfigParser()
    options.read(ROOT / "mypy.ini", encoding="utf-8")
    patterns = [each.strip() for each in options["mypy"]["files"].split(",")]
    found = [path for each in patterns for path in sorted(ROOT.glob(each))]
    return [*(str(path.relative_to(ROOT)) for path in found), "maintainers"]


def run(command: list[str], *, owned: bool = False, timeout: int = 3) -> int:
    """Runs a program of the project to its end and returns its exit code.

    An `owned` program ends when its standard input does: when this process ends, however that happens.
    `timeout`: how many seconds it has to end by itself after Ctrl-C; another Ctrl-C cuts them short.
    """
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE if owned else None)
    try:
        code = child.wait()
    except KeyboardInterrupt:
        code = stop(child, timeout)
    return code if code >= 0 else 128 - code


def stop(child: subprocess.Popen[bytes], timeout: int) -> int:
    """Lets the program end by itself (Ctrl-C in a terminal has reached it too), then insists."""
    if child.stdin:
        child.stdin.close()
    for seconds, insist in ((timeout, child.terminate), (15, child.kill)):
        try:
            return child.wait(timeout=seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            insist()
    return child.wait()


def level(command: str, arguments: list[str]) -> int:
    """Which of LEVELS a command needs: the local stack and the check of the package need the first alone."""
    if command == "bench":
        return 2
    return int(command in ("test", "check", *MAINTAINERS_COMMANDS) and arguments != ["--package"])


def environment(needed: int = 0) -> str:
    """The interpreter of an environment that has the packages of LEVELS[needed]; made, if there is none."""
    chosen = os.environ.get("DEV_PYTHON")
    if chosen:
        if not shutil.which(chosen):
            raise SetUpError(f"DEV_PYTHON={chosen} is no program that can be run: name a Python, or unset it")
        return chosen
    folder = environment_folder()
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "dev-stamp.txt"  # one line for each level; written last: an interrupted installation starts again
    installed = stamp.read_text(encoding="utf-8").splitlines() if python.exists() and stamp.exists() else []
    wanted = stamps(needed)
    if installed[: needed + 1] != wanted:
        stamp.unlink(missing_ok=True)
        install(folder, str(python), ROOT / LEVELS[needed])
        stamp.write_text("\n".join(wanted), encoding="utf-8")
    return str(python)


def stamps(needed: int) -> list[str]:
    """What tells one installation from another, for each level up to `needed`: Python and the requirements so far."""
    digest, lines = hashlib.sha256((ROOT / "requirements.txt").read_bytes()), []
    for name in LEVELS[: needed + 1]:
        digest.update((ROOT / name).read_bytes())
        lines.append(f"{VERSION} {digest.hexdigest()}")
    return lines


def environment_folder() -> Path:
    """`.venv`, unless another Python made that one."""
    configuration = ROOT / ".venv" / "pyvenv.cfg"
    # Its "home" line is UTF-8 on every system, and may hold any character of a user's name.
    text = configuration.read_text(encoding="utf-8", errors="replace") if configuration.exists() else ""
    made_by = re.search(r"version\w* = (\d+\.\d+)", text)
    return ROOT / (".venv" if made_by is None or made_by[1] == VERSION else f".venv-{VERSION}")


def install(folder: Path, python: str, requirements: Path) -> None:
    """Makes the environment and installs the packages. Raises SetUpError."""
    LOG.parent.mkdir(exist_ok=True)
    tell(f"Preparing {folder.name} (once; everything pip says goes to {LOG.relative_to(ROOT)})")
    start = time.monotonic()
    LOG.write_text("", encoding="utf-8")
    if not has_pip(python):
        step(start, "making the environment", [sys.executable, "-m", "venv", str(folder)])
    pip = [python, "-m", "pip", "install", "--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    step(start, "collecting packages", [*pip, "-r", str(requirements)])
    show(start, "ready")


def has_pip(python: str) -> bool:
    """False also when the interpreter is missing or broken, as in an environment whose making was interrupted."""
    try:
        return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def step(start: float, title: str, command: list[str]) -> None:
    """Runs one program of the installation, its output in the log and its progress on the terminal."""
    show(start, title)
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    try:
        with LOG.open("a", encoding="utf-8") as log:
            for line in process.stdout or ():
                log.write(line)
                lines.append(line.rstrip())
                found = re.match(r"Collecting ([\w.-]+)|Installing collected packages: (.*)", line)
                if found:
                    show(start, f"  {found[1]}" if found[1] else f"installing {found[2].count(',') + 1} packages")
        failed = process.wait()
    except BaseException:  # Ctrl-C, too, must leave no pip behind
        process.kill()
        raise
    if failed:
        raise SetUpError(failure(title, lines))


def show(start: float, text: str) -> None:
    """One line of progress."""
    tell(f"{time.monotonic() - start:7.1f} s  {text}")


def failure(title: str, lines: list[str]) -> str:
    """What went wrong: the telling lines, where the rest is, and what to do."""
    telling = [line for line in lines if re.search("error|fail|not ", line, re.IGNORECASE)] or lines
    advice = next((text for pattern, text in ADVICE.items() if re.search(pattern, "\n".join(lines))), "")
    quoted = "".join(f"\n    {line[:160]}" for line in telling[-4:])
    what_next = f"\n  What to do: {advice}, then type the same command again." if advice else ""
    return f"{title} failed:{quoted}\n  All of it is in {LOG}{what_next}"


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed it, as in `dev.py --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit would fail
        status = 0
    sys.exit(status)
