"""A live view of a running router on a terminal."""
