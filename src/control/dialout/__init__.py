"""Dial-out: targets, sessions and calls, from a trigger to a verified access route."""
