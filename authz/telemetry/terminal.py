"""Text on its way to a terminal: what came from files, tokens or servers must not control it."""


def plain(text: str) -> str:
    """Return `text` with every character that is not printable written as an escape."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape", "replace").decode() for each in text)
