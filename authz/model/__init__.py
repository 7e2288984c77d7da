"""The words of this project as immutable values. Knows nobody: the standard library only."""
