"""What operators see: metrics and structured lines. Nothing here decides, blocks or prints a credential."""
