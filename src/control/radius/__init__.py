"""RADIUS (RFC 2865, 2868, 2869), sans-IO."""
