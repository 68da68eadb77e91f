"""`make soak`: the web process under all attacks at once, for minutes; what proved senders notice is measured."""
