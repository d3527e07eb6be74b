"""Which classifiers packets of a session pass, one for each way: as Filter-Id and the policies of
RADIUS say, or the profile, and what a CoA-Request makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from control.config import Profile
from control.radius.dynauth import Changes
from control.radius.events import SessionGrant


class LinkFilters(NamedTuple):
    """Names of classifiers; empty: all packets pass."""

    into: str
    """For what goes to the site."""
    out_of: str
    """For what comes from it."""


def filters_of(grant: SessionGrant | None, profile: Profile) -> LinkFilters:
    """A policy of one way goes before Filter-Id, and that before the profile's classifier."""
    if grant is None:
        return LinkFilters(profile.classifier, profile.classifier)
    both = grant.filter_id or profile.classifier
    return LinkFilters(grant.egress_policy or both, grant.ingress_policy or both)


def changed(grant: SessionGrant, changes: Changes) -> SessionGrant:
    """The grant as a CoA-Request wants its filters. A new Filter-Id holds for both ways."""
    if changes.filter_id is not None:
        grant = replace(grant, filter_id=changes.filter_id, ingress_policy="", egress_policy="")
    if changes.ingress_policy is not None:
        grant = replace(grant, ingress_policy=changes.ingress_policy)
    if changes.egress_policy is not None:
        grant = replace(grant, egress_policy=changes.egress_policy)
    return grant
