"""Pages for people: the story of a lead, why nobody is dialled, failures. Imported at the first request."""
