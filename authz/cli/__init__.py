"""What a person types."""

from authz.cli.main import main

__all__ = ["main"]
