"""How the simulated PostCenter may differ from its documents."""

from __future__ import annotations

from dataclasses import dataclass

from connector.vendors.sandbox.limits import Limits


@dataclass(slots=True, kw_only=True)
class PostCenterLimits(Limits):
    """One value per rule."""

    errors_inside: bool = False  #: refusals come under 200, with their status in the body alone
    by_agent_id_posts: bool = False  #: by_agent_id by POST alone in place of GET alone
    state_slash: bool = False  #: tickets by state want a slash at the end and redirect without it
