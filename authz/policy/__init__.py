"""May they? From declared policies to compiled ones, and from a request to a decision. Pure: no I/O, no clock, no log."""
