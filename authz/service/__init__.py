"""What the program does: check a request, update the policies. Speaks to no wire; what it needs it names as ports."""
