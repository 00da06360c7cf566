"""The firm's settings: users, keys, assignments, first contact, audit log."""
