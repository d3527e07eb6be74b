"""PPP signalling (RFC 1661, 1332, 1334, 1994), sans-IO, knows nothing of L2TP."""
