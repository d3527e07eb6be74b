"""What an operator asks a running router, and what it answers."""
