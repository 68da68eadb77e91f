"""Files of leads or tickets into the inbox."""
