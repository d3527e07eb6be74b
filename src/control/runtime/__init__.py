"""The running process: sockets, clock and data plane loop around the LNS, which decides."""
