"""`python3 dev.py upgrade [TAG] [--what] [--from ADDRESS]`: brings this project up to a newer version of the template.

A project that `azd init -t` made has no history in common with the template. So git merges three trees. The base is the
template at the version of the project. The other two are the project, and the template at the newer version. The base
and the newer tree first lose what the project has removed, such as the Orders sample and `maintainers/`. The result is
staged and not committed. It needs the standard library and git alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, NoReturn

from . import remove_orders

ROOT = Path(__file__).resolve().parents[1]
YOURS = ("function_app.py", "downstream_app.py", "local-stack.toml", "README.md", "tests/test_function_app.py")
"""Once the project has changed one of these, the template's changes to it are left out."""
FIRST = ("Security", "Removed", "Changed", "Deprecated", "Fixed", "Added")
"""The order in which `--what` prints the sections of CHANGELOG.md."""
VERSION = re.compile(r"v?(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_HTTPS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/[^\s@]+")
_SSH = re.compile(
    r"(ssh://([\w.-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/|[A-Za-z0-9][\w.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:)\S+"
)
_PROTOCOLS = "https:ssh:file"  # git's names; `file` is a folder of this machine
_NOT_INHERITED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "template"), ("EMAIL", "template@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
}
"""Of the two commits that the merge needs. No branch ever names them."""
Version = tuple[int, int, int]
Files = dict[str, str]
"""Mode and object of each file of a tree, by its path: `100644 1f7a…`."""


class UpgradeError(Exception):
    """The upgrade cannot begin. Nothing was changed, and the message says what to do."""


class Trees(NamedTuple):
    """The template before and after, without what this project has removed, and what was left out."""

    base: str
    new: str
    left_to_you: list[str]


class Git:
    """git in one folder. It inherits no other repository from the environment and never uses another protocol."""

    def __init__(self, folder: Path, **environ: str) -> None:
        found = shutil.which("git")
        if found is None:
            raise UpgradeError("git is not installed: install it from https://git-scm.com, and type this again.")
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        self._git, self.folder = found, folder
        self._environ = {**inherited, "GIT_ALLOW_PROTOCOL": _PROTOCOLS, "LC_ALL": "C", **environ}

    def run(self, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Runs git to its end, whatever its exit code is. What it asks a person, it asks the terminal."""
        command = [self._git, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self._environ, input=given, capture_output=True, check=False
        )

    def out(self, *arguments: str, given: bytes | None = None) -> str:
        """What git prints. Raises UpgradeError with git's own words if it fails."""
        return self.bytes(*arguments, given=given).decode("utf-8", "surrogateescape")

    def bytes(self, *arguments: str, given: bytes | None = None) -> bytes:
        """The same, as it is."""
        done = self.run(*arguments, given=given)
        if done.returncode:
            raise UpgradeError(f"git failed: {words(done)}")
        return done.stdout

    def with_index(self, index: Path) -> Git:
        """The same repository with an index of its own, so that the project's is left alone."""
        return Git(self.folder, **_NOBODY, GIT_INDEX_FILE=str(index))


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Runs the command. Returns its exit code: 1 for a refusal, a conflict or a failed check; 2 for wrong arguments."""
    parser = Parser(prog="python3 dev.py upgrade", add_help=False, allow_abbrev=False)
    parser.add_argument("tag", nargs="?")
    parser.add_argument("--what", action="store_true")
    parser.add_argument("--from", dest="address")
    try:
        options = parser.parse_args(arguments)
        wanted = version(options.tag) if options.tag is not None else None
        address = checked_address(own_address(root) if options.address is None else options.address)
    except UpgradeError as error:
        say(f"dev.py upgrade: {error}")
        return 2
    try:
        own = own_version(root)
        if options.what:
            return show_what_changed(address, own, wanted)
        return upgrade(root, address, own, wanted)
    except UpgradeError as error:
        say(f"dev.py upgrade: {str(error).rstrip('.')}. Nothing was changed.")
        return 1


def words(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git said about a failure, on one line."""
    return printable(" ".join(done.stderr.decode("utf-8", "replace").split())[-400:])


class Parser(argparse.ArgumentParser):
    """Raises UpgradeError where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise UpgradeError(f"{message}. It takes [TAG] [--what] [--from ADDRESS]; python3 dev.py --help explains them.")


def version(text: str) -> Version:
    """2.1.0 or v2.1.0 as numbers. Raises UpgradeError for any other text."""
    found = VERSION.fullmatch(text)
    if found is None:
        raise UpgradeError(f"{text[:40]!r} is no version of the template: give one such as v2.1.0.")
    return int(found[1]), int(found[2]), int(found[3])


def dotted(numbers: Version) -> str:
    return ".".join(map(str, numbers))


def checked_address(text: str) -> str:
    """The address of a repository that git may fetch from. Raises UpgradeError for everything else.

    https, ssh or a folder of this machine. git also knows addresses that run a program (`ext::`) and protocols without
    encryption; gitremote-helpers(7), git(1) under GIT_ALLOW_PROTOCOL.
    """
    if not text:
        raise UpgradeError(
            "the address of the template is not known: give it, --from https://github.com/OWNER/REPOSITORY."
        )
    if _HTTPS.fullmatch(text) or _SSH.fullmatch(text):
        return text
    if "::" not in text and "://" not in text and not text.startswith("-") and Path(text).is_dir():
        return str(Path(text).resolve())
    raise UpgradeError("--from takes https://…, ssh://…, user@host:… or a folder, without a password in it.")


def own_address(root: Path) -> str:
    """The address of the template in azure.yaml: in a comment, because azd has no key for it. Or an empty text."""
    file = root / "azure.yaml"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.search(r"^ *# address: ([^\s(]\S*)$", text, re.MULTILINE)
    return found[1] if found else ""


def own_version(root: Path) -> Version:
    """The version of the template that the project has. shared/__init__.py says it, because nobody edits that file."""
    return version_in((root / "shared" / "__init__.py").read_text(encoding="utf-8"))


def version_in(text: str) -> Version:
    """The version in the text of shared/__init__.py. Raises UpgradeError."""
    found = re.search(r'^__version__ = "(.+?)"', text, re.MULTILINE)
    if found is None:
        raise UpgradeError("shared/__init__.py has no __version__: put back the line that the template has.")
    return version(found[1])


def show_what_changed(address: str, own: Version, wanted: Version | None) -> int:
    """`--what`: the changelog between the two versions. It needs no repository, and changes none."""
    with tempfile.TemporaryDirectory(prefix="upgrade-") as folder:
        git = Git(Path(folder))
        new = newer(git, address, own, wanted)
        if new is None:
            return 0
        git.out("init", "--quiet", "--bare", ".")
        fetch(git, address, [new], "--depth=1")
        text = git.out("show", "--no-textconv", "FETCH_HEAD:CHANGELOG.md")
    say(f"From {dotted(own)} to {dotted(new)}:")
    print(printable("\n".join(what_changed(text, own, new))))  # noqa: T201 - this is the output that was asked for
    return 0


def what_changed(changelog: str, own: Version, new: Version) -> Iterator[str]:
    """The lines of CHANGELOG.md for the versions after `own`, up to `new`: by section, security first."""
    sections: dict[str, list[str]] = {}
    for number, kind, entry in entries(changelog):
        if own < number <= new:
            sections.setdefault(kind, []).append(f"- {dotted(number)}: {entry}")
    for kind in sorted(sections, key=lambda kind: FIRST.index(kind) if kind in FIRST else len(FIRST)):
        yield from ("", f"{kind}:", *sections[kind])


def entries(changelog: str) -> Iterator[tuple[Version, str, str]]:
    """Each entry of CHANGELOG.md: its version, its section, its text on one line. "Unreleased" is left out."""
    number, kind = None, ""
    for block in re.split(r"\n(?=## |### |- )|\n\n", changelog):
        head = re.match(r"## \[(.+?)\]", block)
        if head:
            found = VERSION.fullmatch(head[1])
            number, kind = (version(head[1]) if found else None), ""
        elif block.startswith("### "):
            kind = block.removeprefix("### ").strip()
        elif block.startswith("- ") and number and kind:
            yield number, kind, " ".join(block.removeprefix("- ").split())


def upgrade(root: Path, address: str, own: Version, wanted: Version | None) -> int:
    """Merges the newer template into the project, shows the result, and runs the checks."""
    git = Git(root)
    refuse_unclean(git)
    new = newer(git, address, own, wanted)
    if new is None:
        return 0
    base_commit, new_commit = fetch(git, address, [own, new])
    if git.run("merge-base", "--is-ancestor", base_commit, new_commit).returncode:
        raise UpgradeError(
            f"v{dotted(new)} does not come after v{dotted(own)} in the history there: check the address."
        )
    with tempfile.TemporaryDirectory(prefix="upgrade-") as folder:
        trees = prepared(git, Path(folder), (base_commit, own), (new_commit, new))
        merge(git.with_index(Path(folder) / "index"), git, trees)
    say(f"Upgraded from {dotted(own)} to {dotted(new)}. Everything is staged, and nothing is committed.")
    for path in trees.left_to_you:
        say(f"Yours, and left alone: {path}. The template's changes: git diff {base_commit} {new_commit} -- {path}")
    conflicts = list(conflicting(git))
    if conflicts:
        say("Both you and the template changed these. Edit each, then `git add` it:")
        for line in conflicts:
            say(f"  {line}")
        say("Then run python3 dev.py check and python3 dev.py test, and commit. `git reset --hard` undoes it all.")
        return 1
    return checked(root)


def refuse_unclean(git: Git) -> None:
    """Raises UpgradeError unless the project is committed, with nothing changed since."""
    inside = git.run("rev-parse", "--is-inside-work-tree")
    if inside.returncode and b"not a git repository" not in inside.stderr:
        raise UpgradeError(f"git failed: {words(inside)}")
    if inside.returncode:
        raise UpgradeError("this folder is in no git repository: type git init, git add -A and git commit first.")
    if git.run("rev-parse", "--quiet", "--verify", "HEAD:./dev.py").returncode:
        raise UpgradeError("this project is not committed yet: type git add -A and git commit first.")
    if git.out("status", "--porcelain", "--untracked-files=no"):
        raise UpgradeError("files have changes that are not committed: commit them, or put them away with git stash.")


def newer(git: Git, address: str, own: Version, wanted: Version | None) -> Version | None:
    """The version to go to, or None when there is nothing to do. Raises UpgradeError if it is not there, or older."""
    listed = git.out("ls-remote", "--refs", "--tags", "--", address)
    names = (line.rpartition("refs/tags/v")[2] for line in listed.splitlines() if "\trefs/tags/v" in line)
    tags = {version(name) for name in names if VERSION.fullmatch(name)}
    if not tags:
        raise UpgradeError("that repository has no version of the template: check the address.")
    new = wanted or max(tags)
    if new == own or (wanted is None and new < own):
        say(f"This project has version {dotted(own)}, and there is no newer one.")
        return None
    if new < own:
        raise UpgradeError(f"v{dotted(new)} is older than v{dotted(own)}, which this project has: give a newer one.")
    for each in (own, new):
        if each not in tags:
            raise UpgradeError(f"that repository has no tag v{dotted(each)}; its newest is v{dotted(max(tags))}.")
    return new


def fetch(git: Git, address: str, versions: list[Version], *options: str) -> list[str]:
    """Fetches the tags, without a name for them here, and returns their commits."""
    refs = [f"refs/tags/v{dotted(each)}" for each in versions]
    safe = ("-c", "transfer.fsckObjects=true", "-c", "gc.auto=0")
    git.out(*safe, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *options, "--", address, *refs)
    file = Path(git.out("rev-parse", "--absolute-git-dir").strip()) / "FETCH_HEAD"
    found = [line.split("\t")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    return [git.out("rev-parse", "--verify", f"{each}^{{commit}}").strip() for each in found]


def prepared(git: Git, folder: Path, base: tuple[str, Version], new: tuple[str, Version]) -> Trees:
    """The two trees of the template, each as this project would have it. In: commit and version of each."""
    mine, before, after = (blobs(git, tree) for tree in ("HEAD:./", base[0], new[0]))
    if version_in(content(git, after["shared/__init__.py"]).decode()) != new[1]:
        raise UpgradeError(f"the tag v{dotted(new[1])} holds another version: tell the maintainers of the template.")
    if remove_orders.APP in before and remove_orders.APP not in mine:
        before, after = without_orders(git, folder / "before", before), without_orders(git, folder / "after", after)
    left = [path for path in YOURS if path in mine and mine[path] != before.get(path)]
    told = [path for path in left if before.get(path) != after.get(path)]
    skip = {*left, *gone(mine, before, after, renamed(git, base[0], new[0]))}
    before, after = ({path: each for path, each in tree.items() if path not in skip} for tree in (before, after))
    for path in {*after} - {*mine, *before}:
        if os.path.lexists(git.folder / path):
            raise UpgradeError(f"the template has a new file {path}, and yours is not committed: commit or move it.")
    keep_the_name(git, mine, (before, base[1]), (after, new[1]))
    index = git.with_index(folder / "trees")
    return Trees(written(index, before), written(index, after), told)


def gone(mine: Files, before: Files, after: Files, renamed: dict[str, str]) -> set[str]:
    """What the project has deleted; also new files in folders that it has deleted, and deleted files that moved."""
    deleted = {path for path in before if path not in mine}
    folders = parents(before) - parents(mine)
    new = {path for path in after if path not in before}
    return deleted | {path for path in new if parents([path]) & folders or renamed.get(path) in deleted}


def blobs(git: Git, tree: str) -> Files:
    found = {}
    for line in git.out("ls-tree", "-r", "-z", "--full-tree", tree).split("\0"):
        if line:
            what, _, path = line.partition("\t")
            mode, _, blob = what.split()
            found[path] = f"{mode} {blob}"
    return found


def parents(paths: Iterable[str]) -> set[str]:
    """All folders above these files."""
    return {str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"."}


def renamed(git: Git, base: str, new: str) -> dict[str, str]:
    """The old path of each file that the template moved, by its new one."""
    fields = git.out("diff", "--no-ext-diff", "--name-status", "-z", "-M", "--diff-filter=R", base, new).split("\0")
    return {fields[at + 2]: fields[at + 1] for at in range(0, len(fields) - 2, 3)}


def without_orders(git: Git, folder: Path, files: Files) -> Files:
    """The tree after `dev.py remove-orders`; as it is where that is not possible, which may then be a conflict."""
    for path, each in files.items():
        if each.startswith("100") and (path in remove_orders.JSON_FILES or path.endswith(remove_orders.SUFFIXES)):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content(git, each))
    try:
        changes = remove_orders.changes(folder)
    except (remove_orders.RemovalError, UnicodeError):
        return files
    result = {path: each for path, each in files.items() if path != remove_orders.APP}
    for target, text in changes.items():
        path = target.relative_to(folder).as_posix()
        result[path] = stored(git, result[path], text.encode())
    return result


def content(git: Git, blob: str) -> bytes:
    return git.bytes("cat-file", "blob", blob.split()[1])


def stored(git: Git, like: str, text: bytes) -> str:
    """A new object with this text and the mode of another."""
    return f"{like.split()[0]} {git.out('hash-object', '-w', '--stdin', given=text).strip()}"


def keep_the_name(git: Git, mine: Files, *trees: tuple[Files, Version]) -> None:
    """azure.yaml of both trees gets the project's own name, and the line with the version as the project writes it.

    So the merge changes the version, and no other name is a conflict.
    """
    if not all("azure.yaml" in files for files in (mine, *(tree[0] for tree in trees))):
        return
    own = content(git, mine["azure.yaml"])
    now = f"@{dotted(trees[0][1])}".encode()
    for files, number in trees:
        text = content(git, files["azure.yaml"])
        for pattern in (rb"(?m)^name:.*$", rb"(?m)^ +template:.*$", rb"(?m)^ +# address:.*$"):
            line = re.search(pattern, own)
            if line:
                new = line[0].removesuffix(now) + f"@{dotted(number)}".encode() if line[0].endswith(now) else line[0]
                text = re.sub(pattern, new.replace(b"\\", rb"\\"), text, count=1)
        files["azure.yaml"] = stored(git, files["azure.yaml"], text)


def written(git: Git, files: Files) -> str:
    """The tree of these files, in the folder that the project has in its repository."""
    prefix = git.out("rev-parse", "--show-prefix").removesuffix("\n")
    lines = "".join(f"{each}\t{prefix}{path}\0" for path, each in files.items())
    git.out("read-tree", "--empty")
    git.out("update-index", "-z", "--index-info", given=lines.encode("utf-8", "surrogateescape"))
    return git.out("write-tree").strip()


def merge(nobody: Git, git: Git, trees: Trees) -> None:
    """Merges the change of the template into the work tree and the index. Raises UpgradeError if git did not begin."""
    base = nobody.out("commit-tree", trees.base, "-m", "the template before").strip()
    new = nobody.out("commit-tree", trees.new, "-p", base, "-m", "the template after").strip()
    plain = (
        "merge.directoryRenames=false",
        "merge.conflictStyle=merge",
        "rerere.enabled=false",
        "commit.gpgSign=false",
    )
    options = [part for each in plain for part in ("-c", each)]
    done = git.run(*options, "cherry-pick", "--no-commit", "--allow-empty", new)
    if done.returncode and not list(conflicting(git)):
        raise UpgradeError(f"git could not merge: {words(done)}")


def conflicting(git: Git) -> Iterator[str]:
    """Each file with a conflict, and what to do with it."""
    stages: dict[str, str] = {}  # 1 is the base, 2 the project's, 3 the template's
    for line in git.out("ls-files", "--unmerged", "-z").split("\0"):
        if line:
            what, _, path = line.partition("\t")
            stages[path] = stages.get(path, "") + what.split()[2]
    one_side = {"12": "the template deleted it; git rm it, or keep it", "13": "you deleted it; git rm it, or keep it"}
    for path, found in stages.items():
        yield printable(f"{path}: {one_side.get(found, 'choose between <<<<<<< (yours) and >>>>>>> (the template)')}")


def checked(root: Path) -> int:
    """Runs the checks and the tests of the upgraded project. Returns 1 if one of them fails."""
    failed = []
    for command in ("check", "test"):
        say(f"-- python3 dev.py {command}")
        if subprocess.run([sys.executable, "dev.py", command], cwd=root, check=False).returncode:
            failed.append(command)
    if failed:
        say(f"Failed: {' and '.join(failed)}. Fix it before you commit. `git reset --hard` undoes the upgrade.")
        return 1
    say("The checks and your tests pass. Read git diff --cached and docs/upgrade.md, then commit.")
    return 0


def printable(text: str) -> str:
    """Text from a repository, without what a terminal would obey."""
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)


def say(line: str) -> None:
    """To the person at the terminal."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
