"""From a due delivery to a settled one: claim, send, settle, probe, fetch, poll, guards, worker."""
