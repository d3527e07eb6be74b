"""The version, in one place; it must import nothing."""

__version__ = "0.1.0"
