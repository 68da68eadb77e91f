"""The three vendors simulated: strict about every documented limit, with faults on request. `Sandbox` is the way in."""

from connector.sandbox.faults import Fault
from connector.sandbox.ledger import Breach, Call
from connector.sandbox.limits import Limits
from connector.sandbox.sandbox import Sandbox, serve

__all__ = ["Breach", "Call", "Fault", "Limits", "Sandbox", "serve"]
