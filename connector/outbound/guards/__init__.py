"""Guards: they keep a claimed delivery from being sent, or from being sent now.

A guard is a file here and a line.

`GUARDS` is the order in which they are asked at every claim, for first sends, retries, replays and imports alike.
Guards that end deliveries come before guards that hold them, and no delivery is a copy of one that is not sent. What
counts contacts of a person (the caps) comes after all that would keep a contact from beginning.
"""

from connector.outbound.guards.base import Guard
from connector.outbound.guards.caps import CapsGuard
from connector.outbound.guards.ceilings import CeilingGuard
from connector.outbound.guards.consent import ConsentGuard
from connector.outbound.guards.contact_hours import ContactHoursGuard
from connector.outbound.guards.expiry import Expiry
from connector.outbound.guards.numbers import NumbersGuard
from connector.outbound.guards.once_per import OncePerGuard
from connector.outbound.guards.place_hours import PlaceHoursGuard
from connector.outbound.guards.precheck import PreCheck
from connector.outbound.guards.registries import RegistriesGuard
from connector.outbound.guards.share import ShareGuard
from connector.outbound.guards.suppression_list import SuppressionList

GUARDS: tuple[Guard, ...] = (
    Expiry(),
    NumbersGuard(),
    SuppressionList(),
    RegistriesGuard(),
    ConsentGuard(),
    ContactHoursGuard(),
    PlaceHoursGuard(),
    PreCheck(),
    ShareGuard(),
    CeilingGuard(),
    CapsGuard(),
    OncePerGuard(),
)
