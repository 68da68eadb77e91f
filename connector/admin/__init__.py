"""The operator's reads and decisions: status, lists, explain; replay, resolve, privacy.

Results are JSON values (snake_case keys, ISO 8601 times with Z), for commands and web alike.
"""
