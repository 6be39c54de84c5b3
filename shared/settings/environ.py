"""Reads typed values from environment variables, and collects everything that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from .authority import normalized

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_PLACEHOLDER = re.compile(r"<.*>|0{8}-0{4}-0{4}-0{4}-0{12}")
_REFERENCE = re.compile(r"@Microsoft\.(KeyVault|AppConfiguration)\(", re.IGNORECASE)
_NO_WORD = re.compile(r"""[,;"'\[\]]""")

_NEAR = 0.85  # how similar a misspelled name is to the right one


def is_guid(text: str) -> bool:
    """Whether the text is a GUID, in upper or lower case."""
    return _GUID.fullmatch(text) is not None


class Secret:
    """A value that must not be shown. Only `reveal()` returns it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


class EnvironReader:
    """Typed lookups over environment variables. A bad one becomes a line in `problems`, never an exception.

    Names are compared without regard to case, as .NET configuration does and as Windows does with its environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: dict[str, str] = {}
        self._values = {name.lower(): value.strip() for name, value in environ.items()}
        self._as_given = {name.lower(): name for name in environ}
        self._duplicates = [name for name in environ if self._as_given[name.lower()] != name]
        self._asked: dict[str, str] = {}

    def text(self, name: str, default: str | None = None) -> str:
        """The value, or the default. Without either, a problem is noted."""
        self._asked[name.lower()] = name
        value = self._values.get(name.lower(), "")
        if _PLACEHOLDER.search(value):
            self.problems[name] = "still holds its placeholder; put the real value there"
        elif _REFERENCE.match(value):
            self.problems[name] = (
                "is a reference that Azure has not resolved; the identity of the app must be allowed to read it "
                "(Key Vault Secrets User), and the name in it must be right"
            )
        elif not value and default is None:
            self.problems[name] = "is missing"
        return value or default or ""

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """The choice that the value names, spelled as in `choices`."""
        value = self.text(name)
        match = next((choice for choice in choices if choice.lower() == value.lower()), "")
        if not match:
            self.problems.setdefault(name, f"must be one of {', '.join(choices)}")
        return match

    def guid(self, name: str, default: str | None = None) -> str:
        value = self.text(name, default)
        if value and not is_guid(value):
            self.problems.setdefault(name, "must be a GUID such as 3c1a…-…")
        return value.lower()

    def secret(self, name: str, default: str | None = None) -> Secret:
        return Secret(self.text(name, default))

    def flag(self, name: str, default: str = "false") -> bool:
        """`true` or `false`."""
        value = self.text(name, default).lower()
        if value not in ("true", "false"):
            self.problems.setdefault(name, "must be true or false")
        return value == "true"

    def whole_number(self, name: str, default: int, least: int, most: int) -> int:
        """A number from `least` to `most`, both included."""
        value = self.text(name, str(default))
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
        if not least <= number <= most:
            self.problems.setdefault(name, f"must be a whole number from {least} to {most}")
        return number

    def https_url(self, name: str, default: str | None = None) -> str:
        """An https address without user, query or fragment; normalized, no slash at its end."""
        value = self.text(name, default)
        if value and not _is_https_url(value):
            self.problems.setdefault(name, "must be an https:// address without user, query or fragment")
            return value
        return normalized(value).rstrip("/")

    def refuse_path(self, name: str, url: str, where: str) -> None:
        """Notes a problem for an address with a path. `where`: what its path may have been meant to say."""
        if name not in self.problems and urlsplit(url).path.strip("/"):
            self.problems[name] = f"must be an address without a path: {where}"

    def words(self, name: str) -> tuple[str, ...]:
        """A list: `NAME="a b"`, or `NAME__0=a` and `NAME__1=b`; empty when neither is set."""
        listed = self.listed(name)
        for entry, word in listed:
            if _NO_WORD.search(word):
                self.problems.setdefault(
                    entry, "must be words with spaces between them, without commas, quotes or brackets"
                )
        return tuple(word for _, word in listed)

    def listed(self, name: str) -> list[tuple[str, str]]:
        """The words of such a list, each after the variable that has it."""
        if self._values.get(name.lower()) == "":
            self.problems[name] = "is empty; name something or leave the setting out"
        found, number = [(name, self.text(name, ""))], 0
        while f"{name}__{number}".lower() in self._values:
            found.append((f"{name}__{number}", self.text(f"{name}__{number}")))
            number += 1
        return [(entry, word) for entry, text in found for word in text.split()]

    def given(self, name: str) -> list[str]:
        """The variables of this name and below it, as they are written. From now on they count as known."""
        lower = name.lower()
        found = [key for key in self._values if key == lower or key.startswith(f"{lower}__")]
        self._asked.update((key, self._as_given[key]) for key in found)
        return [self._as_given[key] for key in found]

    def says(self, name: str, value: str) -> bool:
        """Whether the variable has this value, in upper or lower case. Any other value is no problem."""
        return self._values.get(name.lower(), "").lower() == value.lower()

    def children(self, prefix: str) -> tuple[str, ...]:
        """The names one level below `prefix`. `Graph`, for `DownstreamApis` and `DownstreamApis__Graph__BaseUrl`."""
        start, level = f"{prefix}__".lower(), prefix.count("__") + 1
        given = {key: self._as_given[key] for key in self._values if key.startswith(start)}
        return tuple({key.split("__")[level]: name.split("__")[level] for key, name in given.items()}.values())

    def refuse_unknown(self, *prefixes: str) -> None:
        """Notes a problem for each unknown setting under a prefix. A misspelled one may have been a restriction."""
        ours = re.compile(rf"({'|'.join(prefixes)})(__|[_:.])", re.IGNORECASE)  # _ : . are separators elsewhere
        for name in filter(ours.match, self._duplicates):
            self.problems[name] = "is set twice, in upper and lower case"
        for key in self._values.keys() - self._asked.keys():
            if ours.match(key):
                from difflib import get_close_matches  # only for a mistake

                near = get_close_matches(key, self._asked, n=1)
                hint = f"; did you mean {self._asked[near[0]]}?" if near else ""
                self.problems[self._as_given[key]] = f"is not a setting of this API{hint}"
            elif section := _misspelled(key.partition("__"), prefixes):
                self.problems[self._as_given[key]] = f"is not a setting of this API; did you mean {section}__…?"


def _misspelled(parts: tuple[str, str, str], sections: tuple[str, ...]) -> str:
    """The section that is spelled nearly like the first level of a name. Names without levels are not ours."""
    first, names = parts[0], {section.lower(): section for section in sections}
    similar = [name for name in names if parts[1] and min(len(name), len(first)) * 2 >= _NEAR * len(name + first)]
    if not similar:  # nearly always, so that difflib need not be imported
        return ""
    from difflib import get_close_matches

    near = get_close_matches(first, similar, n=1, cutoff=_NEAR)
    return names[near[0]] if near else ""


def is_redis_url(value: str) -> bool:
    """Whether the URL uses TLS, or is local. Entries are encrypted, but the Redis password is not."""
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 — as below
    except ValueError:
        return False
    names_database = not url.path.strip("/") or url.path.strip("/").isdigit()
    is_local = url.hostname in LOCAL_HOSTS
    known = url.scheme == "rediss" or (url.scheme == "redis" and is_local)
    return (
        known
        and names_database
        and url.port != 0
        and bool(url.hostname)
        and not url.query
        and not url.fragment
        and value.isascii()
        and " " not in value
    )


def _is_https_url(value: str) -> bool:
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 — reading it raises ValueError for a port that is no number
    except ValueError:
        return False
    plain = not ("@" in url.netloc or url.query or url.fragment)
    return url.scheme == "https" and bool(url.hostname) and plain and value.isascii() and " " not in value
