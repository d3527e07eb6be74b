"""The control plane: signalling, policy and state machines. It drives fastpath and is never
imported by it."""
