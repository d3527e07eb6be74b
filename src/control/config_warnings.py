"""What a configuration allows and is dangerous: told by `dialout check` and at every start."""

from __future__ import annotations

from control import config


def warnings(config: config.Config) -> list[str]:
    """What is allowed and dangerous, a sentence each."""
    found = []
    for group in config.radius:
        if not group.require_message_authenticator:
            found.append(
                f'radius "{group.name}": require_message_authenticator is false: whoever can '
                "change packets on the way may forge answers (CVE-2024-3596)"
            )
        if group.dynamic_authorization and not group.require_event_timestamp:
            found.append(
                f'radius "{group.name}": require_event_timestamp is false: whoever has seen a CoA '
                "or Disconnect request may send it again later"
            )
    if config.metrics.anywhere and config.metrics.listen:
        found.append(
            f"metrics: {config.metrics.listen} may be read by whoever reaches it, "
            "without a password"
        )
    return found
