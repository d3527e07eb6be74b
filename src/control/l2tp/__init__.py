"""L2TPv2 signalling (RFC 2661), sans-IO, both roles."""
