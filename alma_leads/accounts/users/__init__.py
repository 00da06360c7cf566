"""The firm's users: inviting, changing, deactivating, the first administrator."""
