"""What a monitoring system sees: metrics, their text form and the pages that carry them."""
