"""What a request says, read plainly: host, path in any spelling, address, headers. Written from the documentation alone."""

import ipaddress
import re
from typing import Any
from urllib.parse import unquote_to_bytes

Raw = dict[str, Any]
PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@/"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def host_of(request: Raw) -> str:
    """The host in lower case, without port and one final dot; "" where it is none."""
    host = re.sub(r":[0-9]+$", "", request["host"].lower()).removesuffix(".")
    return host if re.fullmatch(r"\[[0-9a-f:.]+\]", host) or all(LABEL.fullmatch(each) for each in host.split(".")) else ""


def is_of(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) and host != pattern[2:] if pattern.startswith("*.") else host == pattern


def canonical(path: str) -> str:
    """One form for every spelling: what needs no escape has none, the others are in upper case."""
    return "".join(chr(each) if chr(each) in PLAIN else f"%{each:02X}" for each in unquote_to_bytes(path.encode()))


def is_ambiguous(path: str) -> bool:
    """Whether a backend could read the path otherwise than we do."""
    octets = unquote_to_bytes(path.encode())
    if re.search(r"%(?![0-9a-f]{2})|[;\\#]|%2f|%5c|%3b|%25[0-9a-f]{2}", path, re.IGNORECASE) or re.search(rb"[\x00-\x1f\x7f]", octets):
        return True
    try:
        segments = octets.decode().split("/")[1:]
    except UnicodeDecodeError:
        return True
    return "." in segments or ".." in segments or "" in segments[:-1]


def is_below(path: str, prefix: str) -> bool:
    prefix = canonical(prefix).rstrip("/")
    return path == prefix or path.startswith(prefix + "/")


def matches(match: Raw, method: str, path: str) -> bool:
    """Whether a rule's match is for this method and path, in whichever spelling the path is given."""
    if method not in match.get("methods", [method]):
        return False
    wanted = match.get("path", {"type": "PathPrefix", "value": "/"})
    kind, value = wanted["type"], wanted["value"]
    if kind == "RegularExpression":
        return re.fullmatch(value, path) is not None
    if kind == "PathPrefix":
        return is_below(path, value)
    wanted, given = value.removesuffix("/").split("/"), path.removesuffix("/").split("/")
    pairs = zip(wanted, given, strict=False)
    if kind == "Template":
        pairs = (("", "") if want.startswith("{") and have else (want, have) for want, have in pairs)
    return len(wanted) == len(given) and all(canonical(want) == have for want, have in pairs)


def address_of(text: str) -> Any:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_trusted(request: Raw, how: Raw) -> bool:
    """Whether the peer is one whose headers count."""
    peer = address_of(request["source"])
    return peer is not None and any(peer in ipaddress.ip_network(each) for each in how["trusted"])


def client(request: Raw, how: Raw | None) -> Any:
    """The client's address as the operator says it is found; None: unknown."""
    if how is None or not how["header"] or not is_trusted(request, how):
        return address_of(request["source"]) if how else None
    value = request["headers"].get(how["header"], "")
    if how["header"] != "x-forwarded-for":
        return address_of(value)
    entries, needed = value.split(","), how["hops"] + how["appended"]
    return address_of(entries[-needed]) if len(entries) >= needed else None


def member_faults(item: Raw, sets: Raw, request: Raw, operator: Raw) -> list[str]:
    """Why clientIP and headers of an item do not hold, in this order; `?` where that is not certain."""
    found = []
    if "clientIP" in item:
        address = client(request, operator["clientAddress"])
        meant = [item["clientIP"], *(sets[name] for name in item["clientIP"].get("sets", ()))]
        ranges = [(address_of(one["from"]), address_of(one["to"])) for each in meant for one in each.get("ranges", ())]
        if address is None:
            found.append("ip.unknown")
        elif not any(address in ipaddress.ip_network(one) for each in meant for one in each.get("cidrs", ())) and not any(
            first.version == address.version and first <= address <= last for first, last in ranges
        ):
            found.append("ip.denied")
    faults = [header_fault(each, request) for each in item.get("headers", ())]
    return [*found, *(["header.mismatch" if "mismatch" in faults else "?header.mismatch"] if any(faults) else [])]


def header_fault(condition: Raw, request: Raw) -> str:
    """Why a header is not what is asked for: "mismatch", "unclear" (one of its lines is, joined with a comma), or ""."""
    value = request["headers"].get(condition["name"].lower(), "")
    fold = str.lower if condition.get("ignoreCase") else str
    wanted = [fold(each) for each in condition.get("values", [value] if value else [])]
    if fold(value) in wanted:
        return ""
    return "unclear" if any(fold(each.strip()) in wanted for each in value.split(",")) else "mismatch"


def path_params(rule: Raw, request: Raw) -> dict[str, str]:
    """What stands for the parameters of the first template of the rule that is for this request."""
    path = canonical(request["path"].partition("?")[0])
    for match in rule.get("matches", ()):
        if match.get("path", {}).get("type") == "Template" and matches(match, request["method"], path):
            pairs = zip(match["path"]["value"].split("/"), path.split("/"), strict=False)
            return {want[1:-1]: canonical(have) for want, have in pairs if want.startswith("{")}
    return {}


def when_fault(text: str, seen: Raw) -> str:
    """Why an expression does not hold: `a || b && c` of comparisons; what is looked at and not there is an error."""
    told = [[compared(each, seen) for each in one.split(" && ")] for one in text.split(" || ")]
    every = [False if False in one else None if None in one else True for one in told]
    # A parameter that comes twice (...) is no value: the whole fails.
    if any(... in one for one in told) or (True not in every and None in every):
        return "expression.error"
    return "" if True in every else "expression.false"


def compared(text: str, seen: Raw) -> Any:
    """Whether `name == 'value'`, `name != 'value'`, `'value' in name` or `ip.inCidr(clientIP, 'network')` is true; None: an error."""
    if text.startswith("ip.inCidr"):
        return seen["clientIP"] and seen["clientIP"] in ipaddress.ip_network(text.split("'")[1])
    left, operation, right = text.split(" ")
    (name, literal), value = (right, left) if operation == "in" else (left, right), seen
    for step in re.findall(r"[\w-]+", name):
        value = value.get(step) if isinstance(value, dict) else None
    if value is None or value is ... or (operation == "in" and not isinstance(value, list | dict)):
        return value if value is ... else None
    return literal.strip("'") in value if operation == "in" else (value == literal.strip("'")) is (operation == "==")
