"""The operator's end of the control socket: commands, and their answers as text."""
