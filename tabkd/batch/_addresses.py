"""The address of a PostgreSQL server: how libpq splits it, and which part of it may be shown.

A password can contain any character, and people do not always encode it. So the hidden part does not depend on how an
address is split: it goes from the first colon to the last ``@``, and covers the whole value of an option such as
``password=``.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

_SCHEMES = ("postgresql", "postgres")
_EXAMPLE = "postgresql://user@host/name"
_HIDDEN = "***"
# Shorter texts are not replaced: they may be parts of words.
_LEAST_HIDDEN = 4
_SECRET = (
    r"(?:password|passwd|passfile|passphrase|pwd|secret|token|scram_client_key|scram_server_key"
    r"|signature|credential|\bsig\b|(?:api|account|access)[-_]?key)"
)
_OPTION = re.compile(rf"\w*{_SECRET}\s*=\s*('(?:[^'\\]|\\.)*'|[^&\s]*)", re.IGNORECASE)
# A value in an address ends at the next option, and the name of an option may be percent-encoded.
_PARAMETER = re.compile(r"(?:^|(?<=[?&]))([^?&=]+)=([^&]*)")
_HOST = r"(?:\[[^\]/?@]*\]|[^:,/?@\[\]]*)(?::\d*)?"
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*")
_LOOKS_LIKE_PASSWORD = re.compile(r"(\b[a-zA-Z][\w+.-]*:/{1,2}[^\s:/@]*:)\S*@")
_BAD_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})|%00")
_KEYWORDS = re.compile(r"\s*\w+\s*=.*\b(?:host|hostaddr|dbname|user|password|service)\s*=|\s*(?:dbname|password)\s*=")


def is_postgres(given: str) -> bool:
    """Whether an input is the address of a PostgreSQL server."""
    scheme, found, _ = given.partition("://")
    return bool(found) and scheme in _SCHEMES


def check_form(given: str) -> None:
    """Refuse the forms of PostgreSQL addresses that other programs use, such as ``host=… dbname=…``.

    Raises
    ------
    ValueError
        If the input has such a form.
    """
    scheme, found, _ = given.partition("://")
    plain = scheme.lower().removeprefix("jdbc:").partition("+")[0]
    others = found and scheme not in _SCHEMES and plain in _SCHEMES
    if others or (not found and _KEYWORDS.match(given)):
        raise ValueError(f"{shown(given)!r} is not an address that tabkd accepts; write it as {_EXAMPLE}.")


def check(address: str) -> None:
    """Refuse an ambiguous address, which libpq may split in another way and then show a password in its errors.

    Raises
    ------
    ValueError
        If the address is ambiguous; the message names the reason.
    """
    rest = address.partition("://")[2]
    _, at, place = _split(rest)
    hosts = re.split("[/?]", place, maxsplit=1)[0]
    options = place.partition("?")[2]
    what = ""
    if not address.isprintable():
        what = "has characters that cannot be printed"
    elif _BAD_PERCENT.search(rest):
        what = "has a '%' that two hexadecimal digits do not follow, or %00"
    elif rest.count("@") > 1 or ("@" in rest and not at and ":" in rest.partition("@")[0]):
        what = "can be split in more than one way: more than one '@', or a '/' before it"
    elif not _HOSTS.fullmatch(hosts):
        what = "has a port that is not a number, or a bracket without its counterpart"
    elif options and not all(option.count("=") == 1 for option in options.split("&")):
        what = "has an option that is not of the form name=value"
    if what:
        raise ValueError(
            f"{shown(address)!r} {what}. In a user, a password and a name write %40 for '@', %2F for '/', %3A for ':', "
            "%3F for '?', %25 for '%' and %26 for '&'; or leave the password to ~/.pgpass."
        )


def shown(address: str) -> str:
    """An address or a path without passwords, for messages and files."""
    for start, end in reversed(_hidden(address)):
        address = address[:start] + _HIDDEN + address[end:]
    return address


def without_password(text: str, address: str) -> str:
    """A text that may contain an address or its password, without the password."""
    text = text.replace(address, shown(address))
    secrets = {address[start:end] for start, end in _hidden(address)} | {_password(address)}
    secrets |= {unquote(secret) for secret in secrets}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LEAST_HIDDEN:
            text = text.replace(secret, _HIDDEN)
    return _OPTION.sub(_without_value, text)


def without_any_password(text: str) -> str:
    """A text that may contain unknown addresses, without what looks like their passwords.

    Examples
    --------
    >>> without_any_password("no file postgresql:/user:secret@host/name")
    'no file postgresql:/user:***@host/name'
    """
    return _OPTION.sub(_without_value, _LOOKS_LIKE_PASSWORD.sub(rf"\1{_HIDDEN}@", text))


def _without_value(found: re.Match) -> str:
    """An option with its value hidden."""
    return found[0][: found.start(1) - found.start()] + _HIDDEN


def has_key_of(path: str, url: str) -> bool:
    """Whether a path still contains a password or a key of the URL that it was made from."""
    place, _, options = url.partition("://")[2].partition("?")
    # A colon and an @ after the first slash belong to the names of files, unless a secret contains a slash.
    name, _, rest = place.partition("/")
    login, at, _ = name.partition("@")
    has_login = ":" in login if at else "@" in rest and re.search(r":(?!\d*$)", name) is not None
    named = any(re.search(_SECRET, unquote(option[1]), re.IGNORECASE) for option in _PARAMETER.finditer(options))
    if not (has_login or named):
        return False
    return any(url[start:end] in path for start, end in _hidden(url))


def key_of(address: str, table: str) -> str:
    """Eight hexadecimal digits that identify a table of a database, independent of how a user logs in."""
    place = _split(address.partition("://")[2])[2]
    path, _, options = place.partition("?")
    pairs = [unquote(option) for option in options.split("&")]
    # Options can also give the place of the database.
    named = sorted(pair for pair in pairs if pair.partition("=")[0] in ("host", "hostaddr", "port", "dbname"))
    return hashlib.sha256(" ".join([path, *named, table]).encode()).hexdigest()[:8]


def _split(rest: str) -> tuple[str, str, str]:
    """Split an address like libpq: user and password, "@" or nothing, and the rest (hosts, name and options)."""
    end = re.search("[@/]", rest)
    if end is None or end[0] == "/":
        return "", "", rest
    return rest[: end.start()], "@", rest[end.end() :]


def _password(address: str) -> str:
    return _split(address.partition("://")[2])[0].partition(":")[2]


def _hidden(address: str) -> list[tuple[int, int]]:
    """The spans of secrets in an address, in order and without overlap."""
    scheme, found, rest = address.partition("://")
    if not found:
        return [match.span(1) for match in _OPTION.finditer(address)]
    spans = []
    colon, at = re.search(":|%3a", rest, re.IGNORECASE), rest.rfind("@")
    if colon and at < 0:
        if not _HOSTS.fullmatch(re.split("[/?]", rest, maxsplit=1)[0]):
            spans.append((colon.end(), len(rest)))
    elif colon and colon.end() <= at:
        spans.append((colon.end(), at))
    for option in _PARAMETER.finditer(rest):
        if re.search(_SECRET, unquote(option[1]), re.IGNORECASE):
            spans.append(option.span(2))
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if apart and start <= apart[-1][1]:
            start, end = apart[-1][0], max(end, apart.pop()[1])
        apart.append((start, end))
    before = len(scheme) + len(found)
    return [(before + start, before + end) for start, end in apart if start < end]
