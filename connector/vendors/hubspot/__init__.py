"""HubSpot, CRM: read for the rest of thin events."""
