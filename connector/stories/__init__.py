"""What a person asks of the database: how it all stands, which deliveries there are, and the whole story of one.

Everything is answered as JSON has it (snake_case keys, ISO 8601 times with Z), for commands and web alike. Nothing here
writes, and nothing takes longer as the tables grow, but for a search that must walk them.
"""

from connector.stories.explaining import explain
from connector.stories.listing import Search, deliveries
from connector.stories.standings import status
from connector.stories.words import NotThere

__all__ = ["NotThere", "Search", "deliveries", "explain", "status"]
