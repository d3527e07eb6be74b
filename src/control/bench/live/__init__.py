"""Live LNSs in network namespaces, ours and l2tpns: how much they carry, and what that costs."""
