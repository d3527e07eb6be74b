"""Ports: where packets come from and go to. One backend is one file; the contract is port.pxd."""
