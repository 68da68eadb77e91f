"""The spool takes webhooks while the database is away, and gives them back to it in order."""
