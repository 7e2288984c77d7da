"""Write everything that is made from the code: `python docs/generate.py`; with --check, only name what is stale and exit 1."""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

import click
import yaml
from grpc_tools import protoc  # type: ignore[import-untyped]

from authz.api.problem_codes import CODES
from authz.api.schema import crd_text, spec_schema
from authz.cli import exits
from authz.cli.main import COMMANDS, cli
from authz.model.advice import ADVICE
from authz.model.reason import Reason
from authz.telemetry.table import BUCKETS, CLUSTER, OWN, PROCESS, RELOAD_BUCKETS
from monitoring.alerts import alerts_text
from monitoring.dashboard import dashboard_text

ROOT: Final = Path(__file__).resolve().parent.parent
CHART: Final = ROOT / "charts" / "ingress-authz"
COMMAND: Final = "python docs/generate.py"
MARK: Final = f"<!-- Written by `{COMMAND}`; not edited by hand. -->\n\n"

EXITS: Final = {
    "OK": "Done; the request would be allowed.",
    "NEGATIVE": "The request would be denied, or something was found.",
    "USAGE": "The command line or the settings are wrong.",
    "UNREADABLE": "Something that was given cannot be read, or is invalid.",
    "UNREACHABLE": "An issuer, the cluster or the server cannot be reached.",
    "FAULT": "A fault of ours: please report it.",
}

# Path in the schema → part of a `spec` that shows what stands there.
EXAMPLES: Final[dict[str, str]] = yaml.safe_load((ROOT / "docs/examples.yaml").read_text(encoding="utf-8"))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    titles = list(head)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in [titles, ["---"] * len(titles), *lines])


def code(text: object) -> str:
    """Return `text` as Markdown code, whatever backticks it holds."""
    return f"`` {text} ``" if "`" in str(text) else f"`{text}`"


def page(title: str, *parts: str) -> str:
    """Return a page: a mark that says where it comes from, the title, and the parts with an empty line between them."""
    return MARK + "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def authpolicy() -> str:
    """Return the page of AuthPolicy: each object of the schema once, with every place where it may stand."""
    opening = (
        "`apiVersion: ingress-authz.dev/v1alpha1`, `kind: AuthPolicy`. Below is every field of `spec`; `[]` stands for an item of a list. "
        "Unknown fields are mistakes. The rules under a table are checked by the API server when the object is written, and by "
        "`authz validate`, which also finds what the API server cannot: [problems.md](problems.md)."
    )
    sections: dict[str, list[str]] = {}
    shapes: dict[str, dict[str, Any]] = {}
    for path, node in _objects("spec", spec_schema()):
        shape = json.dumps({key: value for key, value in node.items() if key != "description"})
        sections.setdefault(shape, []).append(path)
        shapes.setdefault(shape, node)
    homes = {path: paths[0] for paths in sections.values() for path in paths}
    return page("AuthPolicy", opening, *(_section(paths, shapes[shape], homes) for shape, paths in sections.items()))


def _objects(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if node["type"] == "array":
        yield from _objects(path + "[]", node["items"])
    elif node.get("properties"):
        yield path, node
        for name, field in node["properties"].items():
            yield from _objects(f"{path}.{name}", field)


def _section(paths: list[str], node: dict[str, Any], homes: dict[str, str]) -> str:
    first, *others = paths
    required = node.get("required", ())
    rows = [_row(name, field, name in required, homes.get(_below(first, name, field))) for name, field in node["properties"].items()]
    parts = [f"## `{first}`", node["description"]]
    if others:
        parts.append(f"The same at {', '.join(map(code, others))}.")
    parts.append(table(("Field", "Type", "Bounds", "Default", "Meaning"), rows))
    if rules := node.get("x-kubernetes-validations"):
        parts.append("\n".join(["Rules:", "", *(f"- {_sentence(each['message'])}<br>{code(each['rule'])}" for each in rules)]))
    if first in EXAMPLES:
        parts.append(f"```yaml\n{EXAMPLES[first]}```")
    return "\n\n".join(part.strip("\n") for part in parts)


def _below(path: str, name: str, field: dict[str, Any]) -> str:
    return f"{path}.{name}[]" if field["type"] == "array" else f"{path}.{name}"


def _row(name: str, field: dict[str, Any], required: bool, home: str | None) -> tuple[str, ...]:  # noqa: FBT001 - a private row
    item = field.get("items")
    kind = f"list of {item['type']}s" if item else field["type"]
    if home:
        anchor = "".join(letter for letter in home.lower() if letter.isalnum())
        kind = f"[{kind}](#{anchor})"
    bounds = "; ".join([*_bounds(field), *(f"each {bound}" for bound in _bounds(item or {}))])
    default = code(json.dumps(field["default"])) if "default" in field else "*required*" if required else ""
    return code(name), kind, bounds, default, field["description"]


def _bounds(node: dict[str, Any]) -> Iterator[str]:
    if "enum" in node:
        yield ", ".join(map(code, node["enum"]))
    for least, most, unit in (("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"), ("minimum", "maximum", "")):
        if most in node:
            yield f"{node[least]} to {node[most]}{unit}" if least in node else f"at most {node[most]}{unit}"
    if "pattern" in node:
        yield code(node["pattern"])
    if keys := node.get("x-kubernetes-list-map-keys"):
        yield f"each {keys[0]} once"
    if node.get("x-kubernetes-list-type") == "set":
        yield "each value once"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def reasons() -> str:
    """Return the page of the reasons."""
    opening = (
        "Why a request was allowed or denied: in logs, metrics and `authz explain` by the first column, to clients by the fourth "
        "(`code` of the answer's body; faults of a signature share one word, and so do those of an API key, so that answers are no "
        "oracle). A policy's `denied` may give a 401 or 403 another status and title; a 401 where no token would help is a 403."
    )
    head = ("Reason", "Status", "RFC 6750 `error`", "Clients see", "What to look at")
    denials = (
        (code(each), str(each.status), code(each.error) if each.error else "", f"{code(each.public)}: {each.sentence}", ADVICE[each])
        for each in Reason
        if not each.allows
    )
    allows = ((code(each), ADVICE[each]) for each in Reason if each.allows)
    return page("Reasons", opening, "## Denials", table(head, denials), "## Allows", table(("Reason", "Meaning"), allows))


def metrics() -> str:
    """Return the page of the metrics."""
    opening = "On `/metrics` of the admin address. Labels come from closed lists and from names in policies: no client makes a series."
    sections = (
        ("## The service", OWN),
        ("## Its place in the cluster, with `--kube`", CLUSTER),
        ("## The process", PROCESS),
    )
    tables = [
        (
            title,
            table(
                ("Name", "Type", "Labels", "Meaning"),
                ((code(n), kind, ", ".join(map(code, on)), text) for n, (kind, on, text) in rows.items()),
            ),
        )
        for title, rows in sections
    ]
    buckets = (
        f"Buckets of `authz_check_duration_seconds`, in seconds: {', '.join(f'{bound:g}' for bound in BUCKETS)}; of "
        f"`authz_reload_duration_seconds`: {', '.join(f'{bound:g}' for bound in RELOAD_BUCKETS)}."
    )
    return page("Metrics", opening, *(part for each in tables for part in each), buckets)


def problems() -> str:
    """Return the page of the problem codes."""
    opening = (
        "What `authz validate` and the log say of policies. AZ1xx: the form of a document; AZ2xx: a document and others; "
        "AZ3xx: what a policy says. An error keeps a policy from being used, and its last version without errors stays in force; "
        "a warning does not."
    )
    return page("Problems", opening, *(f"## {name}\n\n**{each.title}.** {each.meaning}" for name, each in CODES.items()))


def commands() -> str:
    """Return the page of the command line. Raises where a command cannot be loaded."""
    values = {name: value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    if values.keys() != EXITS.keys():
        raise LookupError(f"EXITS in docs/generate.py and the codes in authz/cli/exits.py differ: {values.keys() ^ EXITS.keys()}")
    opening = (
        f"{cli.help}\n\nA flag wins over its environment variable, which wins over the default. An option that may be repeated takes its "
        "values from the variable with spaces between them; a switch takes `true` or `false`."
    )
    codes = table(("Code", "Meaning"), ((str(value), EXITS[name]) for name, value in values.items()))
    root = click.Context(cli, info_name="authz", **cli.context_settings)
    return page("Command line", opening, *(_command(root, name) for name in COMMANDS), "## Exit codes", codes)


def _command(root: click.Context, name: str) -> str:
    command = cli.get_command(root, name)
    if command is None:
        raise LookupError(f"{name} is in COMMANDS of authz/cli/main.py and cannot be loaded")
    return "\n\n".join(_described(click.Context(command, info_name=name, parent=root)))


def _described(context: click.Context) -> Iterator[str]:
    """Yield what is said of a command, and then of each of its subcommands."""
    command = context.command
    usage = f"```\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```"
    rows = [_option(each, context) for each in command.params if isinstance(each, click.Option)]
    options = table(("Option", "Environment", "Default", "Meaning"), rows) if rows else ""
    yield "\n\n".join(filter(None, [f"## {context.command_path}", usage, cleandoc(command.help or ""), options.rstrip()]))
    if isinstance(command, click.Group):
        for name, each in sorted(command.commands.items()):
            yield from _described(click.Context(each, info_name=name, parent=context))


def _option(option: click.Option, context: click.Context) -> tuple[str, ...]:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    flags = [*(f"{flag}{value}" for flag in option.opts), *option.secondary_opts]
    extra = option.get_help_extra(context)
    default = "*required*" if option.required else code(extra["default"]) if "default" in extra else ""
    variable = f"{context.auto_envvar_prefix}_{(option.name or '').upper()}"
    meaning = f"{option.help} ({code(extra['range'])})" if "range" in extra else option.help or ""
    return ", ".join(map(code, flags)), code(variable), default, meaning


@cache
def _protos() -> dict[str, str]:
    """Return the modules that protoc makes of protos/ext_authz.proto."""
    with tempfile.TemporaryDirectory() as folder:
        known = files("grpc_tools") / "_proto"
        arguments = [f"-I{ROOT / 'protos'}", f"-I{known}", f"--python_out={folder}", f"--pyi_out={folder}", "ext_authz.proto"]
        if protoc.main(["protoc", *arguments]) != 0:
            raise ChildProcessError("protoc failed; its message is above")
        return {path.name: path.read_text(encoding="utf-8") for path in Path(folder).iterdir()}


def chart_readme() -> str:
    """Return the chart's page: what is written by hand, and a table of its values."""
    written = (CHART / "README.md").read_text(encoding="utf-8").partition("## Values\n")
    described = _comments_of_values()
    rows = (
        (code(path), code(json.dumps(default)), described[path])
        for path, default in _values("", yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")), described)
    )
    return f"{written[0]}{written[1]}\n{table(('Value', 'Default', 'Meaning'), rows)}"


def chart_schema() -> str:
    """Return the schema of the chart's values: its form is written by hand, its descriptions are the comments of values.yaml."""
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    for path, text in _comments_of_values().items():
        node = schema
        for name in path.split("."):
            node = node["properties"][name]
        node["description"] = text
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _values(path: str, node: Any, described: dict[str, str]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - YAML
    """Yield each value that has a comment, or holds none that has, with its default."""
    if path in described or not isinstance(node, dict):
        yield path, node
    else:
        for name, below in node.items():
            yield from _values(f"{path}.{name}".lstrip("."), below, described)


def _comments_of_values() -> dict[str, str]:
    """Return the sentence over each value in values.yaml, by path."""
    found: dict[str, str] = {}
    stack: list[str] = []
    text = ""
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r" *# -- (.*)", line):
            text = match[1]
        elif match := re.match(r"( *)(\w+):", line):
            stack[len(match[1]) // 2 :] = [match[2]]
            if text:
                found[".".join(stack)] = text
            text = ""
    return found


# Path from the root → what it should hold.
GENERATED: Final[dict[str, Callable[[], str]]] = {
    "crds/authpolicies.yaml": crd_text,
    "charts/ingress-authz/files/crds/authpolicies.yaml": crd_text,
    "charts/ingress-authz/README.md": chart_readme,
    "charts/ingress-authz/values.schema.json": chart_schema,
    "authz/envoy/pb/ext_authz_pb2.py": lambda: _protos()["ext_authz_pb2.py"],
    "authz/envoy/pb/ext_authz_pb2.pyi": lambda: _protos()["ext_authz_pb2.pyi"],
    "docs/reference/authpolicy.md": authpolicy,
    "docs/reference/reasons.md": reasons,
    "docs/reference/metrics.md": metrics,
    "docs/reference/problems.md": problems,
    "docs/reference/cli.md": commands,
    "charts/ingress-authz/dashboards/ingress-authz.json": dashboard_text,
    "charts/ingress-authz/alerts.yaml": alerts_text,
}


def is_stale(name: str) -> bool:
    """Return whether a generated file differs from what it should hold."""
    path = ROOT / name
    return not path.exists() or path.read_text(encoding="utf-8") != GENERATED[name]()


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; name the stale files and exit with 1 if there are any.")
def main(*, check: bool) -> None:
    """Write everything that is made from the code."""
    stale = [name for name in GENERATED if is_stale(name)]
    for name in stale:
        click.echo(f"{name} is stale: run {COMMAND}" if check else f"wrote {name}")
        if not check:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(GENERATED[name](), encoding="utf-8")
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
